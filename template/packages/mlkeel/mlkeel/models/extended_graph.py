"""Extend the ONNX graph of a model: other answers, from its features and its own answers."""

import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from spox import Var


def extended(model: bytes, answers_of: "Callable[[Var, Var], Var]") -> bytes:
    """Return the graph of a model, from `features` (n, width) to `answers` (n, outputs), with other answers.

    `answers_of` takes the features and the answers of the model, and returns those that replace them.
    """
    import numpy as np
    import onnx
    import spox

    content = onnx.load_from_string(model)
    width = content.graph.input[0].type.tensor_type.shape.dim[1].dim_value
    features = spox.argument(spox.Tensor(np.float32, ("N", width)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # spox warns that it converts the model to its own opset
        answers = answers_of(features, spox.inline(content)(features)["answers"])
        return bytes(spox.build({"features": features}, {"answers": answers}).SerializeToString())
