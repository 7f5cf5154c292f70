"""Choose the perturbations of a row: of tables or of texts, as its contract says."""

from typing import TYPE_CHECKING, Any, Protocol

from mlkeel.behavior import table_perturbations, text_perturbations
from mlkeel.behavior.perturbation import Perturbation
from mlkeel.contract.suites import Contract

if TYPE_CHECKING:
    import pandas as pd


class Perturbations(Protocol):
    """Perturbations for one type of rows; a module can implement it."""

    ABOUT: tuple[str, ...]  # lines that explain `row` and `change` of a case

    def apply(self, rows: "pd.DataFrame", change: dict[str, Any], /) -> "pd.DataFrame":
        """Return `rows` with a case's `change` applied."""

    def small_steps(self, table: "pd.DataFrame", contract: Contract, /) -> list[Perturbation]:
        """Return perturbations that should hardly change the outputs."""

    def away_from_class(
        self, table: "pd.DataFrame", contract: Contract, target: "pd.Series[float]", /
    ) -> list[tuple[float, Perturbation]]:
        """Return perturbations that should lower `target`, shape (n,), each with the strength of the association."""


def perturbations_of(contract: Contract) -> Perturbations:
    """Return the perturbations of texts if a feature is a text, else those of numbers and categories."""
    return text_perturbations if any(column.text for column in contract.columns) else table_perturbations
