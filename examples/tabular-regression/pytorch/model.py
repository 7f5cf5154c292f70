"""What learns. Any estimator of scikit-learn that ONNX can express will do as well, and so will a class of your own."""

from typing import Any

from mlkeel.models.families import network_regressor
from mlkeel.models.model import Model, Shape


def build(parameters: dict[str, Any], shape: Shape, seed: int) -> Model:
    """A network with an embedding for each category; `model` in `conf/params.yaml` holds its hyperparameters."""
    return network_regressor(parameters, shape, seed)
