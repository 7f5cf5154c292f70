"""Judge predictions: overall, against a trivial baseline, and slice by slice."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from sklearn.metrics import accuracy_score, f1_score, log_loss

from .model import Classes, Probabilities
from .settings import Gate

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Scores:
    """Shares between 0 and 1, except `log_loss`, which is in nats; no `macro_f1` where all rows are of one class."""

    rows: int
    accuracy: float
    macro_f1: float | None
    log_loss: float


@dataclass(frozen=True)
class Evaluation:
    """How a model does on rows that it has not seen; `slices` maps "column = value" to scores.

    `error` is the standard error of `saved`, from how much it differs between rows.
    """

    model: Scores
    baseline: Scores
    slices: dict[str, Scores]
    error: float = 0.0

    @property
    def saved(self) -> float:
        """The share of the baseline's log loss that the model saves (McFadden 1974, "Conditional Logit Analysis").

        Accuracy would not do for a gate: where one class is rare, a good model may not change a single answer.
        """
        return 1 - self.model.log_loss / self.baseline.log_loss

    def shortcomings(self, gate: Gate) -> list[str]:
        """Say in a sentence each what keeps the model out of use; an empty list lets it in."""
        said = []
        if self.saved < gate.margin:
            said.append(
                f"of the baseline's log loss, {self.baseline.log_loss:.3f}, the model saves {self.saved:.1%}, "
                f"and {gate.margin:.1%} is needed"
            )
        for name, scores in self.slices.items():
            if scores.accuracy < gate.slice_accuracy:
                said.append(f"accuracy where {name} is {scores.accuracy:.3f}, under {gate.slice_accuracy:g}")
        return said


def draft_gate(evaluation: Evaluation, gate: Gate) -> Gate:
    """A gate that `evaluation` passes with room: half of what the model saves, a tenth under its weakest slice."""
    # Half of it or, where that is within what chance does to so few rows, down to a tenth.
    room = max(min(evaluation.saved / 2, evaluation.saved - 3 * evaluation.error), evaluation.saved / 10)
    margin = float(f"{room:.1g}")
    weakest = min((scores.accuracy for scores in evaluation.slices.values()), default=0.5)
    accuracy = max(np.floor((weakest - 0.1) * 20) / 20, 0.0)
    return gate.model_copy(
        update={"margin": min(margin, evaluation.saved, 0.9), "slice_accuracy": round(float(accuracy), 2)}
    )


def score(probabilities: Probabilities, truth: Classes) -> Scores:
    """Score probabilities of shape (n, classes) against n true classes."""
    predicted, several = probabilities.argmax(axis=1), len(np.unique(truth)) > 1
    exact = probabilities.astype(np.float64)  # single precision misses the sum of 1 by more than scikit-learn accepts
    exact /= exact.sum(axis=1, keepdims=True)
    return Scores(
        rows=len(truth),
        accuracy=float(accuracy_score(truth, predicted)),
        macro_f1=float(f1_score(truth, predicted, average="macro", zero_division=0.0)) if several else None,
        log_loss=float(log_loss(truth, exact, labels=range(exact.shape[1]))),
    )


def baseline(seen: Classes, truth: Classes, classes: int) -> Scores:
    """Score the answer that needs no features: how often each class was seen in training."""
    shares = np.bincount(seen, minlength=classes) / len(seen)
    return score(np.tile(shares, (len(truth), 1)), truth)


def evaluate(
    table: "pd.DataFrame", probabilities: Probabilities, truth: Classes, seen: Classes, gate: Gate
) -> Evaluation:
    """Evaluate on `table`, shape (n, columns); `seen` are the classes of the training rows.

    Slices with fewer than `gate.slice_rows` rows are left out: their scores say more of chance than of the model.
    """
    slices = {}
    for column in gate.slices:
        for value, rows in table.groupby(column, dropna=False, sort=True).indices.items():
            if len(rows) >= gate.slice_rows:
                name = f"{column} is missing" if value != value else f"{column} = {value}"
                slices[name] = score(probabilities[rows], truth[rows])
    model, poor = score(probabilities, truth), baseline(seen, truth, probabilities.shape[1])
    shares = np.bincount(seen, minlength=probabilities.shape[1]) / len(seen)
    own = np.maximum(probabilities[np.arange(len(truth)), truth], 1e-12)
    gained = np.log(own) - np.log(np.maximum(shares[truth], 1e-12))
    return Evaluation(model, poor, slices, float(gained.std() / np.sqrt(len(truth)) / poor.log_loss))
