"""What the answers hang on: the words of texts, or the columns of a table."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

from mlkeel.contract.suites import Column, Contract
from mlkeel.inference import table_importance, text_importance

if TYPE_CHECKING:
    import pandas as pd

Losses = Callable[["pd.DataFrame"], npt.NDArray[np.float64]]


class Importance(Protocol):
    """One way to find out; a module can be one."""

    TITLE: str
    ABOUT: str

    def importances(
        self, rows: "pd.DataFrame", columns: tuple[Column, ...], losses: Losses, /
    ) -> list[tuple[str, float, float]]:
        """Each feature or word, by how much `losses` rise without it, and how sure that is."""


def importance_of(contract: Contract) -> Importance:
    """Words are taken out of texts; elsewhere the values of a column change places."""
    return text_importance if any(column.text for column in contract.columns) else table_importance
