"""The rules that a draft of the contract holds for the target."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from mlkeel.contract.suites import Expectation
from mlkeel.drafts.rules import numbers, quantiles, rule, shares

if TYPE_CHECKING:
    import pandas as pd

SURE = 20  # rows of a class, below which a sample may lack it


def target_rules(values: "pd.Series[Any]") -> Iterator[Expectation]:
    """What the target of a training table must satisfy, by whether it holds numbers or names of classes."""
    return _number_rules(values) if str(values.dtype) == "float64" else _class_rules(values)


def _class_rules(values: "pd.Series[str]") -> Iterator[Expectation]:
    name, counts = values.name, values.value_counts()
    classes = sorted(counts.index)
    yield rule("column_type_to_be", column=name, type_="str")
    yield rule("column_values_to_not_be_null", column=name)
    yield rule("column_values_to_be_in_set", column=name, value_set=classes)
    severity = "critical" if counts.min() >= SURE else "warning"
    yield rule("column_distinct_values_to_equal_set", severity, column=name, value_set=classes)
    yield shares(values)


def _number_rules(values: "pd.Series[float]") -> Iterator[Expectation]:
    for item in numbers(values):
        if item["type"] != "expect_column_values_to_not_be_null":
            yield item
    yield rule("column_values_to_not_be_null", column=values.name)
    yield quantiles(values)
