"""Draft the suite over the distributions of the rows that a model learnt from, and say how far chance alone may lead.

Each column is cut into bins that hold like shares; the divergence of Kullback and Leibler, in nats, measures how far
the shares of another window are from them. A fixed limit cries wolf on small windows and sleeps through large ones, so
the limits depend on the numbers of rows and of columns, and whoever checks the suite gives them as parameters.
"""

from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from mlkeel.contract.suites import Column, Contract, Expectation, Suite
from mlkeel.contract.wording import number
from mlkeel.data.tables import with_columns

if TYPE_CHECKING:
    import pandas as pd

Shares = npt.NDArray[np.float64]
KL, PRESENT = "expect_column_kl_divergence_to_be_less_than", "expect_column_values_to_not_be_null"
LIMITED = {KL: "threshold", PRESENT: "mostly"}
SMOOTHING = 0.5  # rows added to each bin and category, so that what was not seen is unlikely and not impossible
FEW, ATOM = 20, 0.1  # different numbers that get a bin each; share of the rows from which a number gets its own


def drift_suite(reference: "pd.DataFrame", contract: Contract, target: str) -> Suite:
    """Draft the suite over `reference`, shape (n, columns): its features, the truth and what was predicted.

    Of texts it is their length. Each expectation says in its `meta` how many rows it comes from. In production the
    truth is known for some rows only, so that it is missing says nothing.
    """
    table, items = with_lengths(reference, contract), list[Expectation]()
    known_later = (target, f"predicted_{target}")
    for column in _watched(contract, target):
        if column.name not in table:
            continue
        values = table[column.name]
        partition, present = _partition(values, column), int(values.notna().sum())
        if partition is not None:
            kwargs = partition | {LIMITED[KL]: {"$PARAMETER": f"limit_{len(items)}"}}
            items.append(_item(KL, column.name, kwargs, {"rows": present}))
        if column.name in known_later:
            continue
        mostly = {LIMITED[PRESENT]: {"$PARAMETER": f"limit_{len(items)}"}}
        items.append(_item(PRESENT, column.name, mostly, {"rows": len(values), "missing": len(values) - present}))
    return {"name": "drift", "expectations": items, "meta": {"rows": len(reference)}}


def with_lengths(table: "pd.DataFrame", contract: Contract) -> "pd.DataFrame":
    """`table` with the number of characters of each text that is a feature, which stands for its distribution."""
    texts = [column.name for column in contract.columns if column.text and column.name in table]
    return with_columns(table, {_length(name): table[name].str.len().astype("float64") for name in texts})


def parameters(suite: Suite, window: "pd.DataFrame", chance: float, least: float) -> dict[str, float]:
    """The limits of each expectation of `suite` for this `window`, shape (n, columns).

    Args:
        suite: what `drift_suite` drafted.
        window: the rows that will be checked.
        chance: how often any expectation may be broken by a window in which nothing has changed.
        least: a divergence in nats that matters, however many rows make it certain.
    """
    found, each = dict[str, float](), chance / max(len(suite["expectations"]), 1)
    for item in suite["expectations"]:
        name, seen, asked = item["kwargs"]["column"], item["meta"], item["kwargs"][LIMITED[item["type"]]]
        if not isinstance(asked, dict):
            continue
        if item["type"] == PRESENT:
            most = most_missing(seen["missing"], seen["rows"], len(window), each, least)
            found[asked["$PARAMETER"]] = 1 - most
        else:
            present = int(window[name].notna().sum()) if name in window else 0
            shares = shares_of(item["kwargs"])[: _bins(item["kwargs"])]
            found[asked["$PARAMETER"]] = threshold(shares, present, seen["rows"], each, least)
    return found


def limit_of(item: Expectation, limits: dict[str, float]) -> float:
    """The limit of an expectation: one of the parameters `limits`, or the number that a person wrote instead."""
    asked = item["kwargs"][LIMITED[item["type"]]]
    return limits[asked["$PARAMETER"]] if isinstance(asked, dict) else float(asked)


def threshold(shares: Shares, rows: int, reference: int, chance: float, least: float) -> float:
    """The divergence that a window of `rows` rows exceeds with the probability `chance` if nothing has changed.

    Twice the rows times the divergence follows a chi-square distribution (Wilks 1938, "The Large-Sample Distribution of
    the Likelihood Ratio"), after a correction for few rows (Williams 1976, "Improved likelihood ratio tests for
    complete contingency tables"). The reference is a sample as well, so its rows count in the same way.
    """
    from scipy.stats import chi2

    freedom, fewest = len(shares) - 1, max(rows, 1)
    by_chance = chi2.isf(chance, freedom) / 2 * (1 / fewest + 1 / max(reference, 1))
    correction = 1 + float(np.minimum(1 / shares, fewest).sum() - 1) / (6 * fewest * freedom)
    return max(least, float(by_chance * correction))


def most_missing(missing: int, reference: int, rows: int, chance: float, least: float) -> float:
    """The share of missing values that a window of `rows` rows exceeds with the probability `chance` at most.

    Of `reference` rows, `missing` had no value, so the number among others follows a beta-binomial distribution
    (Gelman et al., "Bayesian Data Analysis", with the prior of Jeffreys). It is at least the share whose divergence
    from the one before is `least`.
    """
    from scipy.optimize import brentq
    from scipy.stats import betabinom

    absent, present = missing + SMOOTHING, reference - missing + SMOOTHING
    by_chance = float(betabinom.isf(chance, rows, absent, present)) / max(rows, 1)
    before = absent / (absent + present)

    def beyond(share: float) -> float:
        return divergence(np.array([share, 1 - share]), np.array([before, 1 - before])) - least

    matters = float(brentq(beyond, before, 1 - 1e-12)) if beyond(1 - 1e-12) > 0 else 1.0
    return min(1.0, max(by_chance, matters))


def divergence(now: Shares, before: Shares) -> float:
    """The divergence of Kullback and Leibler of the shares `now` from those `before`, in nats."""
    seen = now > 0
    return float((now[seen] * np.log(now[seen] / before[seen])).sum())


def shares_of(kwargs: dict[str, Any]) -> Shares:
    """The shares in all bins, from the lowest to the highest; of categories the last is of those that were unknown."""
    partition = kwargs["partition_object"]
    if "values" in partition:
        return np.array([*partition["weights"], kwargs["tail_weight_holdout"]])
    below, above = partition["tail_weights"]
    return np.array([below, *partition["weights"], above])


def counts(values: "pd.Series[Any]", partition: dict[str, Any]) -> npt.NDArray[np.int64]:
    """How many of `values` fall in each bin of a partition, in the order of `shares_of`."""
    present = values.dropna()
    if "values" in partition:
        seen = Counter(present.tolist())
        known = [seen[value] for value in partition["values"]]
        return np.array([*known, len(present) - sum(known)])
    edges, numbers = np.array(partition["bins"]), present.to_numpy(dtype=np.float64)
    inside, _ = np.histogram(numbers, bins=edges)
    return np.array([(numbers < edges[0]).sum(), *inside, (numbers > edges[-1]).sum()])


def shares_now(values: "pd.Series[Any]", kwargs: dict[str, Any]) -> Shares:
    """The share of `values` in each bin, in the order of `shares_of`; zeros if there are none."""
    seen = counts(values, kwargs["partition_object"])
    return np.asarray(seen / max(int(seen.sum()), 1))


def labels(partition: dict[str, Any]) -> list[str]:
    """What the bins of a partition are called, in the order of `shares_of`."""
    if "values" in partition:
        return [*partition["values"], "unknown"]
    edges = [number(edge) for edge in partition["bins"]]
    between = [f"{low} to {high}" for low, high in pairwise(edges)]
    return [f"under {edges[0]}", *between, f"over {edges[-1]}"]


def _bins(kwargs: dict[str, Any]) -> int:
    """How many bins chance can fill: what was unknown does not count."""
    partition = kwargs["partition_object"]
    return len(partition["values"]) if "values" in partition else len(partition["weights"]) + 2


def _watched(contract: Contract, target: str) -> list[Column]:
    """The features, texts by their length, then the truth and what is predicted."""
    features = [Column(_length(column.name)) if column.text else column for column in contract.columns]
    return [*features, *(Column(name, contract.values(target)) for name in (target, f"predicted_{target}"))]


def _length(name: str) -> str:
    return f"length of {name}"


def _item(kind: str, column: str, kwargs: dict[str, Any], meta: dict[str, int]) -> Expectation:
    return {"type": kind, "kwargs": {"column": column} | kwargs, "severity": "critical", "meta": meta}


def _partition(values: "pd.Series[Any]", column: Column) -> dict[str, Any] | None:
    """The bins of `values` and the share in each, as GX takes them; None if all rows hold the same or nothing."""
    present = values.dropna()
    if len(column.categories) > 1:
        known = counts(present, {"values": column.categories})[:-1] + SMOOTHING
        partition = {"values": list(column.categories), "weights": (known / known.sum()).tolist()}
        return {"partition_object": partition, "tail_weight_holdout": SMOOTHING / (len(present) + 1)}
    edges = _edges(present.to_numpy(dtype=np.float64)) if column.numeric else np.array([])
    if len(edges) < 2:
        return None
    seen = counts(present, {"bins": edges}) + SMOOTHING
    below, *weights, above = (seen / seen.sum()).tolist()
    return {"partition_object": {"bins": list(edges), "weights": weights, "tail_weights": [below, above]}}


def _edges(numbers: Shares) -> Shares:
    """Deciles; around a number that many rows share, edges of its own; of few numbers, one bin each."""
    different, times = np.unique(numbers, return_counts=True)
    if len(different) <= FEW:
        between = (different[1:] + different[:-1]) / 2
        return np.unique(np.concatenate([different[:1], between, different[-1:]]))
    atoms = np.flatnonzero(times > ATOM * len(numbers))
    around = [different[np.minimum(atoms + step, len(different) - 1)] for step in (0, 1)]
    return np.unique(np.concatenate([np.quantile(numbers, np.linspace(0.1, 0.9, 9)), *around]))
