"""Choose the column of times that says when a row came about, rather than a birthday or a later event."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from mlkeel.adopt.column_names import BIRTH, LATER_EVENT
from mlkeel.adopt.infer_roles import RoleDecision
from mlkeel.adopt.likeness import SEED, Groups
from mlkeel.data.column_types import numbers, times

if TYPE_CHECKING:
    import pandas as pd

MIN_TIMES = 8
MAX_TIME_SHARE = 0.5  # of the rows; equal times are not divided
SAME_SHARE = 0.9  # of pairs of rows of a group that have the same time, if it is a property of the group
SORTED_SHARE = 0.95  # of the steps from row to row, if a table is in the order of a time


def choose_time(
    table: "pd.DataFrame", decisions: Mapping[str, RoleDecision], group: str | None, groups: Groups | None
) -> tuple[str | None, str, list[str]]:
    """Choose the column that says when a row came about.

    Args:
        table: texts, shape (n, columns).
        decisions: the role of each column.
        group: the column by which the rows are split besides, if there is one.
        groups: its groups.

    Returns:
        The column, why it is that, and remarks on those that were not chosen.
    """
    moments: dict[str, npt.NDArray[np.float64]] = {}
    remarks = []
    for name, decision in decisions.items():
        if decision.role != "time":
            continue
        values = _moments(table[name])
        if values is None:
            continue
        if doubt := _time_doubt(name, values, group, groups):
            remarks.append(f"{name} is a time, but {doubt}")
        else:
            moments[name] = values
    if not moments:
        return None, "", remarks
    ranks = {name: _time_rank(name, values, moments) for name, values in moments.items()}
    chosen = min(ranks, key=lambda name: ranks[name])
    n_times = len(np.unique(moments[chosen][~np.isnan(moments[chosen])]))
    reason = f"{chosen} has {n_times:,} different times, and a model answers for rows that come later"
    if len(moments) > 1:
        others = ", ".join(name for name in moments if name != chosen)
        reason = f"{reason} (it was chosen over {others}: {_time_preference(ranks, chosen)})"
    return chosen, reason, remarks


def _moments(values: "pd.Series[str]") -> npt.NDArray[np.float64] | None:
    """Return times as numbers, NaN where there is none; None if they have no common form."""
    import pandas as pd

    present = values.dropna()
    numeric = numbers(present, lenient=True)
    if numeric is None:
        timestamps = times(present)
        if timestamps is None:
            return None
        numeric = (timestamps - pd.Timestamp(0, tz="UTC")).dt.total_seconds()
    return np.asarray(numeric.reindex(values.index), dtype=np.float64)


def _time_doubt(name: str, values: npt.NDArray[np.float64], group: str | None, groups: Groups | None) -> str:
    """Return why a column of times does not say when its row came about; empty if it may."""
    missing = np.isnan(values)
    distinct, counts = np.unique(values[~missing], return_counts=True)
    if len(distinct) < MIN_TIMES:
        return f"has {len(distinct)} different values only"
    if BIRTH.search(name):
        return "is by its name a property of a person, not of a row"
    if missing.any():
        return f"is missing in {int(missing.sum()):,} of {len(values):,} rows"
    if counts.max() > MAX_TIME_SHARE * len(values):
        return f"one value has {counts.max() / len(values):.0%} of the rows"
    if groups is not None:
        rng = np.random.default_rng(SEED)
        rows = groups.draw_rows(rng)
        partners = groups.partners_within(rows, rng)
        if float((values[rows] == values[partners]).mean()) >= SAME_SHARE:
            return f"is the same in all rows of one {group}, so it is no time of a row"
    return ""


def _time_rank(
    name: str, values: npt.NDArray[np.float64], moments: Mapping[str, npt.NDArray[np.float64]]
) -> tuple[bool, bool, float]:
    """Return by what one column of times is preferred to another; smaller is better."""
    steps = np.diff(values[~np.isnan(values)])
    is_sorted = bool((steps >= 0).mean() >= SORTED_SHARE or (steps <= 0).mean() >= SORTED_SHARE)
    earlier = [float(np.nanmean(values <= other)) for other in moments.values() if other is not values]
    return bool(LATER_EVENT.search(name)), not is_sorted, -min(earlier, default=1.0)


def _time_preference(ranks: Mapping[str, tuple[bool, bool, float]], chosen: str) -> str:
    """Say what made the chosen column of times the first."""
    second = min(rank for name, rank in ranks.items() if name != chosen)
    first = ranks[chosen]
    if first[0] != second[0]:
        return "they are of later events by their names"
    if first[1] != second[1]:
        return "the rows are in its order"
    return "it is the earliest in most rows" if first[2] != second[2] else "it stands first"
