"""Functions for derived features. Each gives a row the same answer alone, among others, and in the ONNX graph.

`log`, `exp`, `sin`, `tanh` and their like are rounded to float32 at once: in their last bits numpy differs from
onnxruntime, and in onnxruntime a row alone from the row among others, which a later comparison or floor would show.
Times are seconds since 1970-01-01 UTC. A missing number (NaN) gives a missing number.
"""

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache, wraps
from itertools import pairwise
from typing import Any, Protocol, overload

import numpy as np

from mlkeel.errors import InputError
from mlkeel.features import values as core
from mlkeel.features.numpy_operations import from_array
from mlkeel.features.values import (
    Kind,
    Values,
    clean_text,
    constant_number,
    mask_data,
    number_data,
    text_data,
    to_single,
)

__all__ = [*core.FUNCTIONS, "SECONDS_PER_DAY", "SECONDS_PER_YEAR"]  # noqa: PLE0604
SECONDS_PER_DAY = 86_400.0
SECONDS_PER_YEAR = 365.2425 * SECONDS_PER_DAY  # the mean year of the Gregorian calendar
DAYS_PER_CYCLE = 146_097  # 400 years, after which weekdays and leap years repeat
MAX_SECONDS = 2.6e11  # the year 10209; beyond it days would leave the range of int64
TINY_TANH = 1e-4  # below it tanh(x) is x in float32
TINY_LOG1P = 2.0**-25  # below it log1p(x) is x in float32, and above it 1 + x keeps enough of x


class _OfNumbers(Protocol):
    """A function of a column of numbers, or of one number."""

    @overload
    def __call__(self, numbers: Values) -> Values: ...

    @overload
    def __call__(self, numbers: float) -> float: ...


def _elementwise(function: Callable[[Values], Values]) -> _OfNumbers:
    """Give the function numbers, whether it is called with those, with a mask or with one number."""

    @wraps(function)
    def call(numbers: Values | float) -> Values | float:
        if isinstance(numbers, Values):
            return function(numbers.numbers())
        return float(function(from_array(np.array([constant_number(numbers)]))).data[0])

    return call  # type: ignore[return-value]


@_elementwise
def log(numbers: Values) -> Values:
    """Natural logarithm, rounded to float32; -inf for 0, missing for negative numbers."""
    return to_single(numbers.apply("log", numbers.data))


@_elementwise
def log1p(numbers: Values) -> Values:
    """Natural logarithm of 1 + x, also for tiny x, rounded to float32; missing below -1."""
    shifted = numbers + 1.0
    tiny = abs(numbers) < TINY_LOG1P
    return to_single(_choose(tiny, numbers, numbers.apply("log", shifted.data)))


@_elementwise
def log2(numbers: Values) -> Values:
    """Logarithm to the base 2, rounded to float32; -inf for 0, missing for negative numbers."""
    return to_single(numbers.apply("log", numbers.data) * (1 / math.log(2)))


@_elementwise
def log10(numbers: Values) -> Values:
    """Logarithm to the base 10, rounded to float32; -inf for 0, missing for negative numbers."""
    return to_single(numbers.apply("log", numbers.data) * (1 / math.log(10)))


@_elementwise
def exp(numbers: Values) -> Values:
    """Exponential function, rounded to float32; infinite above 88.7."""
    return to_single(numbers.apply("exp", numbers.data))


@_elementwise
def sqrt(numbers: Values) -> Values:
    """Square root; missing for negative numbers."""
    return numbers.apply("sqrt", numbers.data)


@_elementwise
def sin(numbers: Values) -> Values:
    """Sine of radians, rounded to float32; its error is up to 1e-16 times the angle and 3e-8 of the result."""
    return _sine_of_turns(numbers / math.tau)


@_elementwise
def cos(numbers: Values) -> Values:
    """Cosine of radians, rounded to float32; its error is up to 1e-16 times the angle and 3e-8 of the result."""
    return _cosine_of_turns(numbers / math.tau)


@_elementwise
def tanh(numbers: Values) -> Values:
    """Hyperbolic tangent, rounded to float32."""
    tiny = abs(numbers) < TINY_TANH
    return to_single(_choose(tiny, numbers, numbers.apply("tanh", numbers.data)))


@_elementwise
def floor(numbers: Values) -> Values:
    """Largest whole number that is not larger."""
    return core.floor(numbers)


@_elementwise
def ceil(numbers: Values) -> Values:
    """Smallest whole number that is not smaller."""
    return -core.floor(-numbers)


@_elementwise
def absolute(numbers: Values) -> Values:
    """Distance from zero; `abs(numbers)` is the same."""
    return abs(numbers)


@_elementwise
def sign(numbers: Values) -> Values:
    """1 for positive numbers, -1 for negative ones, 0 for zero."""
    return where(numbers > 0, 1.0, where(numbers < 0, -1.0, numbers))


def round_half_even(numbers: Values, digits: int = 0) -> Values:
    """Round to `digits` after the point, halves to the even neighbor; `round(numbers, digits)` is the same."""
    return round(_column(numbers), digits)


def minimum(left: Values | float, right: Values | float) -> Values:
    """The smaller of two in each row; missing where either is."""
    peer = _either(left, right)
    first = _of_numbers(left, peer)
    second = _of_numbers(right, peer)
    return _choose((first < second) | is_missing(first), first, second)


def maximum(left: Values | float, right: Values | float) -> Values:
    """The larger of two in each row; missing where either is."""
    peer = _either(left, right)
    first = _of_numbers(left, peer)
    second = _of_numbers(right, peer)
    return _choose((first > second) | is_missing(first), first, second)


def clip(numbers: Values, low: Values | float, high: Values | float) -> Values:
    """The numbers, `low` where they are lower and `high` where they are higher."""
    return maximum(minimum(_column(numbers), high), low)


def where(condition: Values, yes: Values | float | str, no: Values | float | str) -> Values:
    """`yes` in the rows where the condition holds, `no` in the others.

    Args:
        condition: a mask, such as `price > 10`.
        yes: numbers, texts or a mask; or one of them for all rows.
        no: the same kind as `yes`.

    Raises:
        InputError: the condition is no mask, or texts stand beside numbers.
    """
    condition = _column(condition)
    mask = mask_data(condition, condition)
    kinds = {_kind(yes), _kind(no)}
    if kinds == {Kind.MASK}:
        return (condition & yes) | (~condition & no)
    if Kind.TEXT in kinds:
        texts = text_data(yes, condition), text_data(no, condition)
        return condition.apply("where_text", mask, *texts, kind=Kind.TEXT)
    return condition.apply("where", mask, number_data(yes, condition), number_data(no, condition))


def is_missing(values: Values) -> Values:
    """The mask of the rows that have no value: NaN among numbers, "" among texts."""
    values = _column(values)
    if values.kind is Kind.TEXT:
        return values == ""
    return values.apply("is_nan", values.numbers().data, kind=Kind.MASK)


def fill_missing(values: Values, fill: Values | float | str) -> Values:
    """The values, and `fill` in the rows that have none."""
    values = _column(values)
    if values.kind is Kind.TEXT:
        return where(is_missing(values), fill, values)
    return where(is_missing(values), fill, values.numbers())


def bins(numbers: Values, edges: Sequence[float]) -> Values:
    """The number of `edges` that are at most as large: 0 below the first, len(edges) from the last on.

    Raises:
        InputError: `edges` is not a list of ascending numbers.
    """
    numbers = _column(numbers).numbers()
    if not isinstance(edges, list | tuple) or not edges:
        raise InputError("the edges of bins are a list of numbers, such as bins(age, [18, 65])")
    limits = tuple(constant_number(edge) for edge in edges)
    if any(math.isnan(edge) for edge in limits) or any(not low < high for low, high in pairwise(limits)):
        raise InputError(f"the edges of bins must ascend, and {list(edges)} do not")
    counted = Values(numbers.operations.count_edges(numbers.data, limits), Kind.NUMBER, numbers.operations)
    return where(is_missing(numbers), math.nan, counted)


def isin(values: Values, choices: Collection[float] | Collection[str]) -> Values:
    """The mask of the rows whose value is one of `choices`; a missing number never is.

    Raises:
        InputError: `choices` is empty, no collection, or of another kind than the values.
    """
    values = _column(values)
    if isinstance(choices, str) or not isinstance(choices, list | tuple | set | frozenset | Mapping) or not choices:
        raise InputError('isin needs a list of values, such as isin(color, ["red", "green"])')
    if len(choices) == 1:
        choice: object = next(iter(choices))
        return values == choice
    table = _table(values, dict.fromkeys(choices, 1.0))
    return _look_up(values, table, 0.0) == 1.0


def map_values(
    values: Values, mapping: Mapping[str, float] | Mapping[float, float], default: float = math.nan
) -> Values:
    """The number that `mapping` has for each text (or number), `default` for what it does not hold.

    A missing value stays missing, unless the mapping holds "".

    Raises:
        InputError: `mapping` is no dict, is empty, or holds keys of another kind or values that are no numbers.
    """
    values = _column(values)
    if not isinstance(mapping, Mapping) or not mapping:
        raise InputError('map_values needs a dict, such as map_values(size, {"small": 1, "large": 2})')
    table = _table(values, mapping)
    mapped = _look_up(values, ({"": math.nan} | table) if values.kind is Kind.TEXT else table, constant_number(default))
    return mapped if values.kind is Kind.TEXT else where(is_missing(values), math.nan, mapped)


def cyclic(numbers: Values, period: float) -> tuple[Values, Values]:
    """Sine and cosine of numbers that repeat after `period`, such as hours after 24: the last is near the first.

    Raises:
        InputError: `period` is not one positive number.
    """
    length = constant_number(period)
    if not 0 < length < math.inf:
        raise InputError(f"a period is a positive number, and this is {period!r}")
    turns = _column(numbers).numbers() / length
    return _sine_of_turns(turns), _cosine_of_turns(turns)


@_elementwise
def year(times: Values) -> Values:
    """Year (UTC)."""
    return core.floor((_julian_days(times) + 59.25) / 365.25)


@_elementwise
def month(times: Values) -> Values:
    """Month (UTC), 1 to 12; for the years 1 to 9999."""
    return _calendar_part(times, "month")


@_elementwise
def day(times: Values) -> Values:
    """Day of the month (UTC), 1 to 31; for the years 1 to 9999."""
    return _calendar_part(times, "day")


@_elementwise
def day_of_year(times: Values) -> Values:
    """Day of the year (UTC), 1 to 366; for the years 1 to 9999."""
    return _calendar_part(times, "day_of_year")


@_elementwise
def weekday(times: Values) -> Values:
    """Day of the week (UTC), 0 on Mondays to 6 on Sundays."""
    return (_days(times) + 3.0) % 7.0


@_elementwise
def hour(times: Values) -> Values:
    """Hour (UTC), 0 to 23."""
    return (times // 3_600.0) % 24.0


@_elementwise
def minute(times: Values) -> Values:
    """Minute of the hour, 0 to 59."""
    return (times // 60.0) % 60.0


def days_between(later: Values | float, earlier: Values | float) -> Values:
    """Days from `earlier` to `later`, with their fraction; negative if the other way round."""
    return _difference(later, earlier) / SECONDS_PER_DAY


def years_between(later: Values | float, earlier: Values | float) -> Values:
    """Years of 365.2425 days from `earlier` to `later`, with their fraction; negative if the other way round."""
    return _difference(later, earlier) / SECONDS_PER_YEAR


def timestamp(year: int, month: int = 1, day: int = 1, hour: int = 0, minute: int = 0, second: float = 0.0) -> float:
    """The time of a date (UTC) in seconds since 1970-01-01, to compare or subtract times with.

    Raises:
        InputError: there is no such date.
    """
    try:
        return (
            datetime(year, month, day, hour, minute, tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)
        ).total_seconds() + (constant_number(second))
    except (TypeError, ValueError) as error:
        raise InputError(f"timestamp takes the whole numbers of a date, and {error}") from error


def _column(values: object) -> Values:
    if isinstance(values, Values):
        return values
    if isinstance(values, bool | int | float | str):
        raise InputError(f"a column is wanted, or a comparison of one, where {values!r} stands")
    raise InputError(f"a column is wanted where an object of type {type(values).__name__} stands")


def _either(left: object, right: object) -> Values:
    return left if isinstance(left, Values) else _column(right)


def _of_numbers(operand: object, peer: Values) -> Values:
    return Values(number_data(operand, peer), Kind.NUMBER, peer.operations)


def _difference(later: object, earlier: object) -> Values:
    peer = _either(later, earlier)
    return _of_numbers(later, peer) - _of_numbers(earlier, peer)


def _kind(operand: object) -> Kind:
    if isinstance(operand, Values):
        return operand.kind
    if isinstance(operand, bool | np.bool_):
        return Kind.MASK
    return Kind.TEXT if isinstance(operand, str) else Kind.NUMBER


def _choose(condition: Values, yes: Values, no: Values) -> Values:
    return condition.apply("where", condition.data, yes.data, no.data)


def _table(values: Values, mapping: Mapping[Any, object]) -> dict[Any, float]:
    """The mapping as the operations look it up: keys as clean texts or as floats, values as floats."""
    if values.kind is not Kind.TEXT:
        table = {constant_number(key): constant_number(value) for key, value in mapping.items()}
        if any(math.isnan(key) for key in table):
            raise InputError("nothing is equal to a missing value; use is_missing or fill_missing")
        return table
    for key in mapping:
        if not isinstance(key, str):
            raise InputError(f"{key!r} is no text, and the column holds texts; write it as a text")
    return {clean_text(key): constant_number(value) for key, value in mapping.items()}


def _look_up(values: Values, table: dict[Any, float], default: float) -> Values:
    keys = values if values.kind is Kind.TEXT else values.numbers()
    return Values(values.operations.look_up(keys.data, table, default), Kind.NUMBER, values.operations)


def _sine_of_turns(turns: Values) -> Values:
    return _cosine_of_turns(turns - 0.25)


def _cosine_of_turns(turns: Values) -> Values:
    """The cosine, as a sine of at most a quarter turn.

    Beyond that the sines of numpy and onnxruntime differ also in float32, near multiples of pi.
    """
    quarter = 0.25 - abs(turns - round(turns))
    return to_single(turns.apply("sin", (quarter * math.tau).data))


def _days(times: Values) -> Values:
    return times // SECONDS_PER_DAY


def _julian_days(times: Values) -> Values:
    """Days of the Julian calendar from 1 March of the year 0 to the date of the same name, and 0.75.

    A century of the Gregorian calendar has a day less, except each fourth; with these added, each year has 365.25 days.
    All steps are exact, so 12 nodes do for a year. They take less time than a table.
    """
    days = _days(times) + 719_468.75
    centuries = core.floor(days / 36_524.25)
    return days + (centuries - core.floor(centuries * 0.25))


def _calendar_part(times: Values, part: str) -> Values:
    """A part of the date by its day in the cycle of 400 years: a table takes half of the time that arithmetic does."""
    taken = times.operations.take_cyclic(_days(times).data, _calendar()[part])
    inside = abs(times) < MAX_SECONDS
    return where(inside, Values(taken, Kind.NUMBER, times.operations), math.nan)


@cache
def _calendar() -> dict[str, np.ndarray[Any, Any]]:
    """Month, day and day of the year of the 146,097 days from 1970-01-01, in the smallest types that hold them."""
    days = np.arange(DAYS_PER_CYCLE).astype("datetime64[D]")
    months = days.astype("datetime64[M]")
    return {
        "month": (months.astype(np.int64) % 12 + 1).astype(np.int8),
        "day": ((days - months).astype(np.int64) + 1).astype(np.int8),
        "day_of_year": ((days - days.astype("datetime64[Y]")).astype(np.int64) + 1).astype(np.int16),
    }
