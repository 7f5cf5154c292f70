"""Faults to plant into a target of numbers, one at a time; faults of any table are in `tables.py`."""

from typing import TYPE_CHECKING

import numpy as np

from mlkeel.data.tables import with_columns
from mlkeel.faults.tables import TABLE_FAULTS, DataFault, FaultContext, shuffled_labels

if TYPE_CHECKING:
    import pandas as pd


def impossible_target(table: "pd.DataFrame", context: FaultContext) -> "pd.DataFrame | None":
    """One row has a target far beyond all others."""
    outlier = 1000 * float(table[context.target].abs().max())
    return with_columns(table, {context.target: table[context.target].where(np.arange(len(table)) > 0, outlier)})


def target_in_another_unit(table: "pd.DataFrame", context: FaultContext) -> "pd.DataFrame | None":
    """All targets are a thousand times as large."""
    return with_columns(table, {context.target: table[context.target] * 1000})


def target_as_text(table: "pd.DataFrame", context: FaultContext) -> "pd.DataFrame | None":
    """The targets arrive as texts with a unit."""
    return with_columns(table, {context.target: table[context.target].astype("str") + " units"})


def lost_range(table: "pd.DataFrame", context: FaultContext) -> "pd.DataFrame | None":
    """Only the fifth of the rows with the smallest targets is left, repeated up to the length of the table."""
    smallest = table[table[context.target] <= table[context.target].quantile(0.2)]
    return smallest.iloc[np.arange(len(table)) % len(smallest)].reset_index(drop=True)


def leaked_target(table: "pd.DataFrame", context: FaultContext) -> "pd.DataFrame | None":
    """A feature was overwritten with the target, in values of its own range."""
    ranks = table[context.target].rank(pct=True)
    for name in context.numeric(table):
        return with_columns(table, {name: np.quantile(table[name].dropna(), ranks)})
    return None


TARGET_FAULTS: tuple[DataFault, ...] = (impossible_target, target_in_another_unit, target_as_text, lost_range)
CAUGHT_BY_CONTRACT: tuple[DataFault, ...] = (*TABLE_FAULTS, *TARGET_FAULTS)
NOT_CAUGHT_BY_CONTRACT: tuple[DataFault, ...] = (
    leaked_target,
    shuffled_labels,
)  # these need tests that look at rows or train
