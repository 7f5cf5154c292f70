"""Faults to plant into the target of a table, one at a time; the rest are in `tables.py`."""

from typing import TYPE_CHECKING

import numpy as np

from mlkeel.data.tables import with_columns
from mlkeel.faults.tables import FOR_ANY_TABLE, Plant, Scene, shuffled_labels

if TYPE_CHECKING:
    import pandas as pd


def impossible_target(table: "pd.DataFrame", scene: Scene) -> "pd.DataFrame | None":
    """One row has a number far beyond all others."""
    far = 1000 * float(table[scene.target].abs().max())
    return with_columns(table, {scene.target: table[scene.target].where(np.arange(len(table)) > 0, far)})


def target_in_another_unit(table: "pd.DataFrame", scene: Scene) -> "pd.DataFrame | None":
    """All numbers to be predicted are a thousand times as large."""
    return with_columns(table, {scene.target: table[scene.target] * 1000})


def target_as_text(table: "pd.DataFrame", scene: Scene) -> "pd.DataFrame | None":
    """The numbers to be predicted arrive as texts with a unit."""
    return with_columns(table, {scene.target: table[scene.target].astype("str") + " units"})


def lost_range(table: "pd.DataFrame", scene: Scene) -> "pd.DataFrame | None":
    """Only the fifth of the rows with the smallest numbers is left, twice over four times."""
    smallest = table[table[scene.target] <= table[scene.target].quantile(0.2)]
    return smallest.iloc[np.arange(len(table)) % len(smallest)].reset_index(drop=True)


def leaked_target(table: "pd.DataFrame", scene: Scene) -> "pd.DataFrame | None":
    """A feature was overwritten with what it is to predict, in values that it knows."""
    ranks = table[scene.target].rank(pct=True)
    for name in scene.numeric(table):
        return with_columns(table, {name: np.quantile(table[name].dropna(), ranks)})
    return None


OF_THE_TARGET: tuple[Plant, ...] = (impossible_target, target_in_another_unit, target_as_text, lost_range)
FOR_THE_SUITES: tuple[Plant, ...] = (*FOR_ANY_TABLE, *OF_THE_TARGET)
BEYOND_THE_SUITES: tuple[Plant, ...] = (leaked_target, shuffled_labels)  # these need tests that look at rows or train
