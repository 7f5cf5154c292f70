"""What the rules of the contract ask of a single value, as functions that are made once and asked often."""

import math
import re
import sys
from collections.abc import Callable
from operator import ge, gt, le, lt
from typing import Any

from mlkeel.contract.suites import Expectation, name_of
from mlkeel.errors import ContractError

Fits = Callable[[Any], bool]
Maker = Callable[[dict[str, Any]], Fits]


def between(kwargs: dict[str, Any]) -> Fits:
    """Whether a value lies between `min_value` and `max_value`, as far as these are given."""
    low, high = kwargs.get("min_value"), kwargs.get("max_value")
    above, below = gt if kwargs.get("strict_min") else ge, lt if kwargs.get("strict_max") else le
    if low is not None and high is not None and (above, below) == (ge, le):
        return lambda value: low <= value <= high  # the usual rule, and the quickest
    return lambda value: (low is None or above(value, low)) and (high is None or below(value, high))


def _length(kwargs: dict[str, Any]) -> Fits:
    fits = between(kwargs)
    return lambda value: fits(len(value))


def _matches(kwargs: dict[str, Any]) -> Fits:
    pattern = re.compile(kwargs["regex"])
    return lambda value: pattern.search(value) is not None


def _matches_not(kwargs: dict[str, Any]) -> Fits:
    pattern = re.compile(kwargs["regex"])
    return lambda value: pattern.search(value) is None


OF_TEXTS: dict[str, Maker] = {
    "expect_column_values_to_match_regex": _matches,
    "expect_column_values_to_not_match_regex": _matches_not,
    "expect_column_value_lengths_to_be_between": _length,
    "expect_column_value_lengths_to_equal": lambda kwargs: lambda value: len(value) == kwargs["value"],
}
OF_NUMBERS: dict[str, Maker] = {"expect_column_values_to_be_between": between}
OF_BOTH: dict[str, Maker] = {
    "expect_column_values_to_be_in_set": lambda kwargs: frozenset(kwargs["value_set"]).__contains__,
    "expect_column_values_to_not_be_in_set": lambda kwargs: lambda value: value not in kwargs["value_set"],
}


def fits(item: Expectation, text: bool) -> Fits | None:
    """Whether a value keeps the rule `item`, about a column of texts or of numbers; None if only a table can be asked.

    Raises:
        ContractError: the rule cannot be asked.
    """
    maker = (OF_BOTH | (OF_TEXTS if text else OF_NUMBERS)).get(item["type"])
    if maker is None:
        return None
    try:
        return maker(item["kwargs"])
    except (KeyError, TypeError, re.error) as error:
        raise ContractError(
            f"expectations/features.json: {name_of(item)} cannot be asked ({error}). Correct it, and train again."
        ) from error


def of_type(kind: str) -> Fits:
    """Whether a value of JSON is of a type that the contract names."""
    return OF_TYPE.get(kind, _number)


def _number(value: object) -> bool:
    """Whether a value of JSON is a number that a float can hold."""
    if type(value) is float:
        return math.isfinite(value)
    return type(value) is int and abs(value) <= sys.float_info.max


def _whole(value: object) -> bool:
    return type(value) is int and -(2**63) <= value < 2**63


def _truth(value: object) -> bool:
    return type(value) is bool


def _text(value: object) -> bool:
    return type(value) is str


OF_TYPE: dict[str, Fits] = {"str": _text, "int64": _whole, "bool": _truth}
