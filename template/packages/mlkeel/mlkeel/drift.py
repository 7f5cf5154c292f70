"""Draft the suite of the distributions of the training rows, and compute its limits for a window of other rows.

Each column is cut into bins with similar shares; the divergence of Kullback and Leibler, in nats, measures how far the
shares of a window are from them. A fixed limit gives false alarms on small windows and misses drift in large ones, so
the limits depend on the numbers of rows and of columns, and are parameters of the suite.
"""

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from mlkeel.contract.messages import number
from mlkeel.contract.suites import Column, Contract, Expectation, Suite
from mlkeel.data.tables import with_columns

if TYPE_CHECKING:
    import pandas as pd

Fractions = npt.NDArray[np.float64]
KL = "expect_column_kl_divergence_to_be_less_than"
PRESENT = "expect_column_values_to_not_be_null"
LIMIT_ARGUMENTS = {KL: "threshold", PRESENT: "mostly"}
SMOOTHING_ROWS = 0.5  # added to each bin and category, so that new values are unlikely and not impossible
MAX_SINGLE_VALUE_BINS = 20  # up to so many different numbers get a bin each
MIN_ATOM_SHARE = 0.1  # of the rows, for a number to get its own bin


def drift_suite(reference: "pd.DataFrame", contract: Contract, target: str, derived: Sequence[str] = ()) -> Suite:
    """Draft the suite of `reference`, shape (n, columns): of the features, `derived` ones, target and predictions.

    Texts are represented by their length. The `meta` of each expectation has the number of rows that it comes from.
    In production the target is known for some rows only, so it has no expectation about missing values.
    """
    table = with_lengths(reference, contract)
    items = list[Expectation]()
    known_later = (target, f"predicted_{target}")
    for column in _monitored_columns(contract, target, derived):
        if column.name not in table:
            continue
        values = table[column.name]
        partition = _partition(values, column)
        present = int(values.notna().sum())
        if partition is not None:
            kwargs = partition | {LIMIT_ARGUMENTS[KL]: {"$PARAMETER": f"limit_{len(items)}"}}
            items.append(_expectation(KL, column.name, kwargs, {"rows": present}))
        if column.name in known_later:
            continue
        mostly = {LIMIT_ARGUMENTS[PRESENT]: {"$PARAMETER": f"limit_{len(items)}"}}
        meta = {"rows": len(values), "missing": len(values) - present}
        items.append(_expectation(PRESENT, column.name, mostly, meta))
    return {"name": "drift", "expectations": items, "meta": {"rows": len(reference)}}


def with_lengths(table: "pd.DataFrame", contract: Contract) -> "pd.DataFrame":
    """Return `table` with the length of each text feature, in characters, as a further column."""
    texts = [column.name for column in contract.columns if column.text and column.name in table]
    return with_columns(table, {_length_column(name): table[name].str.len().astype("float64") for name in texts})


def parameters(suite: Suite, window: "pd.DataFrame", false_alarm_rate: float, min_effect: float) -> dict[str, float]:
    """Compute the limits of the expectations of `suite` for this `window`, shape (n, columns).

    Args:
        suite: from `drift_suite`.
        window: the rows to check.
        false_alarm_rate: how often a window without drift may fail any expectation.
        min_effect: the least divergence that matters, in nats, however significant a smaller one is.
    """
    limits = dict[str, float]()
    rate_each = false_alarm_rate / max(len(suite["expectations"]), 1)
    for item in suite["expectations"]:
        name = item["kwargs"]["column"]
        meta = item["meta"]
        limit = item["kwargs"][LIMIT_ARGUMENTS[item["type"]]]
        if not isinstance(limit, dict):
            continue
        if item["type"] == PRESENT:
            max_share = most_missing(meta["missing"], meta["rows"], len(window), rate_each, min_effect)
            limits[limit["$PARAMETER"]] = 1 - max_share
        else:
            present = int(window[name].notna().sum()) if name in window else 0
            shares = reference_shares(item["kwargs"])[: _n_bins(item["kwargs"])]
            limits[limit["$PARAMETER"]] = threshold(shares, present, meta["rows"], rate_each, min_effect)
    return limits


def limit_of(item: Expectation, limits: dict[str, float]) -> float:
    """Return the limit of an expectation: one of the parameters `limits`, or a number that a person wrote instead."""
    limit = item["kwargs"][LIMIT_ARGUMENTS[item["type"]]]
    return limits[limit["$PARAMETER"]] if isinstance(limit, dict) else float(limit)


def threshold(shares: Fractions, rows: int, reference_rows: int, false_alarm_rate: float, min_effect: float) -> float:
    """Return the divergence that a window of `rows` rows without drift exceeds at `false_alarm_rate`.

    Twice the rows times the divergence follows a chi-square distribution (Wilks 1938, "The Large-Sample Distribution of
    the Likelihood Ratio"), after a correction for few rows (Williams 1976, "Improved likelihood ratio tests for
    complete contingency tables"). The reference is a sample too, so its rows count in the same way.
    """
    from scipy.stats import chi2

    degrees_of_freedom = len(shares) - 1
    n_rows = max(rows, 1)
    by_chance = chi2.isf(false_alarm_rate, degrees_of_freedom) / 2 * (1 / n_rows + 1 / max(reference_rows, 1))
    correction = 1 + float(np.minimum(1 / shares, n_rows).sum() - 1) / (6 * n_rows * degrees_of_freedom)
    return max(min_effect, float(by_chance * correction))


def most_missing(missing: int, reference_rows: int, rows: int, false_alarm_rate: float, min_effect: float) -> float:
    """Return the share of missing values that a window of `rows` rows without drift exceeds at `false_alarm_rate`.

    Of `reference_rows` rows, `missing` had no value, so the number in a window follows a beta-binomial distribution
    (Gelman et al., "Bayesian Data Analysis", with the prior of Jeffreys). The limit is at least the share whose
    divergence from that of the reference is `min_effect`.
    """
    from scipy.optimize import brentq
    from scipy.stats import betabinom

    absent = missing + SMOOTHING_ROWS
    present = reference_rows - missing + SMOOTHING_ROWS
    by_chance = float(betabinom.isf(false_alarm_rate, rows, absent, present)) / max(rows, 1)
    reference_share = absent / (absent + present)

    def excess(share: float) -> float:
        shares = np.array([share, 1 - share])
        return divergence(shares, np.array([reference_share, 1 - reference_share])) - min_effect

    min_share = float(brentq(excess, reference_share, 1 - 1e-12)) if excess(1 - 1e-12) > 0 else 1.0
    return min(1.0, max(by_chance, min_share))


def divergence(window: Fractions, reference: Fractions) -> float:
    """Return the divergence of Kullback and Leibler of the shares in `window` from those in `reference`, in nats."""
    is_present = window > 0
    return float((window[is_present] * np.log(window[is_present] / reference[is_present])).sum())


def reference_shares(kwargs: dict[str, Any]) -> Fractions:
    """Return the shares in all bins, from the lowest to the highest; for categories, the last is of unknown ones."""
    partition = kwargs["partition_object"]
    if "values" in partition:
        return np.array([*partition["weights"], kwargs["tail_weight_holdout"]])
    below, above = partition["tail_weights"]
    return np.array([below, *partition["weights"], above])


def counts(values: "pd.Series[Any]", partition: dict[str, Any]) -> npt.NDArray[np.int64]:
    """Count `values` in each bin of a partition, in the order of `reference_shares`."""
    present = values.dropna()
    if "values" in partition:
        frequencies = Counter(present.tolist())
        known = [frequencies[value] for value in partition["values"]]
        return np.array([*known, len(present) - sum(known)])
    edges = np.array(partition["bins"])
    numbers = present.to_numpy(dtype=np.float64)
    inside, _ = np.histogram(numbers, bins=edges)
    return np.array([(numbers < edges[0]).sum(), *inside, (numbers > edges[-1]).sum()])


def window_shares(values: "pd.Series[Any]", kwargs: dict[str, Any]) -> Fractions:
    """Return the share of `values` in each bin, in the order of `reference_shares`; zeros if there are none."""
    frequencies = counts(values, kwargs["partition_object"])
    return np.asarray(frequencies / max(int(frequencies.sum()), 1))


def labels(partition: dict[str, Any]) -> list[str]:
    """Return the labels of the bins of a partition, in the order of `reference_shares`."""
    if "values" in partition:
        return [*partition["values"], "unknown"]
    edges = [number(edge) for edge in partition["bins"]]
    between = [f"{low} to {high}" for low, high in pairwise(edges)]
    return [f"under {edges[0]}", *between, f"over {edges[-1]}"]


def _n_bins(kwargs: dict[str, Any]) -> int:
    """Return the number of bins, without the one of unknown categories."""
    partition = kwargs["partition_object"]
    return len(partition["values"]) if "values" in partition else len(partition["weights"]) + 2


def _monitored_columns(contract: Contract, target: str, derived: Sequence[str]) -> list[Column]:
    """Return the features, with the length instead of a text, then derived ones, the target and the prediction."""
    lasting = [column for column in contract.columns if not column.time]  # times move on, and that is no drift
    features = [Column(_length_column(column.name)) if column.text else column for column in lasting]
    features += map(Column, derived)
    return [*features, *(Column(name, contract.values(target)) for name in (target, f"predicted_{target}"))]


def _length_column(name: str) -> str:
    return f"length of {name}"


def _expectation(kind: str, column: str, kwargs: dict[str, Any], meta: dict[str, int]) -> Expectation:
    return {"type": kind, "kwargs": {"column": column} | kwargs, "severity": "critical", "meta": meta}


def _partition(values: "pd.Series[Any]", column: Column) -> dict[str, Any] | None:
    """Return the bins of `values` and their shares, as GX takes them; None if they do not vary."""
    present = values.dropna()
    if len(column.categories) > 1:
        frequencies = counts(present, {"values": column.categories})[:-1] + SMOOTHING_ROWS
        partition = {"values": list(column.categories), "weights": (frequencies / frequencies.sum()).tolist()}
        return {"partition_object": partition, "tail_weight_holdout": SMOOTHING_ROWS / (len(present) + 1)}
    edges = _edges(present.to_numpy(dtype=np.float64)) if column.numeric else np.array([])
    if len(edges) < 2:
        return None
    frequencies = counts(present, {"bins": edges}) + SMOOTHING_ROWS
    below, *weights, above = (frequencies / frequencies.sum()).tolist()
    return {"partition_object": {"bins": list(edges), "weights": weights, "tail_weights": [below, above]}}


def _edges(numbers: Fractions) -> Fractions:
    """Return the edges of bins: one for each number if they are few, else deciles, and one for a frequent number."""
    distinct, frequencies = np.unique(numbers, return_counts=True)
    if len(distinct) <= MAX_SINGLE_VALUE_BINS:
        midpoints = (distinct[1:] + distinct[:-1]) / 2
        return np.unique(np.concatenate([distinct[:1], midpoints, distinct[-1:]]))
    atoms = np.flatnonzero(frequencies > MIN_ATOM_SHARE * len(numbers))
    atom_edges = [distinct[np.minimum(atoms + step, len(distinct) - 1)] for step in (0, 1)]
    return np.unique(np.concatenate([np.quantile(numbers, np.linspace(0.1, 0.9, 9)), *atom_edges]))
