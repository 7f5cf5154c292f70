"""Whether a column gives the target away."""

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from mlkeel.data.kinds import codes_of
from mlkeel.tasks.task import Task

if TYPE_CHECKING:
    import pandas as pd


def encoded(values: "pd.Series[Any]") -> "npt.NDArray[np.int64] | pd.Series[float]":
    """A column of a loaded table as `gives_away` takes it: numbers as they are, texts as codes."""
    return values if str(values.dtype) == "float64" else codes_of(values)


def tells_the_target(task: Task, values: "pd.Series[Any]", target: "pd.Series[Any]") -> bool:
    """Whether the `values` of a column, n of them, tell the `target` of each row without a mistake."""
    return task.targets.gives_away(encoded(values), task.targets.coded(target))
