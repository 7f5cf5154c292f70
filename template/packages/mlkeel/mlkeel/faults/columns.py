"""Faults to plant into one column, by the type that its contract says."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from mlkeel.contract.suites import Column

if TYPE_CHECKING:
    import pandas as pd

ColumnFault = Callable[["pd.Series[Any]"], Any]
OF_NUMBERS: dict[str, ColumnFault] = {
    "another unit": lambda values: values * 1000,
    "text among numbers": lambda values: values.astype("str"),
}
OF_CATEGORIES: dict[str, ColumnFault] = {"an unknown category": lambda _: "not seen before"}
OF_TIMES: dict[str, ColumnFault] = {"another form of dates": lambda values: values.str.replace("-", "/")}
OF_TEXTS: dict[str, ColumnFault] = {
    "a damaged encoding": lambda values: "\N{REPLACEMENT CHARACTER}" + values,
    "far too long texts": lambda values: values.str.repeat(1000),
}


def column_faults(column: Column) -> dict[str, ColumnFault]:
    """Return the faults that a column can have, by their names."""
    return {"no values": lambda values: values.where(values.index < 1)} | _faults_of_type(column)


def _faults_of_type(column: Column) -> dict[str, ColumnFault]:
    if column.categories:
        return OF_CATEGORIES
    if column.text:
        return OF_TEXTS
    return OF_TIMES if column.time else OF_NUMBERS
