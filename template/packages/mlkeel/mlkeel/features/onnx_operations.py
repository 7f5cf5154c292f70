"""The operations of derived features as nodes of an ONNX graph. Importing this imports spox and onnx."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import spox.opset.ai.onnx.ml.v4 as ml
import spox.opset.ai.onnx.v21 as op
from spox import Tensor, Var

from mlkeel.errors import InputError
from mlkeel.features.values import Kind, Primitive, Scalar, Values


def _round_to_single(numbers: Var) -> Var:
    return op.cast(op.cast(numbers, to=np.float32), to=np.float64)


def _not(mask: Var) -> Var:
    """Negate; not by Not, which onnxruntime removes before a Where by swapping its branches, and so their -0.0."""
    return op.equal(mask, op.const(np.array(False)))


PRIMITIVES: dict[Primitive, Callable[..., Var]] = {
    "absolute": op.abs,
    "add": op.add,
    "and": op.and_,
    "divide": op.div,
    "equal": op.equal,
    "exp": op.exp,
    "floor": op.floor,
    "is_nan": op.isnan,
    "less": op.less,
    "less_or_equal": op.less_or_equal,
    "log": op.log,
    "multiply": op.mul,
    "negative": op.neg,
    "not": _not,
    "or": op.or_,
    "power": op.pow,
    "reciprocal": op.reciprocal,
    "round": op.round,
    "round_to_single": _round_to_single,
    "sin": op.sin,
    "sqrt": op.sqrt,
    "subtract": op.sub,
    "tanh": op.tanh,
    "to_number": lambda mask: op.cast(mask, to=np.float64),
    "where": op.where,
    "where_text": op.where,
    "xor": op.xor,
}


class OnnxOperations:
    """Computes with variables of a graph, of shape (n,): double, bool or string."""

    def constant(self, value: Scalar) -> Var:
        """Represent one value that holds for all rows."""
        return op.const(np.array(value, dtype=object if isinstance(value, str) else None))

    def apply(self, primitive: Primitive, *operands: Var) -> Var:
        """Apply an elementwise operation."""
        return PRIMITIVES[primitive](*operands)

    def count_edges(self, numbers: Var, edges: tuple[float, ...]) -> Var:
        """Count, for each number, the `edges` (ascending) that are at most as large."""
        axis = op.const(np.array([1]))
        reached = op.greater_or_equal(op.unsqueeze(numbers, axis), op.const(np.array(edges)))
        return op.reduce_sum(op.cast(reached, to=np.float64), axis, keepdims=False)

    def look_up(self, keys: Var, table: Mapping[Any, float], default: float) -> Var:
        """Look each number or text up in `table`."""
        dtype = np.float64 if keys.unwrap_tensor().dtype == np.float64 else object
        return ml.label_encoder(
            keys,
            keys_tensor=np.array(list(table), dtype=dtype),
            values_tensor=np.array(list(table.values()), dtype=np.float64),
            default_tensor=np.array([default], dtype=np.float64),
        )

    def take_cyclic(self, positions: Var, table: np.ndarray[Any, Any]) -> Var:
        """Take the entries of `table` at whole `positions`, counted modulo its length."""
        index = op.mod(op.cast(positions, to=np.int64), op.const(np.array(len(table))))
        return op.cast(op.gather(op.const(table), index), to=np.float64)


ONNX = OnnxOperations()


def from_variable(variable: Var) -> Values:
    """The values of a graph's variable of shape (n,): double, bool or string.

    Raises:
        InputError: the variable is of another type.
    """
    tensor = variable.unwrap_tensor()
    kinds = {Tensor(np.float64).dtype: Kind.NUMBER, Tensor(np.bool_).dtype: Kind.MASK, Tensor(np.str_).dtype: Kind.TEXT}
    kind = kinds.get(tensor.dtype)
    if kind is None or tensor.shape is None or len(tensor.shape) != 1:
        raise InputError(f"a column is a tensor of double, bool or string with one dimension, and this is {tensor}")
    return Values(variable, kind, ONNX)
