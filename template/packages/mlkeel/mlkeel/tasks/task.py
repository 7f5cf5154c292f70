"""The interface of tasks: metrics, baseline and limits for evaluation, and checks of targets for `adopt`."""

from typing import TYPE_CHECKING, Any, Protocol

import numpy.typing as npt

from mlkeel.contract.suites import Contract
from mlkeel.errors import DataError, Hint
from mlkeel.tasks.metrics import Metric, Scores
from mlkeel.tasks.outputs import Outputs, OutputType, Targets

if TYPE_CHECKING:
    import pandas as pd

    from mlkeel.tasks.evaluation import Evaluation


class TargetChecks(Protocol):
    """Whether a column can be the target, and which others leak it; implemented by modules."""

    def drop_unlabeled(self, table: "pd.DataFrame", target: str, origin: str, /) -> "tuple[pd.DataFrame, list[str]]":
        """Return the rows of `table` with a target that can be predicted, and notes on those left out.

        Raises:
            DataError: the column cannot be the target, or too few rows are left.
        """

    def describe(self, values: "pd.Series[str]", /) -> str:
        """Describe the target for the output of `adopt`."""

    def encode(self, target: "pd.Series[Any]", /) -> npt.NDArray[Any]:
        """Encode the target of n rows, shape (n,), for `is_copy` and `leaks_target`."""

    def is_copy(self, codes: npt.NDArray[Any], y_true: npt.NDArray[Any], /) -> bool:
        """Return whether a column with these codes is the target under other names."""

    def leaks_target(self, values: "npt.NDArray[Any] | pd.Series[float]", y_true: npt.NDArray[Any], /) -> bool:
        """Return whether a column, n codes or n numbers, determines the target of each row."""


def present_values(values: "pd.Series[Any]", where: str, remedy: str) -> "pd.Series[Any]":
    """Return the values of a target, shape (n,), that are not missing.

    Raises:
        DataError: most are; the message begins with `where`, and ends with the `remedy`.
    """
    present = values.dropna()
    if 2 * len(present) < len(values):
        missing = f"it has no value in {len(values) - len(present):,} of {len(values):,} rows"
        raise DataError(f"{where} is mostly missing: {missing}. {remedy}", Hint.OTHER_TARGET)
    return present


class Task(Protocol):
    """A type of prediction, with its outputs, metrics and baseline."""

    @property
    def name(self) -> str:
        """The name in one word."""

    @property
    def baseline_description(self) -> str:
        """How the baseline predicts, in words."""

    @property
    def error_name(self) -> str:
        """The name of `error`, in words."""

    @property
    def output_type(self) -> OutputType:
        """The type of the outputs of a model."""

    @property
    def target_checks(self) -> TargetChecks:
        """The checks of a target."""

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """The metrics by default, unless the project has its own."""

    def baseline(self, y_train: Targets, rows: int, width: int) -> Outputs:
        """Predict so many rows without features, from the target of the training rows, shape (rows, width)."""

    def could_be_chance(self, evaluation: "Evaluation") -> bool:
        """Return whether the gain over the baseline, on so few rows, may be chance."""

    def error(self, scores: Scores) -> float:
        """Return the error by which production is monitored, 0 at best.

        Raises:
            KeyError: its metric is unknown or undefined.
        """

    def error_limit(self, reference: Scores, rows: int, false_alarm_rate: float) -> float:
        """Return the error that a model as good as in `reference` exceeds on `rows` rows at `false_alarm_rate`."""


def task_of(contract: Contract, target: str) -> Task:
    """Return the task of a contract: classification if it lists classes for `target`, else regression."""
    from mlkeel.tasks.classification import Classification
    from mlkeel.tasks.regression import Regression

    return Classification() if contract.values(target) else Regression()
