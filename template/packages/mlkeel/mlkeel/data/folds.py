"""Folds for cross-validation: each row is in the test split of one fold, or of none if it is early in time."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mlkeel.config import SplitSettings
from mlkeel.data.example_hash import Positions

Sides = npt.NDArray[np.int64]  # the position of a row's split: 0 for train, 1 for validation, 2 for test
FIRST_TESTED = 0.5  # the share of rows that is never tested in time, since a model needs rows before them


@dataclass(frozen=True)
class Fold:
    """One of `count` folds, by its `number` from 0."""

    number: int
    count: int


def fold_sides(positions: Positions, settings: SplitSettings, fold: Fold) -> Sides:
    """Return the side of each of n positions in a fold, shape (n,); equal ones share it.

    The positions are cut into `fold.count` parts, of which one is tested, and validation rows stand behind it.
    """
    distinct, inverse = np.unique(positions, return_inverse=True)
    n_distinct = len(distinct)
    start = fold.number * n_distinct // fold.count
    end = (fold.number + 1) * n_distinct // fold.count
    n_validation = max(round(settings.shares[1] * n_distinct), 1)
    sides = np.zeros(n_distinct, dtype=np.int64)
    sides[(np.arange(n_distinct) - end) % n_distinct < n_validation] = 1
    sides[start:end] = 2
    return sides[inverse]


def fold_windows(moments: npt.NDArray[np.float64], settings: SplitSettings, fold: Fold, excluded: int) -> Sides:
    """Return the window of each of n moments in a fold, shape (n,): train, validation, test, or `excluded` if later.

    Windows of test rows stand behind each other in the later half of the rows, and a model learns from all rows before
    its own (Hyndman and Athanasopoulos, "Forecasting: Principles and Practice", on time series cross-validation).
    """
    distinct, inverse, counts = np.unique(moments, return_inverse=True, return_counts=True)
    test_start, test_end = (
        FIRST_TESTED + (1 - FIRST_TESTED) * number / fold.count for number in (fold.number, fold.number + 1)
    )
    train_share, validation_share, _ = settings.shares
    validation_start = test_start * train_share / (train_share + validation_share)
    cumulative = np.concatenate([[0], counts.cumsum()]) / len(moments)
    wanted = np.array([validation_start, test_start, test_end])
    first, second, third = np.abs(cumulative[:, None] - wanted).argmin(axis=0)
    windows = np.zeros(len(distinct), dtype=np.int64)
    windows[first:] = 1
    windows[second:] = 2
    windows[third:] = excluded
    return windows[inverse]
