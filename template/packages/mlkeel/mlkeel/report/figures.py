"""Choose the figures and remarks of the report by the type of the outputs: classes, or a number."""

from typing import Protocol

from mlkeel.contract.suites import Contract
from mlkeel.report import class_figures, number_figures
from mlkeel.report.plots import Chart
from mlkeel.tasks.decision import Decision
from mlkeel.tasks.outputs import Outputs, Targets


class Figures(Protocol):
    """Figures and remarks for one type of outputs; a module can be one."""

    LOSS: str  # the loss of a row, with its unit

    def draw_figures(
        self,
        outputs: Outputs,
        y_true: Targets,
        output_names: tuple[str, ...],
        target: str,
        decision: Decision | None = None,
        /,
    ) -> list[Chart]:
        """Draw outputs of shape (n, outputs) against `y_true` of shape (n,)."""

    def remarks(
        self,
        outputs: Outputs,
        y_true: Targets,
        output_names: tuple[str, ...],
        target: str,
        decision: Decision | None = None,
        /,
    ) -> list[str]:
        """Return what a person should do about weaknesses of the outputs."""


def figures_of(contract: Contract, target: str) -> Figures:
    """Return the figures of classes if the contract lists the values of `target`, else those of a number."""
    return class_figures if contract.values(target) else number_figures
