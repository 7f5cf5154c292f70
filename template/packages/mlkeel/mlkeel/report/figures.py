"""Which figures and remarks answers have: of classes, or of a number."""

from typing import Protocol

from mlkeel.contract.suites import Contract
from mlkeel.report import class_figures, number_figures
from mlkeel.report.charts import Chart
from mlkeel.tasks.answers import Answers, Truth


class Figures(Protocol):
    """What is drawn and said of answers of one kind; a module can be one."""

    LOSS: str  # what an answer costs, with its unit

    def figures(self, found: Answers, truth: Truth, names: tuple[str, ...], target: str, /) -> list[Chart]:
        """Charts of n answers of shape (n, answers)."""

    def remarks(self, found: Answers, truth: Truth, names: tuple[str, ...], target: str, /) -> list[str]:
        """What a person should do about what can be seen."""


def figures_of(contract: Contract, target: str) -> Figures:
    """Figures of classes if the contract lists them for `target`, else of numbers."""
    return class_figures if contract.values(target) else number_figures
