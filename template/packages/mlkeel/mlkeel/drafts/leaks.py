"""Whether a column gives the target away."""

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from mlkeel.data.column_types import codes_of
from mlkeel.tasks.task import Task

if TYPE_CHECKING:
    import pandas as pd


def encoded(values: "pd.Series[Any]") -> "npt.NDArray[np.int64] | pd.Series[float]":
    """Encode a column of a loaded table for `leaks_target`: numbers stay, texts become integer codes."""
    return values if str(values.dtype) == "float64" else codes_of(values)


def leaks_target(task: Task, values: "pd.Series[Any]", target: "pd.Series[Any]") -> bool:
    """Whether the n `values` of a column determine the `target` of every row."""
    return task.target_checks.leaks_target(encoded(values), task.target_checks.encode(target))
