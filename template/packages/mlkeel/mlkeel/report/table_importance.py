"""Permutation importance: how much the loss rises when the values of one feature are permuted."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from mlkeel.contract.suites import Column
from mlkeel.data.tables import with_columns
from mlkeel.features.encoder import Encoder
from mlkeel.features.graph import Matrix

if TYPE_CHECKING:
    import pandas as pd

Losses = Callable[["pd.DataFrame"], npt.NDArray[np.float64]]
MatrixLosses = Callable[[Matrix, npt.NDArray[np.int64]], npt.NDArray[np.float64]]
CHART_TITLE = "Which features it hangs on"
CHART_NOTE = (
    "How much more an answer costs when the values of a feature change places among the rows. Features that say the "
    "same share what they are worth."
)
DERIVED_NOTE = (
    " What is derived from a column of the table changes with it; a derived column changes places alone. So the two "
    "overlap, and do not add up."
)
MAX_ROWS = 2000
MAX_REPEATS = 5  # for each feature, if there is time
TIME_BUDGET_S = 3.0  # for all columns of the table, and as much for all derived ones
MIN_ROWS = 100


def importances(rows: "pd.DataFrame", columns: tuple[Column, ...], losses: Losses) -> list[tuple[str, float, float]]:
    """Return each feature, the mean rise of `losses` when it is permuted, and the standard deviation of the repeats.

    Source: permutation importance (Breiman 2001, "Random Forests"; Fisher et al. 2019, "All Models are Wrong").
    """
    from sklearn.dummy import DummyRegressor
    from sklearn.inspection import permutation_importance

    names = [column.name for column in columns]
    sample = rows if len(rows) <= MAX_ROWS else rows.sample(MAX_ROWS, random_state=7)
    started = time.perf_counter()
    losses(sample)
    affordable_repeats = TIME_BUDGET_S / ((time.perf_counter() - started) * len(names))
    if affordable_repeats < 2:
        sample = sample[: max(MIN_ROWS, int(len(sample) * affordable_repeats / 2))]

    def score(_: object, features: "pd.DataFrame", __: None) -> float:
        return -float(losses(with_columns(sample, {name: features[name].array for name in names})).mean())

    repeats = max(2, min(MAX_REPEATS, int(affordable_repeats)))
    unused = DummyRegressor()  # `score` knows the model; scikit-learn asks for an estimator
    result = permutation_importance(unused, sample[names], None, scoring=score, n_repeats=repeats, random_state=7)
    importances_by_name = zip(names, result.importances_mean.tolist(), result.importances_std.tolist(), strict=True)
    return sorted(importances_by_name, key=lambda importance: -importance[1])


def derived_importances(features: Matrix, encoder: Encoder, losses: MatrixLosses) -> list[tuple[str, float, float]]:
    """Return the same for each derived column, whose values alone are permuted, behind the encoder.

    Args:
        features: rows that `encoder` encoded, shape (n, width).
        encoder: says which columns of the matrix are derived.
        losses: takes m encoded rows, shape (m, width), and their positions among the n rows, shape (m,).
    """
    import pandas as pd

    if not encoder.derived:
        return []
    rows = pd.DataFrame(features, columns=[column.name for column in encoder.columns])
    derived = tuple(Column(name) for name in encoder.derived)
    return importances(rows, derived, lambda sample: losses(sample.to_numpy(), sample.index.to_numpy()))
