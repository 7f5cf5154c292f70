"""Judge answers: overall, against a trivial baseline, and slice by slice."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mlkeel.config import Gate
from mlkeel.contract.wording import number
from mlkeel.tasks.answers import Answers, Truth
from mlkeel.tasks.metrics import Metric, Scores, losses, primary, score
from mlkeel.tasks.task import Task

if TYPE_CHECKING:
    import pandas as pd

ANY_SLICE = 1e300  # a limit that no slice misses, where less is better


def share_saved(name: str, model: Scores, baseline: Scores) -> float:
    """The share of the baseline's loss `name` that a model saves; of nothing, it saves nothing.

    For log loss, see McFadden 1974, "Conditional Logit Analysis of Qualitative Choice Behavior".
    """
    return 1 - model[name] / baseline[name] if baseline[name] else 0.0


@dataclass(frozen=True)
class Evaluation:
    """How a model does on rows that it has not seen; `slices` maps "column = value" to scores.

    `error` is the standard error of `saved`, from how much it differs between rows. The primary one of `metrics` judges
    the whole, and the first of them each slice.
    """

    task: Task
    metrics: tuple[Metric, ...]
    model: Scores
    baseline: Scores
    slices: dict[str, Scores]
    error: float = 0.0

    @property
    def primary(self) -> Metric:
        """The metric that models are compared and gated by."""
        return primary(self.metrics)

    @property
    def loss(self) -> float:
        """What two models are compared by."""
        return self.model[self.primary.name]

    @property
    def baseline_loss(self) -> float:
        """The same of the baseline."""
        return self.baseline[self.primary.name]

    @property
    def saved(self) -> float:
        """The share of the baseline's loss that the model saves."""
        return share_saved(self.primary.name, self.model, self.baseline)

    def shortcomings(self, gate: Gate) -> list[str]:
        """Say in a sentence each what keeps the model out of use; an empty list lets it in."""
        said = []
        if self.saved < gate.margin:
            said.append(
                f"of the baseline's {self.primary.said}, {self.primary.shown(self.baseline_loss)}, the model saves "
                f"{self.saved:.1%}, and {gate.margin:.1%} is needed"
            )
        return said + list(self.weak_slices(gate).values())

    def weak_slices(self, gate: Gate) -> dict[str, str]:
        """The same of each slice on its own, by its name."""
        metric, weak = self.metrics[0], {}
        for name, scores in self.slices.items():
            value = scores.get(metric.name)
            if value is not None and worse(metric, value, gate.slice_limit):
                side = "under" if metric.greater_is_better else "over"
                weak[name] = (
                    f"the {metric.said} where {name} is {metric.shown(value)}, {side} {number(gate.slice_limit)}"
                )
        return weak

    @property
    def could_be_chance(self) -> bool:
        """Whether the model saves so little on so few rows that it may know nothing."""
        return self.task.could_be_chance(self)

    @property
    def beside_the_baseline(self) -> str:
        """What a person should see before an end is made of it."""
        model, baseline = self.primary.shown(self.loss), self.primary.shown(self.baseline_loss)
        return f"the {self.primary.said} is {model}, and {baseline} without any feature"

    def document(self) -> dict[str, Any]:
        """What `metrics.json` keeps of it."""
        return {
            "primary": self.primary.name,
            "model": self.model.model_dump(),
            "baseline": self.baseline.model_dump(),
            "slices": {name: scores.model_dump() for name, scores in self.slices.items()},
            "error": self.error,
        }


def worse(metric: Metric, value: float, limit: float) -> bool:
    """Whether a value misses a limit."""
    return value < limit if metric.greater_is_better else value > limit


def any_slice(metrics: Sequence[Metric]) -> float:
    """A limit that no slice misses."""
    return 0.0 if metrics[0].greater_is_better else ANY_SLICE


def draft_gate(evaluation: Evaluation, gate: Gate) -> Gate:
    """A gate that `evaluation` passes with room: half of what the model saves, and less than its weakest slice does."""
    saved, metric = evaluation.saved, evaluation.metrics[0]
    # Half of it or, where that is within what chance does to so few rows, down to a tenth.
    room = max(min(saved / 2, saved - 3 * evaluation.error), saved / 10)
    values = [value for scores in evaluation.slices.values() if (value := scores.get(metric.name)) is not None]
    if metric.greater_is_better:
        limit = round(float(max(np.floor((min(values, default=0.5) - 0.1) * 20) / 20, 0.0)), 2)
    else:
        weakest = max(values, default=evaluation.model[metric.name])
        limit = max(float(f"{1.5 * weakest:.2g}"), weakest)
    return gate.model_copy(update={"margin": min(float(f"{room:.1g}"), saved, 0.9), "slice_limit": limit})


def evaluate(
    task: Task,
    metrics: Sequence[Metric],
    table: "pd.DataFrame",
    answers: Answers,
    truth: Truth,
    seen: Truth,
    gate: Gate,
) -> Evaluation:
    """Evaluate answers on `table`, shape (n, columns); `seen` is the truth of the training rows.

    Slices with fewer than `gate.slice_rows` rows are left out: their scores say more of chance than of the model.
    """
    asked = {metric.name for metric in metrics}
    every = (*metrics, *(metric for metric in task.metrics if metric.name not in asked))  # the monitor needs the usual
    slices = {}
    for column in gate.slices:
        for value, rows in table.groupby(column, dropna=False, sort=True).indices.items():
            if len(rows) >= gate.slice_rows:
                name = f"{column} is missing" if value != value else f"{column} = {value}"
                slices[name] = score(every, answers[rows], truth[rows])
    poor = task.baseline(seen, len(truth), answers.shape[1])
    gained = losses(metrics, poor, truth) - losses(metrics, answers, truth)
    baseline = score(every, poor, truth)
    loss = baseline[primary(metrics).name]
    error = float(gained.std() / np.sqrt(len(truth)) / loss) if loss else 0.0
    return Evaluation(task, tuple(metrics), score(every, answers, truth), baseline, slices, error)
