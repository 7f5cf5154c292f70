"""Say what production is compared with: the distributions of the reference window, as a Great Expectations suite.

Each column is cut into bins at its own deciles, so that every bin is expected to hold the same share; the divergence
of Kullback and Leibler then measures how far another window is from it.
"""

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from .contract import Column, Contract, Suite

if TYPE_CHECKING:
    import pandas as pd

THRESHOLD = {"$PARAMETER": "threshold"}  # depends on the size of the window, so whoever checks gives it
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
