"""Hold recent rows against the contract and against the distributions of the rows that the model learnt from.

Each column is cut into bins at its own deciles, so that every bin is expected to hold the same share; the divergence
of Kullback and Leibler then measures how far another window is from it.
"""

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from .contract import Column, Contract, Suite
from .predict import Predictor
from .validate import Finding, check

if TYPE_CHECKING:
    import pandas as pd

THRESHOLD = {"$PARAMETER": "threshold"}  # depends on the size of the window, so whoever checks gives it
LEAST = 0.05  # a divergence that matters, however many rows make it certain
FALSE_ALARMS = 0.01  # of windows in which nothing has changed, at most
SMOOTHING = 0.5  # rows added to each bin and category, so that what was not seen is unlikely and not impossible


def drift_suite(reference: "pd.DataFrame", contract: Contract, target: str) -> Suite:
    """Draft the suite over the features of `reference`, shape (n, columns), and over what was predicted for its rows.

    Texts have no distribution of their own here; what is predicted for them has.
    """
    answer = Column(f"predicted_{target}", contract.values(target))
    columns = [*(column for column in contract.columns if not column.text), answer]
    partitions = {column.name: _partition(reference[column.name], column) for column in columns}
    return {
        "name": "drift",
        "expectations": [
            {
                "type": "expect_column_kl_divergence_to_be_less_than",
                "kwargs": {"column": name, "partition_object": partition, "threshold": THRESHOLD},
                "severity": "critical",
            }
            for name, partition in partitions.items()
            if partition is not None
        ],
        "meta": {"rows": len(reference)},
    }


def watch(recent: "pd.DataFrame", predictor: Predictor, drift: Suite) -> list[Finding]:
    """What is broken in `recent`, shape (n, columns): rules of the contract or, if none, distributions that moved."""
    broken = [finding for finding in check(recent, predictor.contract.features) if not finding.passed]
    if any(finding.critical for finding in broken):
        return broken  # what breaks the contract cannot be predicted
    window, items = recent.join(predictor.predict_table(recent)), drift["expectations"]
    for item in items:
        limit = threshold(item["kwargs"]["partition_object"], len(recent), drift["meta"]["rows"], len(items))
        suite = drift | {"expectations": [item | {"kwargs": item["kwargs"] | {"threshold": limit}}]}
        broken += [finding for finding in check(window, suite) if not finding.passed]
    return broken


def threshold(partition: dict[str, Any], rows: int, reference: int, columns: int) -> float:
    """The divergence that chance exceeds in few windows of `rows` rows, in any of the columns.

    Twice the rows times the divergence follows a chi-square distribution (Wilks 1938, "The Large-Sample Distribution of
    the Likelihood Ratio"); the reference is a sample as well, so its rows count in the same way.
    """
    from scipy.stats import chi2

    bins = len(partition["weights"]) + len(partition.get("tail_weights", ()))
    by_chance = chi2.ppf(1 - FALSE_ALARMS / columns, bins - 1) / 2 * (1 / rows + 1 / reference)
    return max(LEAST, round(float(by_chance), 4))


def _partition(values: "pd.Series[Any]", column: Column) -> dict[str, Any] | None:
    present = values.dropna()
    if present.empty:
        return None
    if not column.numeric:
        return _shares(present.tolist(), column.categories)
    edges = np.unique(np.quantile(present, np.linspace(0.1, 0.9, 9)))
    if len(edges) < 2:
        return None
    inside, _ = np.histogram(present, bins=edges)
    counts = np.array([(present < edges[0]).sum(), *inside, (present > edges[-1]).sum()]) + SMOOTHING
    below, *weights, above = (counts / counts.sum()).tolist()
    return {"bins": edges.tolist(), "weights": weights, "tail_weights": [below, above]}


def _shares(values: list[str], categories: tuple[str, ...]) -> dict[str, Any]:
    seen = Counter(values)
    counts = np.array([seen[category] for category in categories]) + SMOOTHING
    return {"values": list(categories), "weights": (counts / counts.sum()).tolist()}
