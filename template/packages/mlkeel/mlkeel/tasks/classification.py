"""Classification: a model gives the probability of each class."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mlkeel.tasks import class_outputs, class_target_checks
from mlkeel.tasks.calibration import calibration_error
from mlkeel.tasks.evaluation import Evaluation
from mlkeel.tasks.metrics import Metric, Scores
from mlkeel.tasks.outputs import Outputs, OutputType, Targets
from mlkeel.tasks.task import TargetChecks

MIN_TOTAL_GAIN_NATS = 2.0  # of log loss, over all test rows; less can be chance


def accuracy(probabilities: Outputs, y_true: Targets) -> float:
    """Return the share of rows whose likeliest class is the true one."""
    return float((probabilities.argmax(axis=1) == y_true).mean())


def macro_f1(probabilities: Outputs, y_true: Targets) -> float | None:
    """Return the mean over classes of the harmonic mean of precision and recall; None if all rows are of one class."""
    from sklearn.metrics import f1_score

    if len(np.unique(y_true)) < 2:
        return None
    return float(f1_score(y_true, probabilities.argmax(axis=1), average="macro", zero_division=0.0))


def log_losses(probabilities: Outputs, y_true: Targets) -> npt.NDArray[np.float64]:
    """Return the log loss of each of n rows, in nats, shape (n,).

    Each row is scaled to sum to 1, since probabilities in single precision do so only roughly.
    """
    of_true_class = probabilities[np.arange(len(y_true)), y_true].astype(np.float64)
    totals = probabilities.sum(axis=1, dtype=np.float64)
    losses: npt.NDArray[np.float64] = -np.log(np.maximum(of_true_class / totals, 1e-12))
    return losses


def log_loss(probabilities: Outputs, y_true: Targets) -> float:
    """Return the mean negative log-likelihood, in nats."""
    return float(log_losses(probabilities, y_true).mean())


def mean_calibration_error(probabilities: Outputs, y_true: Targets) -> float | None:
    """Return the calibration error, as `calibration_error` does, without its interval; None on few rows."""
    error = calibration_error(probabilities, y_true)
    return None if error is None else error.value


ACCURACY = Metric("accuracy", accuracy, greater_is_better=True, of_decisions=True)
MACRO_F1 = Metric("macro_f1", macro_f1, greater_is_better=True, heading="macro F1", of_decisions=True)
LOG_LOSS = Metric("log_loss", log_loss, greater_is_better=False, per_row=log_losses, primary=True)
METRICS = (ACCURACY, MACRO_F1, LOG_LOSS)
CALIBRATION_ERROR = Metric("calibration_error", mean_calibration_error, greater_is_better=False)


@dataclass(frozen=True)
class Classification:
    """Predict the probability of each class of the target."""

    name: str = "classification"
    baseline_description: str = "with the shares of the classes in training"
    error_name: str = "the share of wrong answers"

    @property
    def output_type(self) -> OutputType:
        """The probability of each class."""
        return class_outputs

    @property
    def target_checks(self) -> TargetChecks:
        """Checks of a target with classes."""
        return class_target_checks

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """Accuracy, by which slices are evaluated, macro F1, log loss, by which models are, and the calibration error.

        Accuracy is no primary metric: where one class is rare, a good model may predict the same class in every row.
        """
        return *METRICS, CALIBRATION_ERROR

    def baseline(self, y_train: Targets, rows: int, width: int) -> Outputs:
        """Predict the frequencies of the classes in training, shape (rows, width)."""
        shares = np.bincount(y_train, minlength=width) / len(y_train)
        return np.tile(shares, (rows, 1))

    def could_be_chance(self, evaluation: Evaluation) -> bool:
        """Return whether the gain over the baseline, on so few rows, may be chance.

        Log loss, unless another metric is primary, says it by the gain of all rows together.
        """
        if evaluation.primary.name != LOG_LOSS.name:
            return evaluation.is_within_noise
        return (evaluation.baseline_loss - evaluation.loss) * evaluation.model.rows < MIN_TOTAL_GAIN_NATS

    def error(self, scores: Scores) -> float:
        """Return the share of wrong predictions."""
        return 1 - scores["accuracy"]

    def error_limit(self, reference: Scores, rows: int, false_alarm_rate: float) -> float:
        """Return the error that a model as good as in `reference` exceeds on `rows` rows at `false_alarm_rate`.

        Both are samples, so the number of wrong predictions follows a beta-binomial distribution (with the prior of
        Jeffreys).
        """
        from scipy.stats import betabinom

        wrong = round(self.error(reference) * reference.rows)
        return float(betabinom.isf(false_alarm_rate, rows, wrong + 0.5, reference.rows - wrong + 0.5)) / rows
