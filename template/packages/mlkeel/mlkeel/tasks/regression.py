"""Regression: a model estimates a number, and an interval that holds it."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mlkeel.tasks import number_targets, numbers
from mlkeel.tasks.answers import AnswerKind, Answers, Truth
from mlkeel.tasks.evaluation import Evaluation
from mlkeel.tasks.metrics import Metric, Scores
from mlkeel.tasks.numbers import COVERAGE
from mlkeel.tasks.task import Targets

ERRORS = 2.0  # standard errors by which a model must be better than the baseline; less can be chance


def absolute_errors(answers: Answers, truth: Truth) -> npt.NDArray[np.float64]:
    """By how much each of n estimates is off, shape (n,)."""
    errors: npt.NDArray[np.float64] = np.abs(truth - answers[:, 0].astype(np.float64))
    return errors


def mae(answers: Answers, truth: Truth) -> float:
    """Mean absolute error."""
    return float(absolute_errors(answers, truth).mean())


def rmse(answers: Answers, truth: Truth) -> float:
    """Root mean squared error."""
    return float(np.sqrt((absolute_errors(answers, truth) ** 2).mean()))


def bias(answers: Answers, truth: Truth) -> float:
    """The mean of estimate less truth."""
    return float((answers[:, 0].astype(np.float64) - truth).mean())


def r2(answers: Answers, truth: Truth) -> float | None:
    """The share of the variance that is explained; None where the truth is the same in all rows."""
    from sklearn.metrics import r2_score

    if len(np.unique(truth)) < 2:
        return None
    return float(r2_score(truth, answers[:, 0].astype(np.float64)))


def coverage(answers: Answers, truth: Truth) -> float:
    """The share of rows whose interval holds the truth."""
    _, low, high = answers.astype(np.float64).T
    return float(((low <= truth) & (truth <= high)).mean())


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
COVERED = Metric("coverage", coverage, greater_is_better=True)
METRICS = (MAE, RMSE, BIAS, R2, COVERED)


@dataclass(frozen=True)
class Regression:
    """Estimate a number."""

    name: str = "regression"
    baseline_words: str = "with the median in training"
    error_words: str = "the mean absolute error"

    @property
    def kind(self) -> AnswerKind:
        """An estimate and the ends of its interval."""
        return numbers

    @property
    def targets(self) -> Targets:
        """Columns of many numbers."""
        return number_targets

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """Mean absolute error, by which slices and models are judged, and what else says how far estimates are off."""
        return METRICS

    def baseline(self, seen: Truth, rows: int, answers: int) -> Answers:  # noqa: ARG002 - always three
        """The median in training, between two of its quantiles, shape (rows, 3)."""
        tail = (1 - COVERAGE) / 2
        return np.tile(np.quantile(seen, [0.5, tail, 1 - tail]), (rows, 1))

    def could_be_chance(self, evaluation: Evaluation) -> bool:
        """Whether it saves so little on so few rows that it may know nothing."""
        return evaluation.saved < ERRORS * evaluation.error or evaluation.saved <= 0

    def error(self, scores: Scores) -> float:
        """The mean absolute error."""
        return scores["mae"]

    def most_error(self, promised: Scores, rows: int, chance: float) -> float:
        """The error that `rows` rows exceed with the probability `chance` if the model is as good as `promised`.

        Both are means of samples whose spread is taken to be that of the promise.
        """
        from scipy.stats import t

        spread = np.sqrt(max(promised["rmse"] ** 2 - promised["mae"] ** 2, 0.0))
        room = t.isf(chance, max(min(rows, promised.rows) - 1, 1)) * np.sqrt(1 / rows + 1 / promised.rows)
        return float(promised["mae"] + spread * room)
