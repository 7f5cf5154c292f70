"""Faults to plant into one column, by what its contract says that it holds."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from mlkeel.contract.suites import Column

if TYPE_CHECKING:
    import pandas as pd

Spoil = Callable[["pd.Series[Any]"], Any]
OF_NUMBERS: dict[str, Spoil] = {
    "another unit": lambda values: values * 1000,
    "text among numbers": lambda values: values.astype("str"),
}
OF_CATEGORIES: dict[str, Spoil] = {"an unknown category": lambda _: "not seen before"}
OF_TEXTS: dict[str, Spoil] = {
    "a damaged encoding": lambda values: "\N{REPLACEMENT CHARACTER}" + values,
    "far too long texts": lambda values: values.str.repeat(1000),
}


def column_faults(column: Column) -> dict[str, Spoil]:
    """What can go wrong with a column, by a name for each fault."""
    own = OF_NUMBERS if column.numeric else OF_TEXTS if column.text else OF_CATEGORIES
    return {"no values": lambda values: values.where(values.index < 1)} | own
