"""Choose the perturbations of a row: of tables or of texts, as its contract says."""

from typing import TYPE_CHECKING, Any, Protocol

from mlkeel.behavior import table_perturbations, text_perturbations
from mlkeel.behavior.perturbation import Perturbation
from mlkeel.contract.suites import Contract
from mlkeel.tasks.outputs import Outputs

if TYPE_CHECKING:
    import pandas as pd

    from mlkeel.inference.predictor import Predictor


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


def outputs_before_and_after(
    predictor: "Predictor", table: "pd.DataFrame", change: dict[str, Any]
) -> tuple[Outputs, Outputs] | None:
    """Return the outputs, shape (n, outputs), for the n rows that `change` affects; None if it affects none."""
    perturbed = perturbations_of(predictor.contract).apply(table, change)
    original_values = table[list(change)]
    new_values = perturbed[list(change)]
    both_missing = original_values.isna() & new_values.isna()
    affected = ((original_values != new_values) & ~both_missing).any(axis=1).to_numpy()
    if not affected.any():
        return None
    return predictor.predict(table[affected]), predictor.predict(perturbed[affected])
