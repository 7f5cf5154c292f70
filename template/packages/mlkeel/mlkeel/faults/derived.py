"""Faults to plant into columns from which others are derived."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from mlkeel.contract.suites import Column, Expectation, Suite
from mlkeel.contract.validate import check
from mlkeel.contract.values import value_predicate
from mlkeel.data.tables import with_columns
from mlkeel.faults.tables import FaultContext
from mlkeel.features.encoder import Encoder

if TYPE_CHECKING:
    import pandas as pd

Mask = np.ndarray[Any, np.dtype[np.bool_]]
MAX_ROWS = 2000  # in which a value is tried
GRID = 21  # numbers that are tried in the range of a column
BEYOND = 10  # times the range of a column that has no limit
BETWEEN = "expect_column_values_to_be_between"
NOT_NULL = "expect_column_values_to_not_be_null"
EXTREME_DATES = ("0001-01-01", "9999-12-31")


def broken_derived_rule(table: "pd.DataFrame", context: FaultContext) -> "pd.DataFrame | None":
    """A value that the rules of its column allow breaks a rule of what is derived from it.

    It applies if there are derived columns with rules and such a value is found.
    """
    contract = context.contract
    encoder = context.encoder
    if encoder is None or contract.derived is None:
        return None
    sources = {name for columns in encoder.layout.sources for name in columns}
    rules = [item for suite in (contract.features, contract.dataset) for item in suite["expectations"]]
    violated_before = _violated(_derived(table, encoder), contract.derived)
    for column in (column for column in contract.columns if column.name in sources):
        raw = contract.features | {"expectations": [item for item in rules if _may_concern(item, column.name)]}
        raw_before = _violated(table, raw)
        for value, mask in _breaking_values(table, column, encoder, raw, contract.derived):
            broken = with_columns(table, {column.name: table[column.name].where(~mask, value)})
            violated = _violated(_derived(broken, encoder), contract.derived)
            if violated - violated_before and not _violated(broken, raw) - raw_before:
                return broken
    return None


def _may_concern(item: Expectation, column: str) -> bool:
    kwargs = item["kwargs"]
    return kwargs.get("column") in (column, None) or "row_condition" in kwargs


def _breaking_values(
    table: "pd.DataFrame", column: Column, encoder: Encoder, raw: Suite, derived: Suite
) -> Iterator[tuple[Any, Mask]]:
    """Yield values of `column` that break a derived rule, with the rows to have them: one in which it does, or all."""
    sample = np.unique(np.linspace(0, len(table) - 1, MAX_ROWS).astype(int))
    rows = table.iloc[sample]
    breaks_before = _breaks(_derived(rows, encoder), derived)
    for value in _allowed_values(column, table[column.name], raw):
        changed = _derived(with_columns(rows, {column.name: value}), encoder)
        breaking = sample[_breaks(changed, derived) & ~breaks_before]
        for positions in (breaking[:1], breaking):
            if len(positions):
                mask = np.zeros(len(table), dtype=bool)
                mask[positions] = True
                yield value, mask


def _allowed_values(column: Column, values: "pd.Series[Any]", raw: Suite) -> list[Any]:
    """Return values that the rules about single values of `column` allow, and a missing one."""
    rules = [item for item in raw["expectations"] if item["kwargs"].get("column") == column.name]
    predicates = [value_predicate(item, not column.numeric) for item in rules if "row_condition" not in item["kwargs"]]
    present = values.dropna()
    if column.categories:
        tried: list[Any] = list(column.categories)
    elif column.time:
        tried = [present.min(), present.max(), *EXTREME_DATES]
    elif values.dtype.kind == "b":
        tried = [False, True]
    else:
        tried = _numbers(present, rules)
    allowed = [value for value in dict.fromkeys(tried) if all(holds is None or holds(value) for holds in predicates)]
    return allowed if values.dtype.kind in "biu" else [*allowed, None]


def _numbers(present: "pd.Series[Any]", rules: list[Expectation]) -> list[float]:
    """Return the ends of the range that `rules` give a column of numbers, and numbers between them."""
    low = float(present.min())
    high = float(present.max())
    limits = [item["kwargs"] for item in rules if item["type"] == BETWEEN]
    minima = [kwargs["min_value"] for kwargs in limits if kwargs.get("min_value") is not None]
    maxima = [kwargs["max_value"] for kwargs in limits if kwargs.get("max_value") is not None]
    reach = BEYOND * max(high - low, 1.0)
    lowest = max(minima, default=low - reach)
    highest = min(maxima, default=high + reach)
    numbers = [lowest, highest, low, high, 0.0, *np.linspace(lowest, highest, GRID).tolist()]
    return [float(round(number)) for number in numbers] if present.dtype.kind in "iu" else numbers


def _breaks(derived: "pd.DataFrame", suite: Suite) -> Mask:
    """Return which rows of derived columns break a rule about single values, shape (n,)."""
    breaks = np.zeros(len(derived), dtype=bool)
    for item in suite["expectations"]:
        name = item["kwargs"].get("column")
        if name not in derived:
            continue
        missing = derived[name].isna().to_numpy()
        if item["type"] == NOT_NULL:
            breaks |= missing
        elif holds := value_predicate(item, False):
            breaks |= ~missing & ~np.array([holds(value) for value in derived[name].tolist()], dtype=bool)
    return breaks


def _derived(table: "pd.DataFrame", encoder: Encoder) -> "pd.DataFrame":
    import pandas as pd

    return pd.DataFrame(encoder.derive(table))


def _violated(table: "pd.DataFrame", suite: Suite) -> set[int]:
    """Return the places of the expectations of `suite` that `table` violates."""
    return {place for place, result in enumerate(check(table, suite)) if not result.passed}
