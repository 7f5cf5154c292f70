"""Draft the expectations of the target column."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from mlkeel.contract.suites import Expectation
from mlkeel.drafts.expectation_drafts import expectation, numbers, quantiles, shares

if TYPE_CHECKING:
    import pandas as pd

MIN_CLASS_ROWS = 20  # a sample may lack a class with fewer


def target_expectations(values: "pd.Series[Any]") -> Iterator[Expectation]:
    """Draft what the target of a training table must satisfy, for regression or for classification."""
    return _regression_expectations(values) if str(values.dtype) == "float64" else _class_expectations(values)


def _class_expectations(values: "pd.Series[str]") -> Iterator[Expectation]:
    name = values.name
    counts = values.value_counts()
    classes = sorted(counts.index)
    yield expectation("column_type_to_be", column=name, type_="str")
    yield expectation("column_values_to_not_be_null", column=name)
    yield expectation("column_values_to_be_in_set", column=name, value_set=classes)
    severity = "critical" if counts.min() >= MIN_CLASS_ROWS else "warning"
    yield expectation("column_distinct_values_to_equal_set", severity, column=name, value_set=classes)
    yield shares(values)


def _regression_expectations(values: "pd.Series[float]") -> Iterator[Expectation]:
    for item in numbers(values):
        if item["type"] != "expect_column_values_to_not_be_null":
            yield item
    yield expectation("column_values_to_not_be_null", column=values.name)
    yield quantiles(values)
