"""The operations of derived features in numpy, on a table in memory."""

import operator
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from mlkeel.errors import InputError
from mlkeel.features.values import Kind, Primitive, Scalar, Values, clean_text

Array = np.ndarray[Any, Any]


def _where(condition: Array, yes: Array, no: Array) -> Array:
    """Choose; a chosen -0.0 becomes 0.0 in `yes` and stays in `no`, as in onnxruntime."""
    return np.where(condition, yes + 0.0, no)


def _round_to_single(numbers: Array) -> Array:
    return np.asarray(numbers).astype(np.float32).astype(np.float64)


PRIMITIVES: dict[Primitive, Callable[..., Any]] = {
    "absolute": np.absolute,
    "add": np.add,
    "and": np.logical_and,
    "divide": np.divide,
    "equal": operator.eq,
    "exp": np.exp,
    "floor": np.floor,
    "is_nan": np.isnan,
    "less": np.less,
    "less_or_equal": np.less_equal,
    "log": np.log,
    "multiply": np.multiply,
    "negative": np.negative,
    "not": np.logical_not,
    "or": np.logical_or,
    "power": np.power,
    "reciprocal": lambda numbers: np.divide(1.0, numbers),
    "round": np.rint,
    "round_to_single": _round_to_single,
    "sin": np.sin,
    "sqrt": np.sqrt,
    "subtract": np.subtract,
    "tanh": np.tanh,
    "to_number": lambda mask: np.asarray(mask).astype(np.float64),
    "where": _where,
    "where_text": np.where,
    "xor": np.logical_xor,
}


class NumpyOperations:
    """Computes with arrays: float64, bool, or objects that are texts."""

    def constant(self, value: Scalar) -> Array:
        """Represent one value that holds for all rows."""
        return np.array(value, dtype=object if isinstance(value, str) else None)

    def apply(self, primitive: Primitive, *operands: Array) -> Array:
        """Apply an elementwise operation, silently where it gives infinite or missing numbers."""
        with np.errstate(all="ignore"):
            result: Array = PRIMITIVES[primitive](*operands)
            return result

    def count_edges(self, numbers: Array, edges: tuple[float, ...]) -> Array:
        """Count, for each number, the `edges` (ascending) that are at most as large."""
        return np.searchsorted(np.array(edges), numbers, side="right").astype(np.float64)

    def look_up(self, keys: Array, table: Mapping[Any, float], default: float) -> Array:
        """Look each number or text up in `table`."""
        return np.array([table.get(key, default) for key in keys.tolist()], dtype=np.float64)

    def take_cyclic(self, positions: Array, table: Array) -> Array:
        """Take the entries of `table` at whole `positions`, counted modulo its length."""
        with np.errstate(invalid="ignore"):
            return table[np.mod(positions.astype(np.int64), len(table))].astype(np.float64)


NUMPY = NumpyOperations()


def from_array(array: Array) -> Values:
    """The values of an array of shape (n,): float64, bool, or objects that are all texts.

    Raises:
        InputError: the array is of another type or shape.
    """
    kinds = {np.dtype(np.float64): Kind.NUMBER, np.dtype(np.bool_): Kind.MASK, np.dtype(object): Kind.TEXT}
    kind = kinds.get(array.dtype)
    if kind is None or array.ndim != 1:
        raise InputError(
            f"a column is an array of float64, bool or texts with one dimension, and this is {array.dtype}"
        )
    return Values(array, kind, NUMPY)


def from_sequence(column: object) -> Values:
    """The values of a raw column as the model sees it: numbers, booleans and times as numbers, texts as texts.

    Args:
        column: an array, a Series or a sequence of n numbers, booleans, times (datetime64) or texts; None, NaN and NaT
            are missing.

    Raises:
        InputError: the column is none of these, or not one-dimensional.
    """
    array = np.asarray(column)
    if array.dtype.kind in "UO":  # numpy makes texts of numbers beside a text
        array = np.asarray(column, dtype=object)
    if array.ndim != 1:
        raise InputError(f"a column has one dimension, and this has {array.ndim}; give a list or an array of values")
    if array.dtype.kind == "M":
        seconds = array.astype("datetime64[us]").astype(np.int64) / 1e6
        return from_array(np.where(np.isnat(array), np.nan, seconds))
    if array.dtype.kind in "biuf":
        return from_array(array.astype(np.float64))
    if array.dtype.kind != "O":
        raise InputError(f"a column of type {array.dtype} is neither numbers, times nor texts")
    return _from_objects(array)


def _from_objects(array: Array) -> Values:
    items = [None if item is None or item != item else item for item in array.tolist()]
    present = [item for item in items if item is not None]
    if present and all(isinstance(item, str) for item in present):
        texts = np.empty(len(items), dtype=object)
        texts[:] = ["" if item is None else clean_text(item) for item in items]
        return from_array(texts)
    if not all(isinstance(item, int | float | np.number | np.bool_) for item in present):
        raise InputError("a column holds numbers or texts and nothing beside them; give times as a datetime64 array")
    return from_array(np.array([np.nan if item is None else float(item) for item in items], dtype=np.float64))
