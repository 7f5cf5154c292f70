"""Batches for tests of learning."""

from collections import deque

import numpy as np

from mlkeel.features.encoder import Matrix
from mlkeel.tasks.answers import Truth


def batch_to_overfit(features: Matrix, truth: Truth, rows: int) -> tuple[Matrix, Truth]:
    """At most so many `rows` that a model can learn by heart: no two have equal features, and targets differ.

    Targets take turns, first those with the fewest different rows, so that few distinct rows give several classes, too.
    """
    group = np.unique(features, axis=0, return_inverse=True)[1].tolist()
    targets, of_row = np.unique(truth, return_inverse=True)
    distinct = np.unique(np.column_stack([of_row, group]), axis=0)[:, 0]
    choice = np.bincount(distinct, minlength=len(targets))  # between so many different rows
    spread = np.linspace(0, len(targets) - 1, min(rows, len(targets))).astype(int)
    rarest_first = targets[spread[np.argsort(choice[spread], kind="stable")]]
    waiting = deque(iter(np.flatnonzero(truth == value).tolist()) for value in rarest_first)
    taken: dict[int, int] = {}
    while waiting and len(taken) < rows:
        candidates = waiting.popleft()
        if (row := next((row for row in candidates if group[row] not in taken), None)) is not None:
            taken[group[row]] = row
            waiting.append(candidates)
    chosen = sorted(taken.values())
    return features[chosen], truth[chosen]
