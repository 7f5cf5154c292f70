"""Faults to plant into a table, one at a time.

A fault takes a table and returns a broken copy, or None if it does not apply to the table.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mlkeel.contract.suites import Contract
from mlkeel.data.tables import with_columns
from mlkeel.features.encoder import Encoder

if TYPE_CHECKING:
    import pandas as pd

DataFault = Callable[["pd.DataFrame", "FaultContext"], "pd.DataFrame | None"]


@dataclass(frozen=True)
class FaultContext:
    """The contract and the target of the table that a fault breaks, and the encoder if columns are derived."""

    contract: Contract
    target: str
    encoder: Encoder | None = None

    def numeric(self, table: "pd.DataFrame") -> list[str]:
        """Return the numeric features that are not constant, those with the most distinct values first."""
        names = [column.name for column in self.contract.columns if column.numeric]
        return sorted((name for name in names if table[name].nunique() > 1), key=lambda name: -table[name].nunique())

    @property
    def labels(self) -> list[str]:
        """The target, if it holds classes."""
        return [self.target] if self.contract.values(self.target) else []

    @property
    def categorical(self) -> list[str]:
        """The categorical features; without any, the target if it holds classes."""
        return [column.name for column in self.contract.columns if column.categories] or self.labels

    @property
    def texts(self) -> list[str]:
        """The text features, and all columns that must not match a regular expression."""
        features = [column.name for column in self.contract.columns if column.text]
        return features + self.columns_with("column_values_to_not_match_regex")

    def columns_with(self, kind: str) -> list[str]:
        """Return the columns that have an expectation of this kind in the suite of the training table."""
        expectations = self.contract.dataset["expectations"]
        return [item["kwargs"]["column"] for item in expectations if item["type"] == f"expect_{kind}"]


def random_mask(table: "pd.DataFrame", share: float) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Return a random mask of about this share of the rows, shape (n,), the same each time."""
    return np.random.default_rng(7).random(len(table)) < share


def nulls_over_the_limit(table: "pd.DataFrame", context: FaultContext) -> "pd.DataFrame | None":
    """Nine of ten values are lost."""
    name = max((column.name for column in context.contract.columns), key=lambda name: table[name].notna().mean())
    return with_columns(table, {name: table[name].mask(random_mask(table, 0.9))})


def missing_labels(table: "pd.DataFrame", context: FaultContext) -> "pd.DataFrame | None":
    """One label in fifty is lost."""
    lost = random_mask(table, 0.02)
    lost[0] = True
    return with_columns(table, {context.target: table[context.target].mask(lost)})


def swapped_columns(table: "pd.DataFrame", context: FaultContext) -> "pd.DataFrame | None":
    """The two numeric columns whose medians are furthest apart are swapped.

    It applies if their medians differ by more than the interquartile range of either.
    """

    def median(name: str) -> float:
        return float(table[name].quantile(0.5))

    names = sorted(context.numeric(table), key=median)
    if len(names) < 2:
        return None
    low = names[0]
    high = names[-1]
    if median(high) - median(low) <= max(_iqr(table[low]), _iqr(table[high])):
        return None
    return with_columns(table, {low: table[high], high: table[low]})


def another_unit(table: "pd.DataFrame", context: FaultContext) -> "pd.DataFrame | None":
    """All numbers of a column are a thousand times as large, as milligrams for grams."""
    return _change_numbers(table, context, lambda values: values * 1000)


def sign_flip(table: "pd.DataFrame", context: FaultContext) -> "pd.DataFrame | None":
    """The numbers of a column that are mostly of one sign have the opposite sign."""
    names = [name for name in context.numeric(table) if abs(np.sign(table[name]).mean()) > 0.6]
    return with_columns(table, {names[0]: -table[names[0]]}) if names else None


def stuck_sensor(table: "pd.DataFrame", context: FaultContext) -> "pd.DataFrame | None":
    """All values of a numeric column are its maximum."""
    return _change_numbers(table, context, lambda values: values.where(values.isna(), values.max()))


def stuck_category(table: "pd.DataFrame", context: FaultContext) -> "pd.DataFrame | None":
    """All values of a categorical column are its rarest category."""
    names = [column.name for column in context.contract.columns if len(column.categories) > 1]
    if not names:
        return None
    rarest = table[names[0]].value_counts().index[-1]
    return with_columns(table, {names[0]: table[names[0]].where(table[names[0]].isna(), rarest)})


def drifted_column(table: "pd.DataFrame", context: FaultContext) -> "pd.DataFrame | None":
    """A numeric column is shifted by twice its interquartile range."""
    names = [name for name in context.numeric(table) if _iqr(table[name]) > 0]
    return with_columns(table, {names[0]: table[names[0]] + 2 * _iqr(table[names[0]])}) if names else None


def decimal_commas(table: "pd.DataFrame", context: FaultContext) -> "pd.DataFrame | None":
    """Numbers arrive as texts with a decimal comma."""
    return _change_numbers(table, context, lambda values: values.astype("str").str.replace(".", ",", regex=False))


def unseen_category(table: "pd.DataFrame", context: FaultContext) -> "pd.DataFrame | None":
    """Three values in five are an unknown category."""
    return _change_strings(table, context, lambda texts: texts.where(texts.isna(), "not seen before"))


def other_case(table: "pd.DataFrame", context: FaultContext) -> "pd.DataFrame | None":
    """Three values in five have their case swapped."""
    for name in [*context.categorical, *context.labels]:
        if (table[name].dropna().str.swapcase() != table[name].dropna()).any():
            known = set(table[name].dropna())
            swapped = table[name].str.swapcase()
            if not set(swapped.dropna()) <= known:
                return with_columns(table, {name: table[name].where(~random_mask(table, 0.6), swapped)})
    return None


def stray_blanks(table: "pd.DataFrame", context: FaultContext) -> "pd.DataFrame | None":
    """Three values in five end in a blank."""
    return _change_strings(table, context, lambda texts: texts + " ")


def damaged_encoding(table: "pd.DataFrame", context: FaultContext) -> "pd.DataFrame | None":
    """The first character of three texts in five was lost to a wrong encoding."""
    names = [] if any(column.categories for column in context.contract.columns) else context.texts
    return _change_strings(
        table, context, lambda texts: texts.str.replace(r"^.", "\N{REPLACEMENT CHARACTER}", regex=True), names
    )


def duplicated_rows(table: "pd.DataFrame", _: FaultContext) -> "pd.DataFrame | None":
    """Each row is there twice."""
    return table.iloc[np.tile(np.arange(len(table)), 2)].reset_index(drop=True)


def repeated_identifiers(table: "pd.DataFrame", context: FaultContext) -> "pd.DataFrame | None":
    """Each identifier stands for two rows."""
    names = context.columns_with("column_values_to_be_unique")
    pairs = np.arange(len(table)) // 2
    return with_columns(table, {names[0]: table[names[0]].iloc[pairs].to_numpy()}) if names else None


def truncated_table(table: "pd.DataFrame", _: FaultContext) -> "pd.DataFrame | None":
    """Three quarters of the rows are gone."""
    return table.head(len(table) // 4)


def lost_column(table: "pd.DataFrame", context: FaultContext) -> "pd.DataFrame | None":
    """The first feature is gone."""
    return table.drop(columns=context.contract.columns[0].name)


def renamed_column(table: "pd.DataFrame", context: FaultContext) -> "pd.DataFrame | None":
    """The last feature has another name."""
    name = context.contract.columns[-1].name
    return table.rename(columns={name: f"{name}_new"})


def stale_dates(table: "pd.DataFrame", context: FaultContext) -> "pd.DataFrame | None":
    """The dates are in the year 0000."""
    names = [name for name in context.columns_with("column_min_to_be_between") if str(table[name].dtype) == "str"]
    return (
        with_columns(table, {names[0]: table[names[0]].str.replace(r"^\d{4}", "0000", regex=True)}) if names else None
    )


def cut_texts(table: "pd.DataFrame", context: FaultContext) -> "pd.DataFrame | None":
    """Three texts in five end after ten characters."""
    names = [name for name in context.texts if table[name].str.len().quantile(0.25) > 10]
    return (
        with_columns(table, {names[0]: table[names[0]].where(~random_mask(table, 0.6), table[names[0]].str[:10])})
        if names
        else None
    )


def repeated_text(table: "pd.DataFrame", context: FaultContext) -> "pd.DataFrame | None":
    """All texts are the same as the first."""
    names = [name for name in context.texts if table[name].nunique() > len(table) / 2]
    return with_columns(table, {names[0]: table[names[0]].dropna().iloc[0]}) if names else None


def further_column(table: "pd.DataFrame", context: FaultContext) -> "pd.DataFrame | None":
    """A further column holds a copy of the target."""
    return with_columns(table, {f"{context.target}_copy": table[context.target]})


def shuffled_labels(table: "pd.DataFrame", context: FaultContext) -> "pd.DataFrame | None":
    """The labels are shuffled."""
    return with_columns(table, {context.target: np.random.default_rng(7).permutation(table[context.target].to_numpy())})


TABLE_FAULTS: tuple[DataFault, ...] = (
    *(nulls_over_the_limit, missing_labels, swapped_columns, another_unit, sign_flip, stuck_sensor, stuck_category),
    *(drifted_column, decimal_commas, unseen_category, other_case, stray_blanks, damaged_encoding, duplicated_rows),
    *(repeated_identifiers, truncated_table, lost_column, renamed_column, further_column, stale_dates),
    *(cut_texts, repeated_text),
)


def _iqr(values: "pd.Series[float]") -> float:
    """Return the interquartile range."""
    return float(values.quantile(0.75) - values.quantile(0.25))


def filter_rows(table: "pd.DataFrame", mask: np.ndarray[Any, np.dtype[np.bool_]]) -> "pd.DataFrame":
    """Return the rows where `mask`, shape (n,), is true, with a new index."""
    return table.iloc[mask.nonzero()[0]].reset_index(drop=True)


def _change_numbers(
    table: "pd.DataFrame", context: FaultContext, change: "Callable[[pd.Series[float]], pd.Series[Any]]"
) -> "pd.DataFrame | None":
    """Change the first numeric feature."""
    names = context.numeric(table)
    return with_columns(table, {names[0]: change(table[names[0]])}) if names else None


def _change_strings(
    table: "pd.DataFrame",
    context: FaultContext,
    change: "Callable[[pd.Series[str]], pd.Series[str]]",
    names: Sequence[str] = (),
) -> "pd.DataFrame | None":
    """Change three values in five of the first of `names` or, without any, of the first categorical column."""
    if not (name := next(iter(names or context.categorical), None)):
        return None
    return with_columns(table, {name: table[name].where(~random_mask(table, 0.6), change(table[name]))})
