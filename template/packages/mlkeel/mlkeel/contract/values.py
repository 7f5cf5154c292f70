"""Rules of the contract about a single value, as predicates that are built once and called often."""

import re
from collections.abc import Callable
from operator import ge, gt, le, lt
from typing import Any

from mlkeel.contract.dates import ISO_DATE, is_date
from mlkeel.contract.suites import Expectation, expectation_name
from mlkeel.errors import ContractError

Predicate = Callable[[Any], bool]
PredicateFactory = Callable[[dict[str, Any]], Predicate]


def between(kwargs: dict[str, Any]) -> Predicate:
    """Return a predicate: whether a value lies between `min_value` and `max_value`, as far as these are set."""
    low = kwargs.get("min_value")
    high = kwargs.get("max_value")
    above = gt if kwargs.get("strict_min") else ge
    below = lt if kwargs.get("strict_max") else le
    if low is not None and high is not None and (above, below) == (ge, le):
        return lambda value: low <= value <= high  # the usual rule, in the fastest form
    return lambda value: (low is None or above(value, low)) and (high is None or below(value, high))


def _length_between(kwargs: dict[str, Any]) -> Predicate:
    is_within = between(kwargs)
    return lambda value: is_within(len(value))


def _matches(kwargs: dict[str, Any]) -> Predicate:
    pattern = re.compile(kwargs["regex"])
    if kwargs["regex"] == ISO_DATE:
        return lambda value: pattern.search(value) is not None and is_date(value)
    return lambda value: pattern.search(value) is not None


def _does_not_match(kwargs: dict[str, Any]) -> Predicate:
    pattern = re.compile(kwargs["regex"])
    return lambda value: pattern.search(value) is None


TEXT_RULES: dict[str, PredicateFactory] = {
    "expect_column_values_to_match_regex": _matches,
    "expect_column_values_to_not_match_regex": _does_not_match,
    "expect_column_value_lengths_to_be_between": _length_between,
    "expect_column_value_lengths_to_equal": lambda kwargs: lambda value: len(value) == kwargs["value"],
}
NUMBER_RULES: dict[str, PredicateFactory] = {"expect_column_values_to_be_between": between}
COMMON_RULES: dict[str, PredicateFactory] = {
    "expect_column_values_to_be_in_set": lambda kwargs: frozenset(kwargs["value_set"]).__contains__,
    "expect_column_values_to_not_be_in_set": lambda kwargs: lambda value: value not in kwargs["value_set"],
}


def value_predicate(item: Expectation, text: bool) -> Predicate | None:
    """Return a predicate: whether a value, a text or a number, satisfies `item`; None if that needs a whole table.

    Raises:
        ContractError: the rule cannot be applied.
    """
    factory = (COMMON_RULES | (TEXT_RULES if text else NUMBER_RULES)).get(item["type"])
    if factory is None:
        return None
    try:
        return factory(item["kwargs"])
    except (KeyError, TypeError, re.error) as error:
        name = expectation_name(item)
        raise ContractError(
            f"expectations/features.json: {name} cannot be asked ({error}). Correct it, and train again."
        ) from error
