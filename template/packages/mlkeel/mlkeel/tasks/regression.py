"""Regression: a model estimates a number, and an interval that holds it."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mlkeel.tasks import number_outputs, number_target_checks
from mlkeel.tasks.evaluation import Evaluation
from mlkeel.tasks.metrics import Metric, Scores
from mlkeel.tasks.number_outputs import COVERAGE
from mlkeel.tasks.outputs import Outputs, OutputType, Targets
from mlkeel.tasks.task import TargetChecks


def absolute_errors(outputs: Outputs, y_true: Targets) -> npt.NDArray[np.float64]:
    """Return the absolute error of each of n estimates, shape (n,)."""
    errors: npt.NDArray[np.float64] = np.abs(y_true - outputs[:, 0].astype(np.float64))
    return errors


def mae(outputs: Outputs, y_true: Targets) -> float:
    """Return the mean absolute error."""
    return float(absolute_errors(outputs, y_true).mean())


def rmse(outputs: Outputs, y_true: Targets) -> float:
    """Return the root mean squared error."""
    return float(np.sqrt((absolute_errors(outputs, y_true) ** 2).mean()))


def bias(outputs: Outputs, y_true: Targets) -> float:
    """Return the mean of the estimate minus the target."""
    return float((outputs[:, 0].astype(np.float64) - y_true).mean())


def r2(outputs: Outputs, y_true: Targets) -> float | None:
    """Return the share of explained variance; None if the target is the same in all rows."""
    from sklearn.metrics import r2_score

    if len(np.unique(y_true)) < 2:
        return None
    return float(r2_score(y_true, outputs[:, 0].astype(np.float64)))


def coverage(outputs: Outputs, y_true: Targets) -> float:
    """Return the share of rows whose interval holds the target."""
    _, low, high = outputs.astype(np.float64).T
    return float(((low <= y_true) & (y_true <= high)).mean())


def mean_width(outputs: Outputs, y_true: Targets) -> float:  # noqa: ARG001 - the signature of a metric
    """Return the mean width of the intervals."""
    _, low, high = outputs.astype(np.float64).T
    return float((high - low).mean())


MAE = Metric(
    "mae",
    mae,
    greater_is_better=False,
    per_row=absolute_errors,
    heading="MAE",
    words="mean absolute error",
    in_target_unit=True,
    primary=True,
)
RMSE = Metric("rmse", rmse, greater_is_better=False, heading="RMSE", in_target_unit=True)
BIAS = Metric("bias", bias, greater_is_better=False, in_target_unit=True)
R2 = Metric("r2", r2, greater_is_better=True, heading="R²")
COVERAGE_METRIC = Metric("coverage", coverage, greater_is_better=True)
MEAN_WIDTH = Metric(
    "mean_width",
    mean_width,
    greater_is_better=False,
    heading="width",
    words="mean width of intervals",
    in_target_unit=True,
)
METRICS = (MAE, RMSE, BIAS, R2, COVERAGE_METRIC, MEAN_WIDTH)


@dataclass(frozen=True)
class Regression:
    """Estimate a number, with an interval."""

    name: str = "regression"
    baseline_description: str = "with the median in training"
    error_name: str = "the mean absolute error"

    @property
    def output_type(self) -> OutputType:
        """An estimate and the ends of its interval."""
        return number_outputs

    @property
    def target_checks(self) -> TargetChecks:
        """Checks of a target with numbers."""
        return number_target_checks

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """Mean absolute error, by which slices and models are evaluated, and other metrics of errors and intervals."""
        return METRICS

    def baseline(self, y_train: Targets, rows: int, width: int) -> Outputs:  # noqa: ARG002 - always three
        """Predict the median in training, between two of its quantiles, shape (rows, 3)."""
        tail = (1 - COVERAGE) / 2
        return np.tile(np.quantile(y_train, [0.5, tail, 1 - tail]), (rows, 1))

    def could_be_chance(self, evaluation: Evaluation) -> bool:
        """Return whether the gain over the baseline, on so few rows, may be chance."""
        return evaluation.is_within_noise

    def error(self, scores: Scores) -> float:
        """Return the mean absolute error."""
        return scores["mae"]

    def error_limit(self, reference: Scores, rows: int, false_alarm_rate: float) -> float:
        """Return the error that a model as good as in `reference` exceeds on `rows` rows at `false_alarm_rate`.

        Both are means of samples, with the standard deviation of the absolute errors in `reference`.
        """
        from scipy.stats import t

        error_std = np.sqrt(max(reference["rmse"] ** 2 - reference["mae"] ** 2, 0.0))
        quantile = t.isf(false_alarm_rate, max(min(rows, reference.rows) - 1, 1))
        return float(reference["mae"] + error_std * (quantile * np.sqrt(1 / rows + 1 / reference.rows)))
