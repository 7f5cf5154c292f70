"""Column values that derived features compute with: in numpy on a table, and in ONNX as a graph.

Only operations that give a row the same answer alone and among others exist. Anything else raises an `InputError` that
says what to use instead, so that a mistake shows when the function runs on a table and not after the graph is served.
"""

import math
import re
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any, Literal, NoReturn, Protocol

import numpy as np

from mlkeel.errors import InputError

Primitive = Literal[
    "absolute",
    "add",
    "and",
    "divide",
    "equal",
    "exp",
    "floor",
    "is_nan",
    "less",
    "less_or_equal",
    "log",
    "multiply",
    "negative",
    "not",
    "or",
    "power",
    "reciprocal",
    "round",
    "round_to_single",
    "sin",
    "sqrt",
    "subtract",
    "tanh",
    "to_number",
    "where",
    "where_text",
    "xor",
]
Scalar = bool | float | str
Operand = Any  # an array of numpy, or a variable of a graph
FUNCTIONS = (
    "absolute",
    "bins",
    "ceil",
    "clip",
    "cos",
    "cyclic",
    "day",
    "day_of_year",
    "days_between",
    "exp",
    "fill_missing",
    "floor",
    "hour",
    "is_missing",
    "isin",
    "log",
    "log10",
    "log1p",
    "log2",
    "map_values",
    "maximum",
    "minimum",
    "minute",
    "month",
    "round_half_even",
    "sign",
    "sin",
    "sqrt",
    "tanh",
    "timestamp",
    "weekday",
    "where",
    "year",
    "years_between",
)
MAX_REPEATED_POWER = 8
LONE_SURROGATE = re.compile("[\ud800-\udfff]")
ALL_FUNCTIONS = f"mlkeel.features.functions has {', '.join(FUNCTIONS)}"
SAME_NAME = "use the function of the same name in mlkeel.features.functions"
_OTHER_ROWS = (
    "all any argmax argmin argsort at average bfill corr corrcoef count cov cummax cummin cumprod cumsum describe diff "
    "ediff1d ewm expanding ffill flip get_indexer groupby head histogram iat iloc idxmax idxmin index interp "
    "interpolate iter item kurt lexsort loc max mean median min mode nancumsum nanmax nanmean nanmedian nanmin "
    "nanpercentile nanquantile nanstd nansum nanvar nunique pct_change percentile prod ptp quantile rank resample roll "
    "rolling sample shift skew sort sort_values std sum tail tolist transform trapezoid unique value_counts "
    "values var"
)
OTHER_ROWS = frozenset(_OTHER_ROWS.split())
INSTEAD = {  # what numpy, pandas and datetime call what stands here under another name
    "abs": "absolute, or abs()",
    "add": "+",
    "amax": "maximum of two columns",
    "amin": "minimum of two columns",
    "around": "round_half_even",
    "astype": "the values as they are: numbers are float64, and a mask counts as 0 and 1",
    "between": "(low <= values) & (values <= high)",
    "bitwise_and": "&",
    "bitwise_or": "|",
    "cut": "bins",
    "dayofweek": "weekday",
    "dayofyear": "day_of_year",
    "digitize": "bins",
    "divide": "/",
    "dt": "year, month, day, weekday, day_of_year, hour or minute",
    "equal": "==",
    "fabs": "absolute, or abs()",
    "fillna": "fill_missing",
    "float_power": "**",
    "floor_divide": "//",
    "fmax": "maximum",
    "fmin": "minimum",
    "greater": ">",
    "greater_equal": ">=",
    "invert": "~",
    "isna": "is_missing",
    "isnan": "is_missing",
    "isnull": "is_missing",
    "less": "<",
    "less_equal": "<=",
    "logical_and": "&",
    "logical_not": "~",
    "logical_or": "|",
    "logical_xor": "^",
    "map": "map_values",
    "mask": "where",
    "mod": "%",
    "multiply": "*",
    "nan_to_num": "fill_missing",
    "negative": "-",
    "not_equal": "!=",
    "notna": "~is_missing(values)",
    "notnull": "~is_missing(values)",
    "power": "**",
    "pow": "**",
    "remainder": "%",
    "replace": "map_values",
    "rint": "round_half_even",
    "round": "round_half_even, or round()",
    "searchsorted": "bins",
    "select": "where",
    "square": "** 2",
    "subtract": "-",
    "total_seconds": "the difference itself: times are seconds",
    "true_divide": "/",
}


class Kind(Enum):
    """What the values of a column are."""

    NUMBER = "numbers"
    TEXT = "texts"
    MASK = "a mask"


class Operations(Protocol):
    """The operations that numpy and ONNX both have, on their own representation of a column of n values."""

    def constant(self, value: Scalar) -> Operand:
        """Represent one value that holds for all rows."""

    def apply(self, primitive: Primitive, *operands: Operand) -> Operand:
        """Apply an elementwise operation; what a division by zero or an overflow gives is IEEE's."""

    def count_edges(self, numbers: Operand, edges: tuple[float, ...]) -> Operand:
        """Count, for each number, the `edges` (ascending) that are at most as large."""

    def look_up(self, keys: Operand, table: Mapping[Any, float], default: float) -> Operand:
        """Look each number or text up in `table`."""

    def take_cyclic(self, positions: Operand, table: np.ndarray[Any, Any]) -> Operand:
        """Take the entries of `table` at whole `positions`, counted modulo its length."""


class Values:
    """The values of one column: n numbers (float64, NaN is missing), n texts ("" is missing), or a mask of n booleans.

    Attributes:
        data: the values as `operations` represents them, shape (n,).
        kind: numbers, texts or a mask.
        operations: what computes with `data`.
    """

    __slots__ = ("data", "kind", "operations")

    def __init__(self, data: Operand, kind: Kind, operations: Operations) -> None:
        self.data = data
        self.kind = kind
        self.operations = operations

    def apply(self, primitive: Primitive, *operands: Operand, kind: Kind = Kind.NUMBER) -> "Values":
        """Apply an operation to what `operations` represents."""
        return Values(self.operations.apply(primitive, *operands), kind, self.operations)

    def numbers(self) -> "Values":
        """The values as numbers: a mask as 0 and 1.

        Raises:
            InputError: these are texts.
        """
        if self.kind is Kind.TEXT:
            raise InputError("texts cannot be computed with; use ==, isin, map_values or is_missing on them")
        return self.apply("to_number", self.data) if self.kind is Kind.MASK else self

    def __add__(self, other: object) -> "Values":
        return _add(self, other)

    def __radd__(self, other: object) -> "Values":
        return _add(other, self)

    def __sub__(self, other: object) -> "Values":
        return self.numbers() if _is_zero(other) else _compute("subtract", self, other)

    def __rsub__(self, other: object) -> "Values":
        return _compute("subtract", other, self)

    def __mul__(self, other: object) -> "Values":
        return _compute("multiply", self, other)

    def __rmul__(self, other: object) -> "Values":
        return _compute("multiply", other, self)

    def __truediv__(self, other: object) -> "Values":
        return _divide(self, other)

    def __rtruediv__(self, other: object) -> "Values":
        return _divide(other, self)

    def __floordiv__(self, other: object) -> "Values":
        return floor(_divide(self, other))

    def __rfloordiv__(self, other: object) -> "Values":
        return floor(_divide(other, self))

    def __mod__(self, other: object) -> "Values":
        return _compute("subtract", self, (self // other) * other)

    def __rmod__(self, other: object) -> "Values":
        return _compute("subtract", other, (other // self) * self)

    def __pow__(self, exponent: object) -> "Values":
        return _power(self.numbers(), exponent)

    def __rpow__(self, base: object) -> "Values":
        return to_single(_compute("power", base, self))

    def __neg__(self) -> "Values":
        return self.apply("negative", self.numbers().data)

    def __pos__(self) -> "Values":
        return self.numbers()

    def __abs__(self) -> "Values":
        return self.apply("absolute", self.numbers().data)

    def __round__(self, digits: int | None = None) -> "Values":
        return _round(self.numbers(), 0 if digits is None else digits)

    def __lt__(self, other: object) -> "Values":
        return _compute("less", self, other, Kind.MASK)

    def __le__(self, other: object) -> "Values":
        return _compute("less_or_equal", self, other, Kind.MASK)

    def __gt__(self, other: object) -> "Values":
        return _compute("less", other, self, Kind.MASK)

    def __ge__(self, other: object) -> "Values":
        return _compute("less_or_equal", other, self, Kind.MASK)

    def __eq__(self, other: object) -> "Values":  # type: ignore[override]
        return _equal(self, other)

    def __ne__(self, other: object) -> "Values":  # type: ignore[override]
        return ~_equal(self, other)

    def __and__(self, other: object) -> "Values":
        return _logic("and", self, other)

    __rand__ = __and__

    def __or__(self, other: object) -> "Values":
        return _logic("or", self, other)

    __ror__ = __or__

    def __xor__(self, other: object) -> "Values":
        return _logic("xor", self, other)

    __rxor__ = __xor__

    def __invert__(self) -> "Values":
        return self.apply("not", mask_data(self, self), kind=Kind.MASK)

    def __repr__(self) -> str:
        return f"<the values of a column: {self.kind.value}>"

    def __bool__(self) -> NoReturn:
        raise InputError(
            "a column is true or false for each row, so Python's if, and, or, not, in, min, max and a < b < c cannot "
            "use it; use where(condition, a, b), (a < b) & (b < c), | and ~, isin, minimum and maximum"
        )

    def __iter__(self) -> NoReturn:
        raise InputError("rows cannot be looped over; write the expression for the whole column, with where for cases")

    def __len__(self) -> NoReturn:
        raise InputError("the number of rows is not known; write the expression for the whole column")

    def __getitem__(self, key: object) -> NoReturn:
        raise InputError(
            "rows cannot be picked by [ ]; write the expression for the whole column, with where for cases"
        )

    def __setitem__(self, key: object, value: object) -> NoReturn:
        raise InputError("rows cannot be set by [ ]; use where(condition, new, old)")

    def __contains__(self, value: object) -> NoReturn:
        raise InputError("a column cannot be searched for a value; use == or isin, which answer for each row")

    def __hash__(self) -> NoReturn:
        raise InputError("a column cannot be looked up in a set or dict; use isin or map_values")

    def __float__(self) -> NoReturn:
        raise InputError(f"float() and Python's math functions take one number, and a column has many; {SAME_NAME}")

    def __int__(self) -> NoReturn:
        raise InputError("int() takes one number, and a column has many; use floor")

    def __complex__(self) -> NoReturn:
        raise InputError("complex() takes one number, and a column has many; numbers are real here")

    def __index__(self) -> NoReturn:
        raise InputError("a column cannot be a position or the end of a range; use map_values to look values up")

    def __array__(self, *_: object, **__: object) -> NoReturn:
        raise InputError(
            f"a column cannot become a numpy array or a pandas Series; compute with it directly; {ALL_FUNCTIONS}"
        )

    def __array_ufunc__(self, function: np.ufunc, method: str, *operands: Operand, **_: object) -> "Values":
        """Compute with a number of numpy on the left, such as `np.float64(2) * values`, and refuse all else."""
        symbol = _SYMBOLS.get(function.__name__)
        if symbol is None or method != "__call__" or not isinstance(operands[0], np.generic):
            raise InputError(_refusal_of_numpy(function.__name__))
        result: Values = symbol(operands[0].item(), operands[1])
        return result

    def __array_function__(self, function: Callable[..., object], *_: object) -> NoReturn:
        raise InputError(_refusal_of_numpy(function.__name__))

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("_"):
            raise AttributeError(name)
        raise InputError(_refusal_of_attribute(name))


_SYMBOLS: dict[str, Any] = {
    "add": lambda left, right: left + right,
    "subtract": lambda left, right: left - right,
    "multiply": lambda left, right: left * right,
    "divide": lambda left, right: left / right,
    "floor_divide": lambda left, right: left // right,
    "remainder": lambda left, right: left % right,
    "power": lambda left, right: left**right,
    "less": lambda left, right: left < right,
    "less_equal": lambda left, right: left <= right,
    "greater": lambda left, right: left > right,
    "greater_equal": lambda left, right: left >= right,
    "equal": lambda left, right: left == right,
    "not_equal": lambda left, right: left != right,
    "bitwise_and": lambda left, right: left & right,
    "bitwise_or": lambda left, right: left | right,
    "bitwise_xor": lambda left, right: left ^ right,
}


def clean_text(text: str) -> str:
    """The text with U+FFFD for lone surrogates, which UTF-8 and so ONNX cannot hold."""
    return LONE_SURROGATE.sub("\N{REPLACEMENT CHARACTER}", text)


def constant_number(value: object) -> float:
    """One number that holds for all rows.

    Raises:
        InputError: `value` is none.
    """
    if value is None:
        raise InputError("None is no number; use float('nan') for a missing one, and is_missing to ask for one")
    if isinstance(value, str):
        raise InputError(f"the text {value!r} cannot be computed with or compared to numbers; use a number")
    if isinstance(value, np.bool_ | np.integer | np.floating):
        value = value.item()
    if not isinstance(value, bool | int | float):
        raise InputError(
            f"{_described(value)} cannot be computed with; use columns and plain numbers, and timestamp() for a date"
        )
    try:
        return float(value)
    except OverflowError:
        raise InputError(f"a number of {len(str(value))} digits is too large; numbers reach to 1.8e308") from None


def number_data(operand: object, peer: Values) -> Operand:
    """The data of numbers, or of a constant, as `peer` represents it.

    Raises:
        InputError: `operand` is neither numbers, a mask nor a number.
    """
    if isinstance(operand, Values):
        _check_same(operand, peer)
        return operand.numbers().data
    return peer.operations.constant(constant_number(operand))


def mask_data(operand: object, peer: Values) -> Operand:
    """The data of a mask, or of True or False, as `peer` represents it.

    Raises:
        InputError: `operand` is no mask.
    """
    if isinstance(operand, bool | np.bool_):
        return peer.operations.constant(bool(operand))
    if not isinstance(operand, Values):
        raise InputError(f"{_described(operand)} is no condition; compare first, such as (values == 1)")
    if operand.kind is not Kind.MASK:
        raise InputError(
            f"a condition is wanted where {operand.kind.value} stand; compare first, such as (values == 1)"
        )
    _check_same(operand, peer)
    return operand.data


def text_data(operand: object, peer: Values) -> Operand:
    """The data of texts, or of one text, as `peer` represents it.

    Raises:
        InputError: `operand` is no text.
    """
    if isinstance(operand, str):
        return peer.operations.constant(clean_text(str(operand)))
    if operand is None:
        raise InputError('None is no text; use "" for a missing one, and is_missing to ask for one')
    if not isinstance(operand, Values) or operand.kind is not Kind.TEXT:
        raise InputError(f"{_described(operand)} cannot stand beside texts; use texts on both sides, or map_values")
    _check_same(operand, peer)
    return operand.data


def floor(numbers: Values) -> Values:
    """The largest whole numbers that are not larger."""
    return numbers.apply("floor", numbers.data)


def to_single(numbers: Values) -> Values:
    """The numbers rounded to float32, held as float64.

    What numpy and onnxruntime, or a row and its batch, compute differently in the last bits is equal after it.
    """
    return numbers.apply("round_to_single", numbers.data)


def _check_same(values: Values, peer: Values) -> None:
    if values.operations is not peer.operations:
        raise InputError("values of another call cannot be used; take every column as a parameter of the function")


def _described(value: object) -> str:
    if isinstance(value, Values):
        return "a column of " + value.kind.value.removeprefix("a ")
    name = type(value).__name__
    return f"an object of type {name}" if name not in {"list", "tuple", "dict", "set"} else f"a {name}"


def _is_zero(value: object) -> bool:
    """Whether `value` is the number 0: onnxruntime leaves x + 0 out, and so keeps the sign of -0.0, so both do."""
    return isinstance(value, bool | int | float | np.bool_ | np.integer | np.floating) and not value


def _peer(left: object, right: object) -> Values:
    return left if isinstance(left, Values) else right  # type: ignore[return-value]


def _compute(primitive: Primitive, left: object, right: object, kind: Kind = Kind.NUMBER) -> Values:
    peer = _peer(left, right)
    if primitive in {"less", "less_or_equal"}:
        _check_ordered(left)
        _check_ordered(right)
    return peer.apply(primitive, number_data(left, peer), number_data(right, peer), kind=kind)


def _check_ordered(operand: object) -> None:
    if isinstance(operand, str) or (isinstance(operand, Values) and operand.kind is Kind.TEXT):
        raise InputError("texts have no order here; use == and !=, or map_values to give them numbers")


def _add(left: object, right: object) -> Values:
    if _is_zero(left):
        return _peer(right, left).numbers()
    if _is_zero(right):
        return _peer(left, right).numbers()
    return _compute("add", left, right)


def _divide(left: object, right: object) -> Values:
    """Divide; onnxruntime makes (1 / a) * b one division, which rounds once, so 1 / a is another operation."""
    if isinstance(right, Values) and not isinstance(left, Values) and constant_number(left) == 1:
        return right.apply("reciprocal", right.numbers().data)
    return _compute("divide", left, right)


def _power(base: Values, exponent: object) -> Values:
    if not isinstance(exponent, Values):
        power = constant_number(exponent)
        if power == 0.5:
            return base.apply("sqrt", base.data)
        if power.is_integer() and 1 <= abs(power) <= MAX_REPEATED_POWER:
            result = _repeated(base, int(abs(power)))
            return result if power > 0 else 1 / result
    return to_single(_compute("power", base, exponent))


def _repeated(base: Values, times: int) -> Values:
    if times == 1:
        return base
    half = _repeated(base, times // 2)
    return half * half * base if times % 2 else half * half


def _round(numbers: Values, digits: object) -> Values:
    if isinstance(digits, bool) or not isinstance(digits, int) or abs(digits) > 15:
        raise InputError("the digits to round to are a whole number from -15 to 15")
    if digits == 0:
        return numbers.apply("round", numbers.data)
    scale = 10.0 ** abs(digits)
    scaled = numbers * scale if digits > 0 else numbers / scale
    rounded = numbers.apply("round", scaled.data)
    return rounded / scale if digits > 0 else rounded * scale


def _equal(left: Values, right: object) -> Values:
    if right is None or (isinstance(right, float) and math.isnan(right)):
        raise InputError("nothing is equal to a missing value; use is_missing(values)")
    if left.kind is Kind.TEXT:
        return left.apply("equal", left.data, text_data(right, left), kind=Kind.MASK)
    if left.kind is Kind.MASK and (
        isinstance(right, bool | np.bool_) or (isinstance(right, Values) and right.kind is Kind.MASK)
    ):
        return left.apply("equal", left.data, mask_data(right, left), kind=Kind.MASK)
    if isinstance(right, Values) and right.kind is Kind.TEXT:
        raise InputError("texts cannot be compared to numbers; use map_values to give them numbers")
    return _compute("equal", left, right, Kind.MASK)


def _logic(primitive: Primitive, left: Values, right: object) -> Values:
    return left.apply(primitive, mask_data(left, left), mask_data(right, left), kind=Kind.MASK)


def _refusal_of_numpy(name: str) -> str:
    if name in FUNCTIONS:
        return f"np.{name} cannot become part of the model; use {name} of mlkeel.features.functions"
    if name in INSTEAD:
        return f"np.{name} cannot become part of the model; use {INSTEAD[name]}"
    if name in OTHER_ROWS:
        return f"np.{name} looks at other rows, so answers would depend on neighbors; compute it in load, in data.py"
    return f"np.{name} cannot become part of the model and has no counterpart; {ALL_FUNCTIONS}"


def _refusal_of_attribute(name: str) -> str:
    if name in INSTEAD:
        return f".{name} does not exist on a column; use {INSTEAD[name]}"
    if name in FUNCTIONS:
        return f".{name} does not exist on a column; use {name}(values) of mlkeel.features.functions"
    if name in OTHER_ROWS:
        return f".{name} looks at other rows, so answers would depend on neighbors; compute it in load, in data.py"
    if name == "str" or hasattr(str, name):
        return (
            f"the text method .{name} cannot become part of the model; use ==, isin or map_values, "
            "or prepare the texts in the table"
        )
    return f".{name} does not exist on a column; {ALL_FUNCTIONS}"
