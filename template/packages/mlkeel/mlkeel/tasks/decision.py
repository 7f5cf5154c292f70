"""Decide on a class by what errors cost; without a decision, the most likely class is decided on.

Whatever a person sets, a decision is a matrix of costs, and the least expected cost decides (Elkan 2001, "The
Foundations of Cost-Sensitive Learning").
"""

import json
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from mlkeel.tasks.metrics import Metric, Scores
from mlkeel.tasks.outputs import Outputs, Targets

Costs = npt.NDArray[np.float64]  # shape (classes, classes): of each actual class, as each class is decided on
DECISION_KEY = "mlkeel.decision"  # of the metadata of a graph
CLASS_SCORES = ("recall", "precision")
PRECISION = 1e-6  # of probabilities in single precision: an answer of 0.3 reaches a threshold of 0.3


@dataclass(frozen=True, eq=False)
class Decision:
    """How a version decides on a class.

    Attributes:
        costs: of each actual class (row) as each class is decided on (column).
        sentence: the decision in words.
        scored: whether a person gave the costs, so that the expected cost is a score.
    """

    costs: Costs
    sentence: str
    scored: bool = False

    def to_json(self) -> str:
        """Return what the metadata of a graph hold of it."""
        return json.dumps({"costs": self.costs.tolist(), "sentence": self.sentence, "scored": self.scored})

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what `to_json` returned."""
        values = json.loads(text)
        return cls(np.array(values["costs"], dtype=np.float64), values["sentence"], values["scored"])


def costs_of_threshold(position: int, threshold: float) -> Costs:
    """Return the costs by which the class at `position`, of two, is decided on from a probability of `threshold` on."""
    lowest = max(threshold - PRECISION, threshold / 2)
    costs = np.zeros((2, 2))
    costs[1 - position, position] = lowest
    costs[position, 1 - position] = 1 - lowest
    return costs


def decided_positions(outputs: Outputs, decision: Decision | None) -> Targets:
    """Return the positions of the classes that are decided on, shape (n,), for probabilities of shape (n, classes).

    The first one of equals is.
    """
    likeliest: Targets = outputs.argmax(axis=1)
    if decision is None:
        return likeliest
    cheapest: Targets = (outputs.astype(np.float64) @ decision.costs).argmin(axis=1)
    return cheapest


def with_expected_cost(metrics: tuple[Metric, ...], decision: Decision | None) -> tuple[Metric, ...]:
    """Return `metrics` and, if a person gave the costs of errors, the expected cost of a row."""
    if decision is None or not decision.scored:
        return metrics
    costs = decision.costs

    def expected_cost(decided: Outputs, y_true: Targets) -> float:
        return float(costs[y_true, decided.argmax(axis=1)].mean())

    return *metrics, Metric(EXPECTED_COST, expected_cost, greater_is_better=False, of_decisions=True)


EXPECTED_COST = "expected_cost"  # the name of that metric


def class_scores(decided: Targets, y_true: Targets, classes: tuple[str, ...]) -> dict[str, Scores]:
    """Return recall and precision of each class, None where there are no rows, for n positions that were decided on."""
    scores = {}
    for position, name in enumerate(classes):
        actual = y_true == position
        answered_so = decided == position
        hits = int((actual & answered_so).sum())
        rows = int(actual.sum())
        shares = {"recall": _share(hits, rows), "precision": _share(hits, int(answered_so.sum()))}
        scores[name] = Scores.model_validate({"rows": rows} | shares)
    return scores


def class_rows(classes: dict[str, Scores]) -> list[tuple[str, str, str, str]]:
    """Return a row of texts for each class: its name, its rows, its recall and its precision."""
    rows = []
    for name, scores in classes.items():
        recall, precision = ("-" if (value := scores.get(key)) is None else f"{value:.3f}" for key in CLASS_SCORES)
        rows.append((name, f"{scores.rows:,}", recall, precision))
    return rows


def _share(count: int, total: int) -> float | None:
    return count / total if total else None
