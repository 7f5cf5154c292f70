"""What a task has to say for a model of it to be judged, and for a table to be adopted for it."""

from typing import TYPE_CHECKING, Any, Protocol

import numpy.typing as npt

from mlkeel.contract.suites import Contract
from mlkeel.tasks.answers import AnswerKind, Answers, Truth
from mlkeel.tasks.metrics import Metric, Scores

if TYPE_CHECKING:
    import pandas as pd

    from mlkeel.tasks.evaluation import Evaluation


class Targets(Protocol):
    """Whether a column can be the target, and what gives it away; a module can be one."""

    def labelled(self, table: "pd.DataFrame", target: str, origin: str, /) -> "tuple[pd.DataFrame, list[str]]":
        """The rows of `table` with a target that can be learnt, and notes of what was left out.

        Raises:
            DataError: the column cannot be the target, or too few rows are left.
        """

    def seen(self, values: "pd.Series[str]", /) -> str:
        """What `adopt` says of the target."""

    def coded(self, target: "pd.Series[Any]", /) -> npt.NDArray[Any]:
        """The target of n rows, shape (n,), for the two that follow."""

    def same(self, codes: npt.NDArray[Any], truth: npt.NDArray[Any], /) -> bool:
        """Whether a column with these codes says the same as the target in other words."""

    def gives_away(self, values: "npt.NDArray[Any] | pd.Series[float]", truth: npt.NDArray[Any], /) -> bool:
        """Whether a column, n codes or n numbers, tells the target of each row."""


class Task(Protocol):
    """What a model is asked to do."""

    @property
    def name(self) -> str:
        """One word for it."""

    @property
    def baseline_words(self) -> str:
        """How the baseline answers."""

    @property
    def error_words(self) -> str:
        """What production is judged by."""

    @property
    def kind(self) -> AnswerKind:
        """What it answers."""

    @property
    def targets(self) -> Targets:
        """Which columns can be its target."""

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """How good is good, unless the project says otherwise."""

    def baseline(self, seen: Truth, rows: int, answers: int) -> Answers:
        """What the answer to each of so many rows is that needs no features, from the truth of the training rows."""

    def could_be_chance(self, evaluation: "Evaluation") -> bool:
        """Whether a model saves so little on so few rows that it may know nothing."""

    def error(self, scores: Scores) -> float:
        """What production is judged by, 0 at best.

        Raises:
            KeyError: the metric for it was not measured.
        """

    def most_error(self, promised: Scores, rows: int, chance: float) -> float:
        """The error that `rows` rows exceed with the probability `chance` if the model is as good as `promised`."""


def task_of(contract: Contract, target: str) -> Task:
    """The task that a contract is for: classification if it lists classes for `target`, else regression."""
    from mlkeel.tasks.classification import Classification
    from mlkeel.tasks.regression import Regression

    return Classification() if contract.values(target) else Regression()
