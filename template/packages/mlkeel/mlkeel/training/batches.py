"""Batches for tests that overfit a model."""

from collections import deque

import numpy as np

from mlkeel.features.graph import Matrix
from mlkeel.tasks.outputs import Targets


def batch_to_overfit(features: Matrix, y_true: Targets, rows: int) -> tuple[Matrix, Targets]:
    """Return at most `rows` rows that a model can overfit: no two have equal features, and targets differ.

    Targets take turns, those with the fewest distinct rows first, so that few distinct rows give several classes, too.
    """
    group_of_row = np.unique(features, axis=0, return_inverse=True)[1].tolist()
    targets, target_of_row = np.unique(y_true, return_inverse=True)
    target_of_group = np.unique(np.column_stack([target_of_row, group_of_row]), axis=0)[:, 0]
    group_counts = np.bincount(target_of_group, minlength=len(targets))  # distinct rows of each target
    positions = np.linspace(0, len(targets) - 1, min(rows, len(targets))).astype(int)
    rarest_first = targets[positions[np.argsort(group_counts[positions], kind="stable")]]
    queue = deque(iter(np.flatnonzero(y_true == value).tolist()) for value in rarest_first)
    row_of_group: dict[int, int] = {}
    while queue and len(row_of_group) < rows:
        candidates = queue.popleft()
        if (row := next((row for row in candidates if group_of_row[row] not in row_of_group), None)) is not None:
            row_of_group[group_of_row[row]] = row
            queue.append(candidates)
    chosen = sorted(row_of_group.values())
    return features[chosen], y_true[chosen]
