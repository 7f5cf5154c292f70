"""Feature importance: of the words of texts, or of the columns of a table."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

from mlkeel.contract.suites import Column, Contract
from mlkeel.report import table_importance, text_importance

if TYPE_CHECKING:
    import pandas as pd

Losses = Callable[["pd.DataFrame"], npt.NDArray[np.float64]]


class Importance(Protocol):
    """A method to measure importance; a module can be one."""

    CHART_TITLE: str
    CHART_NOTE: str

    def importances(
        self, rows: "pd.DataFrame", columns: tuple[Column, ...], losses: Losses, /
    ) -> list[tuple[str, float, float]]:
        """Return each feature or word, the rise of `losses` without it, and the uncertainty of that."""


def importance_of(contract: Contract) -> Importance:
    """Return the method for a contract: words are removed from texts, and values of other columns are permuted."""
    return text_importance if any(column.text for column in contract.columns) else table_importance
