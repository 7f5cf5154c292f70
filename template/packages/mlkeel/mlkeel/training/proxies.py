"""Find proxies of a protected column: features that tell it, so that a model learns from it without having it.

Each feature predicts the group of a row by the shares of the groups among other rows with a like value, and all
features do by small boosted trees. What counts is the skill on rows that were not learnt from: the share of the log
loss that is saved against the shares of the groups (McFadden 1974, "Conditional Logit Analysis of Qualitative Choice
Behavior").
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from mlkeel.contract.suites import Column
from mlkeel.tasks.standard_errors import Units, standard_error

if TYPE_CHECKING:
    import pandas as pd

MAX_ROWS = 2_000  # of the sample that is looked at
MIN_GROUP_ROWS = 10  # of the sample; smaller groups are not predicted
MIN_UNITS = 30
FOLDS = 5
TEST_FOLDS = 2  # on which boosted trees and models of texts are judged
BINS = (3, 10)  # of numbers, at least and at most
BIN_ROWS = 40  # on average
MAX_CATEGORIES = 30  # the rest are one
MAX_TREE_CATEGORIES = 250  # that the boosted trees take
PRIOR_ROWS = 2.0  # as many rows with the shares of all groups are added to those with a like value
MIN_SKILL = 0.02  # less says next to nothing, however certain it is
SIGNIFICANCE = 0.05  # of all features together
TEXT_BUCKETS = 2**14
SEED = 7

Codes = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.float64]


def proxies(
    rows: "pd.DataFrame", features: Sequence[Column], groups: npt.NDArray[np.str_], units: Units
) -> tuple[dict[str, float], float | None]:
    """Return the skill of each feature that tells the groups by more than chance, the greatest first; and of all.

    Args:
        rows: shape (n, columns).
        features: columns of `rows`.
        groups: of each row, shape (n,).
        units: of the rows; those of one are predicted together.
    """
    names, codes, counts = np.unique(groups, return_inverse=True, return_counts=True)
    rng = np.random.default_rng(SEED)
    chosen = np.flatnonzero(np.isin(codes, np.flatnonzero(counts >= MIN_GROUP_ROWS)))
    if len(chosen) > MAX_ROWS:
        chosen = np.sort(rng.choice(chosen, MAX_ROWS, replace=False))
    labels = np.unique(codes[chosen], return_inverse=True)[1]
    unit_of_row = np.unique(units[chosen], return_inverse=True)[1]
    n_units = int(unit_of_row.max(initial=-1)) + 1
    if len(names) < 2 or not len(labels) or labels.max() < 1 or n_units < MIN_UNITS:
        return {}, None
    sample = _Sample(labels, unit_of_row, rng.permutation(n_units)[unit_of_row] % FOLDS)
    table = rows.iloc[chosen]
    z = NormalDist().inv_cdf(1 - SIGNIFICANCE / (len(features) + 1))
    skills = {}
    for column in features:
        gains = (
            sample.text_gains(table[column.name]) if column.text else sample.gains(_bins(table[column.name], column))
        )
        if sample.exceeds_chance(gains, z):
            skills[column.name] = sample.skill(gains)
    together = None
    tabular = [column for column in features if not column.text]
    if len(tabular) == len(features) > 1:
        gains = sample.tree_gains(table, tabular)
        together = sample.skill(gains) if sample.exceeds_chance(gains, z) else None
    return dict(sorted(skills.items(), key=lambda item: -item[1])), together


@dataclass(frozen=True)
class _Sample:
    """The groups of the rows to predict, their units, and the fold of each; all of shape (n,).

    Gains are the log likelihood of the group of each row, less that by the shares of the groups; NaN where a row was
    not predicted.
    """

    labels: Codes
    units: Codes
    folds: Codes

    def gains(self, bins: Codes) -> Numbers:
        """Return the gains of a feature, by the shares of the groups among the rows of other folds in the same bin."""
        counts = np.zeros((FOLDS, int(bins.max()) + 1, int(self.labels.max()) + 1))
        np.add.at(counts, (self.folds, bins, self.labels), 1)
        others = counts.sum(axis=0) - counts
        totals = others.sum(axis=1) + 0.5  # of each fold and group
        shares = totals / totals.sum(axis=1, keepdims=True)
        likely = others + PRIOR_ROWS * shares[:, None, :]
        likely /= likely.sum(axis=2, keepdims=True)
        gains: Numbers = np.log(likely[self.folds, bins, self.labels] / shares[self.folds, self.labels])
        return gains

    def text_gains(self, texts: "pd.Series[Any]") -> Numbers:
        """Return the gains of a column of texts, by a logistic regression over its words."""
        from sklearn.feature_extraction.text import HashingVectorizer
        from sklearn.linear_model import LogisticRegression

        words = HashingVectorizer(n_features=TEXT_BUCKETS, alternate_sign=False).transform(texts.fillna(""))
        return self._gains_of(LogisticRegression(max_iter=200), words)

    def tree_gains(self, table: "pd.DataFrame", columns: Sequence[Column]) -> Numbers:
        """Return the gains of all columns together, by boosted trees."""
        from sklearn.ensemble import HistGradientBoostingClassifier

        matrix = np.column_stack([_numbers(table[column.name], column) for column in columns])
        categorical = [bool(column.categories) for column in columns]
        trees = HistGradientBoostingClassifier(
            max_iter=40, max_leaf_nodes=8, early_stopping=False, categorical_features=categorical, random_state=SEED
        )
        return self._gains_of(trees, matrix)

    def _gains_of(self, model: Any, features: Any) -> Numbers:  # noqa: ANN401 - a classifier, and what it takes
        test = self.folds < TEST_FOLDS
        gains = np.full(len(self.labels), np.nan)
        known = np.unique(self.labels[~test])
        test &= np.isin(self.labels, known)
        if len(known) < 2 or not test.any():
            return gains
        model.fit(features[self.folds >= TEST_FOLDS], self.labels[self.folds >= TEST_FOLDS])
        likely = model.predict_proba(features[test])
        counts = np.bincount(self.labels[self.folds >= TEST_FOLDS])[known]
        position = np.searchsorted(known, self.labels[test])
        shares = counts / counts.sum()
        gains[test] = np.log(np.maximum(likely[np.arange(len(position)), position], 1e-9) / shares[position])
        return gains

    def skill(self, gains: Numbers) -> float:
        """Return the share of the log loss that is saved."""
        is_judged = ~np.isnan(gains)
        counts = np.bincount(self.labels[is_judged])
        shares = counts[counts > 0] / counts.sum()
        return float(gains[is_judged].mean() / -(shares * np.log(shares)).sum())

    def exceeds_chance(self, gains: Numbers, z: float) -> bool:
        """Return whether the gain is more than `z` standard errors, and more than next to nothing."""
        is_judged = ~np.isnan(gains)
        if not is_judged.any() or len(np.unique(self.labels[is_judged])) < 2:
            return False
        judged = gains[is_judged]
        by_chance = z * standard_error(judged, self.units[is_judged])
        return bool(judged.mean() > by_chance) and self.skill(gains) >= MIN_SKILL


def _bins(values: "pd.Series[Any]", column: Column) -> Codes:
    """Return the bin of each value, from 0: an equal share of the numbers, a frequent category, or missing."""
    numbers = _numbers(values, column)
    is_missing = np.isnan(numbers)
    if column.categories:
        bins = np.minimum(np.nan_to_num(numbers), MAX_CATEGORIES).astype(np.int64)
    else:
        present = numbers[~is_missing]
        n_bins = int(np.clip(len(present) // BIN_ROWS, *BINS))
        edges = np.unique(np.quantile(present, np.arange(1, n_bins) / n_bins)) if len(present) else np.empty(0)
        bins = np.searchsorted(edges, numbers, side="left").astype(np.int64)
    return np.where(is_missing, bins.max(initial=0) + 1, bins)


def _numbers(values: "pd.Series[Any]", column: Column) -> Numbers:
    """Return values as numbers, shape (n,): categories by their frequency, the most frequent 0; times in seconds."""
    import pandas as pd

    if column.time:
        times = pd.to_datetime(values, format="ISO8601", utc=True, errors="coerce")
        numeric = (times - pd.Timestamp(0, tz="UTC")).dt.total_seconds()
    elif column.categories:
        ranks = {value: rank for rank, value in enumerate(values.value_counts().index)}
        numeric = values.map(ranks).clip(upper=MAX_TREE_CATEGORIES)
    else:
        numeric = values
    return np.asarray(numeric, dtype=np.float64)
