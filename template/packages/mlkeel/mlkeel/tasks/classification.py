"""Classification: a model gives the probability of each class."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mlkeel.tasks import class_targets, classes
from mlkeel.tasks.answers import AnswerKind, Answers, Truth
from mlkeel.tasks.evaluation import Evaluation
from mlkeel.tasks.metrics import Metric, Scores
from mlkeel.tasks.task import Targets

NATS = 2.0  # that a model must save on the test part in all; less can be chance


def accuracy(probabilities: Answers, truth: Truth) -> float:
    """The share of rows whose likeliest class is the true one."""
    return float((probabilities.argmax(axis=1) == truth).mean())


def macro_f1(probabilities: Answers, truth: Truth) -> float | None:
    """The mean over classes of the harmonic mean of precision and recall; None where all rows are of one class."""
    from sklearn.metrics import f1_score

    if len(np.unique(truth)) < 2:
        return None
    return float(f1_score(truth, probabilities.argmax(axis=1), average="macro", zero_division=0.0))


def log_losses(probabilities: Answers, truth: Truth) -> npt.NDArray[np.float64]:
    """What each of n answers costs, in nats, shape (n,); rows are scaled to sum to 1, which single precision misses."""
    own = probabilities[np.arange(len(truth)), truth].astype(np.float64)
    costs: npt.NDArray[np.float64] = -np.log(np.maximum(own / probabilities.sum(axis=1, dtype=np.float64), 1e-12))
    return costs


def log_loss(probabilities: Answers, truth: Truth) -> float:
    """Mean negative log-likelihood, in nats."""
    return float(log_losses(probabilities, truth).mean())


ACCURACY = Metric("accuracy", accuracy, greater_is_better=True)
MACRO_F1 = Metric("macro_f1", macro_f1, greater_is_better=True, heading="macro F1")
LOG_LOSS = Metric("log_loss", log_loss, greater_is_better=False, per_row=log_losses, primary=True)
METRICS = (ACCURACY, MACRO_F1, LOG_LOSS)


@dataclass(frozen=True)
class Classification:
    """Tell which of several classes a row is of."""

    name: str = "classification"
    baseline_words: str = "with the shares of the classes in training"
    error_words: str = "the share of wrong answers"

    @property
    def kind(self) -> AnswerKind:
        """The probability of each class."""
        return classes

    @property
    def targets(self) -> Targets:
        """Columns of a few texts."""
        return class_targets

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """Accuracy, by which slices are judged, macro F1, and log loss, by which models are.

        Accuracy would not do for a gate: where one class is rare, a good model may not change a single answer.
        """
        return METRICS

    def baseline(self, seen: Truth, rows: int, answers: int) -> Answers:
        """How often each class was seen in training, shape (rows, answers)."""
        shares = np.bincount(seen, minlength=answers) / len(seen)
        return np.tile(shares, (rows, 1))

    def could_be_chance(self, evaluation: Evaluation) -> bool:
        """Whether it saves so little on so few rows that it may know nothing."""
        return (evaluation.baseline_loss - evaluation.loss) * evaluation.model.rows < NATS

    def error(self, scores: Scores) -> float:
        """The share of wrong answers."""
        return 1 - scores["accuracy"]

    def most_error(self, promised: Scores, rows: int, chance: float) -> float:
        """The error that `rows` rows exceed with the probability `chance` if the model is as good as `promised`.

        Both are samples, so the number of wrong answers follows a beta-binomial distribution (with the prior of
        Jeffreys).
        """
        from scipy.stats import betabinom

        wrong = round(self.error(promised) * promised.rows)
        return float(betabinom.isf(chance, rows, wrong + 0.5, promised.rows - wrong + 0.5)) / rows
