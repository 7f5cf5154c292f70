"""What learns. Any estimator of scikit-learn that ONNX can express will do as well, and so will a class of your own."""

from typing import Any

from mlkeel.models.families import linear_text_classifier
from mlkeel.models.model import Model, Shape


def build(parameters: dict[str, Any], shape: Shape, seed: int) -> Model:
    """A linear model over tokens; `model` in `conf/params.yaml` holds its hyperparameters."""
    return linear_text_classifier(parameters, shape, seed)
