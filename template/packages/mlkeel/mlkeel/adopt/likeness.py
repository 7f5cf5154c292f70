"""Measure how much more alike the rows of one group are than rows of different groups.

Pairs of rows are compared, drawn with a fixed seed: of one group, of different groups with the same target, and of
groups that are beside each other in their order. So a category that follows from the target, and a quantity on which
others depend, do not look like units, whose rows are alike for no such reason.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from mlkeel.adopt.infer_roles import RoleDecision
from mlkeel.config import Role
from mlkeel.data.column_types import codes_of, numbers

if TYPE_CHECKING:
    import pandas as pd

Codes = npt.NDArray[np.int64]
Rows = npt.NDArray[np.int64]  # their positions in the table

MAX_COMPARED_COLUMNS = 60
MAX_PAIRS = 2000
MIN_PAIRS = 20
N_PERMUTATIONS = 20
MIN_VARIATION = 0.02  # the mean difference of two rows in a column that can say anything
SEED = 7
COMPARED_ROLES: frozenset[Role] = frozenset(
    ("numeric", "categorical", "boolean", "text", "identifier", "leak", "personal", "ignored")
)


class Comparison:
    """The columns of a table, encoded so that pairs of rows can be compared.

    The difference of two rows is that of their ranks, from 0 to 1, in a column of numbers, and 0 or 1 in any other.
    """

    def __init__(
        self, table: "pd.DataFrame", decisions: Mapping[str, RoleDecision], target: str, classification: bool
    ) -> None:
        identified = [name for name, decision in decisions.items() if decision.role not in ("identifier", "row_number")]
        self.table = table.drop_duplicates(identified, ignore_index=True)  # copies of a row are alike in any grouping
        self.decisions = decisions
        self.target = target
        self.classification = classification
        self._codes: dict[str, Codes] = {}
        self._encoded: dict[str, npt.NDArray[np.float64]] = {}
        self._is_numeric: dict[str, bool] = {}
        self._ordered: set[str] = set()

    @cached_property
    def compared(self) -> list[str]:
        """The columns in which rows are compared: all that repeat values, but the target."""
        names = [name for name, decision in self.decisions.items() if decision.role in COMPARED_ROLES]
        rng = np.random.default_rng(SEED)
        if len(names) > MAX_COMPARED_COLUMNS:
            chosen = rng.choice(len(names), MAX_COMPARED_COLUMNS, replace=False)
            names = [names[index] for index in sorted(chosen)]
        return names

    @cached_property
    def rows_by_target(self) -> Rows:
        """The rows in the order of their target, in a random order where it is the same."""
        rng = np.random.default_rng(SEED)
        shuffled = rng.permutation(len(self.table))
        return shuffled[np.argsort(self.encoded(self.target)[shuffled], kind="stable")]

    def codes(self, name: str) -> Codes:
        """Return a code for each value of a column, -1 for a missing one."""
        if name not in self._codes:
            self._codes[name] = codes_of(self.table[name])
        return self._codes[name]

    def encoded(self, name: str) -> npt.NDArray[np.float64]:
        """Return ranks, NaN where there is none, for a column of numbers, and else a code for each value."""
        if name not in self._encoded:
            values = self.table[name]
            numeric = None if name == self.target and self.classification else numbers(values.dropna(), lenient=True)
            if numeric is None:
                self._encoded[name] = self.codes(name).astype(np.float64)
            else:
                ranks = numeric.rank() / max(len(numeric), 1)
                self._encoded[name] = np.asarray(ranks.reindex(values.index), dtype=np.float64)
                self._ordered.add(name)
        return self._encoded[name]

    def differences(self, name: str, left: Rows, right: Rows) -> npt.NDArray[np.float64]:
        """Return the difference of each pair of rows in a column, of those pairs that have one."""
        values = self.encoded(name)
        if name not in self._ordered:
            return np.asarray(values[left] != values[right], dtype=np.float64)
        distances = np.abs(values[left] - values[right])
        return np.asarray(distances[~np.isnan(distances)], dtype=np.float64)

    def is_numeric(self, name: str) -> bool:
        """Whether all values of a column are numbers."""
        if name not in self._is_numeric:
            self._is_numeric[name] = numbers(self.table[name].dropna()) is not None
        return self._is_numeric[name]

    def identifies(self, name: str, groups: "Groups") -> bool:
        """Whether a column names the groups, or smaller ones, rather than a property of their rows."""
        codes = self.codes(name)
        n_distinct = int(codes.max()) + 1
        is_name = not self.is_numeric(name) or self.decisions[name].role == "identifier"
        if n_distinct != len(groups.sizes) and not (is_name and n_distinct > len(groups.sizes)):
            return False
        return determines(codes, groups.codes)


def determines(codes: Codes, others: Codes) -> bool:
    """Whether each of the n `codes` comes with one of the n `others`."""
    import pandas as pd

    present = codes >= 0
    pairs = codes[present] * (int(others.max()) + 2) + others[present]
    return len(pd.unique(pairs)) == len(pd.unique(codes[present]))


@dataclass(frozen=True)
class Groups:
    """The rows of a table, grouped by the values of a column; those without a value are left out.

    Attributes:
        codes: of each row, in the order of the values, so that the next code is the next value; -1 for none.
        order: the rows, group by group.
        starts: where each group starts in `order`.
        sizes: the rows of each group.
    """

    codes: Codes
    order: Rows
    starts: npt.NDArray[np.int64]
    sizes: npt.NDArray[np.int64]

    @classmethod
    def of(cls, values: "pd.Series[str]") -> "Groups":
        """Group the rows by their values."""
        codes = _ordered_codes(values)
        sizes = np.bincount(codes[codes >= 0])
        order = np.argsort(codes, kind="stable")[int((codes < 0).sum()) :]
        return cls(codes, order, np.cumsum(sizes) - sizes, sizes)

    @property
    def repeated_share(self) -> float:
        """The share of all rows that are not the only one of their group."""
        return float(self.sizes[self.sizes > 1].sum() / len(self.codes))

    def draw_rows(self, rng: np.random.Generator) -> Rows:
        """Draw rows, with replacement, that are not the only one of their group."""
        repeated = self.order[np.repeat(self.sizes > 1, self.sizes)]
        return repeated[rng.integers(0, len(repeated), MAX_PAIRS)]

    def partners_within(self, rows: Rows, rng: np.random.Generator) -> Rows:
        """Draw another row of the group of each row."""
        place_in_order = np.empty(len(self.codes), dtype=np.int64)
        place_in_order[self.order] = np.arange(len(self.order))
        codes = self.codes[rows]
        places = place_in_order[rows] - self.starts[codes]
        others = (places + 1 + rng.integers(0, self.sizes[codes] - 1)) % self.sizes[codes]
        return self.order[self.starts[codes] + others]

    def partners_adjacent(self, rows: Rows, rng: np.random.Generator) -> Rows:
        """Draw a row of the group before or after the group of each row."""
        steps = rng.integers(0, 2, len(rows)) * 2 - 1
        last = len(self.sizes) - 1
        codes = self.codes[rows] + steps
        codes = np.where(codes < 0, 1, np.where(codes > last, last - 1, codes))
        partners: Rows = self.order[self.starts[codes] + rng.integers(0, self.sizes[codes])]
        return partners

    def partners_elsewhere(self, rows: Rows, rng: np.random.Generator) -> tuple[Rows, Rows]:
        """Draw a row of any other group for each row; rows without one are left out."""
        others = rng.choice(self.order, len(rows))
        is_other = self.codes[others] != self.codes[rows]
        return rows[is_other], others[is_other]

    def partners_with_target(self, rows: Rows, comparison: Comparison, rng: np.random.Generator) -> tuple[Rows, Rows]:
        """Draw the row with the nearest target among other groups for each row; of classes, the same class."""
        by_target = comparison.rows_by_target
        by_target = by_target[self.codes[by_target] >= 0]
        codes = self.codes[by_target]
        is_new = np.concatenate(([True], codes[1:] != codes[:-1]))
        run_starts = np.flatnonzero(is_new)
        run_of_row = np.empty(len(self.codes), dtype=np.int64)
        run_of_row[by_target] = np.cumsum(is_new) - 1
        runs = run_of_row[rows]
        after = rng.random(len(rows)) < 0.5
        exists = np.where(after, runs + 1 < len(run_starts), runs > 0)
        nearest = np.where(after, run_starts[np.minimum(runs + 1, len(run_starts) - 1)], run_starts[runs] - 1)
        partners = by_target[nearest]
        if comparison.classification:
            target = comparison.encoded(comparison.target)
            exists &= target[partners] == target[rows]
        return rows[exists], partners[exists]


def _ordered_codes(values: "pd.Series[str]") -> Codes:
    """Encode each value as its place among the distinct values: in the order of numbers, also of those in texts."""
    codes = codes_of(values)
    distinct = values.dropna().drop_duplicates()
    if distinct.empty:
        return codes
    numeric = numbers(distinct, lenient=True)
    if numeric is not None:
        ranks = np.argsort(np.argsort(numeric.to_numpy(), kind="stable"), kind="stable")
    else:
        padded = [re.sub(r"\d+", lambda match: match[0].zfill(20), str(value)) for value in distinct]
        ranks = np.argsort(np.argsort(np.array(padded, dtype=object), kind="stable"), kind="stable")
    return np.where(codes < 0, -1, ranks[codes]).astype(np.int64)


@dataclass(frozen=True)
class Likeness:
    """How much more alike rows of one group are than rows of different groups.

    Attributes:
        target: of the target, from 0 to 1, where rows of one group have the same.
        target_beyond_order: of the target, beyond rows of the groups beside it in their order as well.
        columns: of each other column that can say it, beyond rows with the same target and rows of the groups beside
            it in their order; a difference that as many pairs of other rows show by chance counts as 0.
    """

    target: float
    target_beyond_order: float
    columns: dict[str, float]

    @classmethod
    def of(cls, name: str, groups: Groups, comparison: Comparison) -> "Likeness":
        """Measure it on pairs of rows."""
        rng = np.random.default_rng(SEED)
        rows = groups.draw_rows(rng)
        within = groups.partners_within(rows, rng)
        adjacent = groups.partners_adjacent(rows, rng)
        elsewhere = groups.partners_elsewhere(rows, rng)
        with_target = groups.partners_with_target(rows, comparison, rng)
        n_independent = min(int((groups.sizes[groups.sizes > 1] - 1).sum()), MAX_PAIRS)
        columns = {}
        for other in comparison.compared:
            if other == name or comparison.identifies(other, groups):
                continue
            baselines = [comparison.differences(other, *pairs) for pairs in (with_target, (rows, adjacent))]
            likeness = _likeness(comparison.differences(other, rows, within), baselines, n_independent, rng)
            if likeness is not None:
                columns[other] = likeness
        target = comparison.target
        differences = comparison.differences(target, rows, within)
        baselines = [comparison.differences(target, *elsewhere), comparison.differences(target, rows, adjacent)]
        of_target = _likeness(differences, baselines[:1], n_independent, rng)
        beyond_order = _likeness(differences, baselines, n_independent, rng)
        return cls(of_target or 0.0, beyond_order or 0.0, columns)

    def share(self, least: float) -> float:
        """The share of the other columns in which rows of one group are so much alike at least."""
        return len(self.alike(least)) / len(self.columns) if self.columns else 0.0

    def alike(self, least: float) -> list[str]:
        """The other columns in which rows of one group are so much alike at least."""
        return [name for name, likeness in self.columns.items() if likeness >= least]


def _likeness(
    within: npt.NDArray[np.float64],
    baselines: list[npt.NDArray[np.float64]],
    n_independent: int,
    rng: np.random.Generator,
) -> float | None:
    """Return by which part pairs of rows `within` groups differ less than other pairs.

    It is 0 if one of as many random draws of other pairs, as with permuted groups, differs as little, and None if the
    column cannot say it: few pairs have values, they hardly differ, or they differ more within groups than others.
    """
    if min(len(within), *map(len, baselines)) < MIN_PAIRS:
        return None
    difference = float(within.mean())
    likenesses = []
    for baseline in baselines:
        expected = float(baseline.mean())
        if expected < MIN_VARIATION:
            return None
        permuted = rng.choice(baseline, (N_PERMUTATIONS, max(n_independent, 1))).mean(axis=1)
        if difference > permuted.max():
            return None  # each value once a group, as visits and years have
        likenesses.append(1 - difference / expected if difference < permuted.min() else 0.0)
    return min(likenesses)
