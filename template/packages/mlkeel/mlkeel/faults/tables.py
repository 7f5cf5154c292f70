"""Faults to plant into a table, one at a time: what goes wrong with data before anyone looks at it.

A fault takes a table and gives a broken copy, or None where the table has nothing that it could break.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mlkeel.contract.suites import Contract
from mlkeel.data.tables import with_columns

if TYPE_CHECKING:
    import pandas as pd

Plant = Callable[["pd.DataFrame", "Scene"], "pd.DataFrame | None"]


@dataclass(frozen=True)
class Scene:
    """What a fault may need to know of the table that it breaks."""

    contract: Contract
    target: str

    def numeric(self, table: "pd.DataFrame") -> list[str]:
        """The features of numbers that are not all alike, most different values first."""
        names = [column.name for column in self.contract.columns if column.numeric]
        return sorted((name for name in names if table[name].nunique() > 1), key=lambda name: -table[name].nunique())

    @property
    def labels(self) -> list[str]:
        """The target if it holds classes."""
        return [self.target] if self.contract.values(self.target) else []

    @property
    def categorical(self) -> list[str]:
        """The features of categories; without any, the target if it holds classes."""
        return [column.name for column in self.contract.columns if column.categories] or self.labels

    @property
    def texts(self) -> list[str]:
        """The features of texts, and other columns that are guarded like them."""
        features = [column.name for column in self.contract.columns if column.text]
        return features + self.ruled("column_values_to_not_match_regex")

    def ruled(self, kind: str) -> list[str]:
        """The columns of which the training table's suite holds a rule of this kind."""
        return [i["kwargs"]["column"] for i in self.contract.dataset["expectations"] if i["type"] == f"expect_{kind}"]


def share_of(table: "pd.DataFrame", share: float) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """A mask of this share of the rows, the same each time."""
    return np.random.default_rng(7).random(len(table)) < share


def nulls_over_the_limit(table: "pd.DataFrame", scene: Scene) -> "pd.DataFrame | None":
    """Nine of ten values are lost."""
    name = max((column.name for column in scene.contract.columns), key=lambda name: table[name].notna().mean())
    return with_columns(table, {name: table[name].mask(share_of(table, 0.9))})


def missing_labels(table: "pd.DataFrame", scene: Scene) -> "pd.DataFrame | None":
    """One label in fifty is lost."""
    lost = share_of(table, 0.02)
    lost[0] = True
    return with_columns(table, {scene.target: table[scene.target].mask(lost)})


def swapped_columns(table: "pd.DataFrame", scene: Scene) -> "pd.DataFrame | None":
    """Two columns of numbers changed places: those whose medians are the furthest apart, if they are apart at all."""

    def middle(name: str) -> float:
        return float(table[name].quantile(0.5))

    names = sorted(scene.numeric(table), key=middle)
    if len(names) < 2:
        return None
    low, high = names[0], names[-1]
    if middle(high) - middle(low) <= max(_width(table[low]), _width(table[high])):
        return None
    return with_columns(table, {low: table[high], high: table[low]})


def another_unit(table: "pd.DataFrame", scene: Scene) -> "pd.DataFrame | None":
    """Grams became milligrams: all numbers of a column are a thousand times as large."""
    return _changed(table, scene, lambda values: values * 1000)


def sign_flip(table: "pd.DataFrame", scene: Scene) -> "pd.DataFrame | None":
    """The numbers of a column that was mostly of one sign have the other one."""
    names = [name for name in scene.numeric(table) if abs(np.sign(table[name]).mean()) > 0.6]
    return with_columns(table, {names[0]: -table[names[0]]}) if names else None


def stuck_sensor(table: "pd.DataFrame", scene: Scene) -> "pd.DataFrame | None":
    """A column of numbers holds its greatest value throughout."""
    return _changed(table, scene, lambda values: values.where(values.isna(), values.max()))


def stuck_category(table: "pd.DataFrame", scene: Scene) -> "pd.DataFrame | None":
    """A column of categories holds the rarest of those it knows throughout."""
    names = [column.name for column in scene.contract.columns if len(column.categories) > 1]
    if not names:
        return None
    rarest = table[names[0]].value_counts().index[-1]
    return with_columns(table, {names[0]: table[names[0]].where(table[names[0]].isna(), rarest)})


def drifted_column(table: "pd.DataFrame", scene: Scene) -> "pd.DataFrame | None":
    """A column of numbers moved by twice the distance between its quartiles."""
    names = [name for name in scene.numeric(table) if _width(table[name]) > 0]
    return with_columns(table, {names[0]: table[names[0]] + 2 * _width(table[names[0]])}) if names else None


def decimal_commas(table: "pd.DataFrame", scene: Scene) -> "pd.DataFrame | None":
    """Numbers arrive as texts with a comma."""
    return _changed(table, scene, lambda values: values.astype("str").str.replace(".", ",", regex=False))


def unseen_category(table: "pd.DataFrame", scene: Scene) -> "pd.DataFrame | None":
    """Three values in five are a category that was never seen."""
    return _reworded(table, scene, lambda texts: texts.where(texts.isna(), "not seen before"))


def other_case(table: "pd.DataFrame", scene: Scene) -> "pd.DataFrame | None":
    """Three values in five are written in the other case."""
    for name in [*scene.categorical, *scene.labels]:
        if (table[name].dropna().str.swapcase() != table[name].dropna()).any():
            known = set(table[name].dropna())
            swapped = table[name].str.swapcase()
            if not set(swapped.dropna()) <= known:
                return with_columns(table, {name: table[name].where(~share_of(table, 0.6), swapped)})
    return None


def stray_blanks(table: "pd.DataFrame", scene: Scene) -> "pd.DataFrame | None":
    """Three values in five end in a blank."""
    return _reworded(table, scene, lambda texts: texts + " ")


def damaged_encoding(table: "pd.DataFrame", scene: Scene) -> "pd.DataFrame | None":
    """A sign of three texts in five was lost in a wrong encoding."""
    names = [] if any(column.categories for column in scene.contract.columns) else scene.texts
    return _reworded(
        table, scene, lambda texts: texts.str.replace(r"^.", "\N{REPLACEMENT CHARACTER}", regex=True), names
    )


def duplicated_rows(table: "pd.DataFrame", _: Scene) -> "pd.DataFrame | None":
    """All rows were written twice."""
    return table.iloc[np.tile(np.arange(len(table)), 2)].reset_index(drop=True)


def repeated_identifiers(table: "pd.DataFrame", scene: Scene) -> "pd.DataFrame | None":
    """Each identifier stands for two rows."""
    names = scene.ruled("column_values_to_be_unique")
    pairs = np.arange(len(table)) // 2
    return with_columns(table, {names[0]: table[names[0]].iloc[pairs].to_numpy()}) if names else None


def truncated_table(table: "pd.DataFrame", _: Scene) -> "pd.DataFrame | None":
    """Three quarters of the rows are gone."""
    return table.head(len(table) // 4)


def lost_column(table: "pd.DataFrame", scene: Scene) -> "pd.DataFrame | None":
    """The first feature is gone."""
    return table.drop(columns=scene.contract.columns[0].name)


def renamed_column(table: "pd.DataFrame", scene: Scene) -> "pd.DataFrame | None":
    """The last feature has another name."""
    name = scene.contract.columns[-1].name
    return table.rename(columns={name: f"{name}_new"})


def stale_dates(table: "pd.DataFrame", scene: Scene) -> "pd.DataFrame | None":
    """The dates are those of no year that was."""
    names = [name for name in scene.ruled("column_min_to_be_between") if str(table[name].dtype) == "str"]
    return (
        with_columns(table, {names[0]: table[names[0]].str.replace(r"^\d{4}", "0000", regex=True)}) if names else None
    )


def cut_texts(table: "pd.DataFrame", scene: Scene) -> "pd.DataFrame | None":
    """Three texts in five end after ten characters."""
    names = [name for name in scene.texts if table[name].str.len().quantile(0.25) > 10]
    return (
        with_columns(table, {names[0]: table[names[0]].where(~share_of(table, 0.6), table[names[0]].str[:10])})
        if names
        else None
    )


def repeated_text(table: "pd.DataFrame", scene: Scene) -> "pd.DataFrame | None":
    """All texts are the first."""
    names = [name for name in scene.texts if table[name].nunique() > len(table) / 2]
    return with_columns(table, {names[0]: table[names[0]].dropna().iloc[0]}) if names else None


def further_column(table: "pd.DataFrame", scene: Scene) -> "pd.DataFrame | None":
    """The answer stands in a column more."""
    return with_columns(table, {f"{scene.target}_copy": table[scene.target]})


def shuffled_labels(table: "pd.DataFrame", scene: Scene) -> "pd.DataFrame | None":
    """The labels belong to other rows."""
    return with_columns(table, {scene.target: np.random.default_rng(7).permutation(table[scene.target].to_numpy())})


FOR_ANY_TABLE: tuple[Plant, ...] = (
    *(nulls_over_the_limit, missing_labels, swapped_columns, another_unit, sign_flip, stuck_sensor, stuck_category),
    *(drifted_column, decimal_commas, unseen_category, other_case, stray_blanks, damaged_encoding, duplicated_rows),
    *(repeated_identifiers, truncated_table, lost_column, renamed_column, further_column, stale_dates),
    *(cut_texts, repeated_text),
)


def _width(values: "pd.Series[float]") -> float:
    """The distance between the quartiles."""
    return float(values.quantile(0.75) - values.quantile(0.25))


def rows_of(table: "pd.DataFrame", mask: np.ndarray[Any, np.dtype[np.bool_]]) -> "pd.DataFrame":
    """The rows under a mask, counted anew."""
    return table.iloc[mask.nonzero()[0]].reset_index(drop=True)


def _changed(
    table: "pd.DataFrame", scene: Scene, change: "Callable[[pd.Series[float]], pd.Series[Any]]"
) -> "pd.DataFrame | None":
    names = scene.numeric(table)
    return with_columns(table, {names[0]: change(table[names[0]])}) if names else None


def _reworded(
    table: "pd.DataFrame",
    scene: Scene,
    change: "Callable[[pd.Series[str]], pd.Series[str]]",
    names: Sequence[str] = (),
) -> "pd.DataFrame | None":
    if not (name := next(iter(names or scene.categorical), None)):
        return None
    return with_columns(table, {name: table[name].where(~share_of(table, 0.6), change(table[name]))})
