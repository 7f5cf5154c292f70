"""Faults to plant into the target of a table, one at a time; the rest are in `tables.py`."""

from typing import TYPE_CHECKING

import numpy as np

from mlkeel.data.tables import with_columns
from mlkeel.faults.tables import FOR_ANY_TABLE, Plant, Scene, rows_of, share_of, shuffled_labels

if TYPE_CHECKING:
    import pandas as pd


def unknown_label(table: "pd.DataFrame", scene: Scene) -> "pd.DataFrame | None":
    """One row is of a class that was never seen."""
    return with_columns(table, {scene.target: table[scene.target].where(np.arange(len(table)) > 0, "not seen before")})


def label_imbalance(table: "pd.DataFrame", scene: Scene) -> "pd.DataFrame | None":
    """Nineteen of twenty rows of the most frequent class are gone."""
    most = table[scene.target] == table[scene.target].mode().iloc[0]
    return rows_of(table, ~(most & share_of(table, 0.95)).to_numpy())


def lost_class(table: "pd.DataFrame", scene: Scene) -> "pd.DataFrame | None":
    """All rows of the rarest class are gone."""
    rarest = table[scene.target].value_counts().index[-1]
    return rows_of(table, (table[scene.target] != rarest).to_numpy())


def leaked_target(table: "pd.DataFrame", scene: Scene) -> "pd.DataFrame | None":
    """A feature was overwritten with what it is to predict, in values that it knows."""
    classes = {name: place for place, name in enumerate(scene.contract.categories(scene.target))}
    codes = table[scene.target].map(classes)
    for name in scene.numeric(table):
        steps = np.quantile(table[name].dropna(), np.linspace(0.3, 0.7, len(classes)))
        if len(np.unique(steps)) == len(classes):
            return with_columns(table, {name: steps[codes.astype(int)]})
    return None


OF_THE_TARGET: tuple[Plant, ...] = (unknown_label, lost_class)
FOR_THE_SUITES: tuple[Plant, ...] = (*FOR_ANY_TABLE, *OF_THE_TARGET, label_imbalance)
BEYOND_THE_SUITES: tuple[Plant, ...] = (leaked_target, shuffled_labels)  # these need tests that look at rows or train
