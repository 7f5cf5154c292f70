"""Faults to plant into a target of classes, one at a time; faults of any table are in `tables.py`."""

from typing import TYPE_CHECKING

import numpy as np

from mlkeel.data.tables import with_columns
from mlkeel.faults.tables import TABLE_FAULTS, DataFault, FaultContext, filter_rows, random_mask, shuffled_labels

if TYPE_CHECKING:
    import pandas as pd


def unknown_label(table: "pd.DataFrame", context: FaultContext) -> "pd.DataFrame | None":
    """One row is of an unknown class."""
    return with_columns(
        table, {context.target: table[context.target].where(np.arange(len(table)) > 0, "not seen before")}
    )


def label_imbalance(table: "pd.DataFrame", context: FaultContext) -> "pd.DataFrame | None":
    """Nineteen of twenty rows of the most frequent class are gone."""
    is_majority = table[context.target] == table[context.target].mode().iloc[0]
    return filter_rows(table, ~(is_majority & random_mask(table, 0.95)).to_numpy())


def lost_class(table: "pd.DataFrame", context: FaultContext) -> "pd.DataFrame | None":
    """All rows of the rarest class are gone."""
    rarest = table[context.target].value_counts().index[-1]
    return filter_rows(table, (table[context.target] != rarest).to_numpy())


def leaked_target(table: "pd.DataFrame", context: FaultContext) -> "pd.DataFrame | None":
    """A feature was overwritten with the target, in values of its own range."""
    class_codes = {name: code for code, name in enumerate(context.contract.categories(context.target))}
    codes = table[context.target].map(class_codes)
    for name in context.numeric(table):
        class_values = np.quantile(table[name].dropna(), np.linspace(0.3, 0.7, len(class_codes)))
        if len(np.unique(class_values)) == len(class_codes):
            return with_columns(table, {name: class_values[codes.astype(int)]})
    return None


TARGET_FAULTS: tuple[DataFault, ...] = (unknown_label, lost_class)
CAUGHT_BY_CONTRACT: tuple[DataFault, ...] = (*TABLE_FAULTS, *TARGET_FAULTS, label_imbalance)
NOT_CAUGHT_BY_CONTRACT: tuple[DataFault, ...] = (
    leaked_target,
    shuffled_labels,
)  # these need tests that look at rows or train
