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
    """How a model does on rows that it has not seen; `slices` maps "column = value" to scores."""

    model: Scores
    baseline: Scores
    slices: dict[str, Scores]

    def shortcomings(self, gate: Gate) -> list[str]:
        """Say in a sentence each what keeps the model out of use; an empty list lets it in."""
        needed = self.baseline.accuracy + gate.margin * (1 - self.baseline.accuracy)
        said = []
        if self.model.accuracy < needed:
            said.append(
                f"accuracy is {self.model.accuracy:.3f}, and {needed:.3f} is needed "
                f"(the baseline's {self.baseline.accuracy:.3f} and {gate.margin:g} of what is left to 1)"
            )
        for name, scores in self.slices.items():
            if scores.accuracy < gate.slice_accuracy:
                said.append(f"accuracy where {name} is {scores.accuracy:.3f}, under {gate.slice_accuracy:g}")
        return said


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
    return Evaluation(score(probabilities, truth), baseline(seen, truth, probabilities.shape[1]), slices)
