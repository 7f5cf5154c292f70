"""Which features the answers hang on: what it costs when the values of one change places."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from mlkeel.contract.suites import Column
from mlkeel.data.tables import with_columns

if TYPE_CHECKING:
    import pandas as pd

Losses = Callable[["pd.DataFrame"], npt.NDArray[np.float64]]
TITLE = "Which features it hangs on"
ABOUT = (
    "How much more an answer costs when the values of a feature change places among the rows. Features that say the "
    "same share what they are worth."
)
ROWS, REPEATS = 2000, 5  # that it is tried on, and how often for each feature, if there is time
SECONDS, LEAST = 3.0, 100  # for all of it; rows


def importances(rows: "pd.DataFrame", columns: tuple[Column, ...], losses: Losses) -> list[tuple[str, float, float]]:
    """Each feature, by how much `losses` rise without it on `rows`, and the standard deviation over the repeats.

    Source: permutation importance (Breiman 2001, "Random Forests"; Fisher et al. 2019, "All Models are Wrong").
    """
    draw = np.random.default_rng(7)
    some = rows if len(rows) <= ROWS else rows.sample(ROWS, random_state=7)
    started = time.perf_counter()
    before, found = float(losses(some).mean()), []
    affordable = SECONDS / ((time.perf_counter() - started) * len(columns))
    if affordable < 2:
        some = some[: max(LEAST, int(len(some) * affordable / 2))]
        before = float(losses(some).mean())
    for column in columns:
        values = some[column.name]
        risen = [
            float(losses(with_columns(some, {column.name: values.iloc[draw.permutation(len(some))].array})).mean())
            for _ in range(max(2, min(REPEATS, int(affordable))))
        ]
        found.append((column.name, float(np.mean(risen)) - before, float(np.std(risen))))
    return sorted(found, key=lambda one: -one[1])
