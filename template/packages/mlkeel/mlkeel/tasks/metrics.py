"""Metrics as data, so that evaluation, gate, comparison, report and `metrics.json` work with any metric.

One of them is primary: models are gated and compared by their loss, which is how far its value is from the best one.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

from mlkeel.contract.messages import number
from mlkeel.errors import InputError
from mlkeel.tasks.outputs import Outputs, Targets

MetricFunction = Callable[[Outputs, Targets], float | None]
RowValues = Callable[[Outputs, Targets], npt.NDArray[np.float64]]
INTERVAL_STANDARD_ERRORS = 2.0  # on both sides of an estimate: an interval of about 95 %; less can be chance


@dataclass(frozen=True)
class Metric:
    """A metric of outputs, shape (n, outputs), against the target, shape (n,).

    `function` returns None where the metric is undefined. `per_row` returns the value of each row, shape (n,), of which
    the metric is the mean; without it, standard errors of a primary metric are those of a bootstrap. `heading` is its
    name in tables, `words` in sentences. With `of_decisions`, the functions get 1 for the class that was decided on and
    0 for others, in place of probabilities. `best` is the value of perfect outputs: by default 1 if greater is better,
    else 0.
    """

    name: str
    function: MetricFunction
    greater_is_better: bool
    per_row: RowValues | None = None
    heading: str = ""
    words: str = ""
    in_target_unit: bool = False
    primary: bool = False
    of_decisions: bool = False
    best: float | None = None

    @property
    def loss_phrase(self) -> str:
        """The name of its loss in sentences."""
        has_gap = self.greater_is_better or self.best_value != 0
        return f"gap between {self.phrase} and {self.best_value:g}" if has_gap else self.phrase

    @property
    def best_value(self) -> float:
        """The value of perfect outputs."""
        return float(self.greater_is_better) if self.best is None else self.best

    def loss(self, value: float) -> float:
        """Return how far a value is from the best one; of a loss whose best value is 0, the value itself."""
        return self.best_value - value if self.greater_is_better else value - self.best_value

    def judged(self, outputs: Outputs, decided: Targets | None = None) -> Outputs:
        """Return what the functions get: outputs, shape (n, outputs), or the classes that were decided on.

        `decided` are their positions, shape (n,); by default, those of the most likely classes.
        """
        if not self.of_decisions:
            return outputs
        positions = outputs.argmax(axis=1) if decided is None else decided
        decisions: Outputs = np.eye(outputs.shape[1], dtype=outputs.dtype)[positions]
        return decisions

    def value(self, outputs: Outputs, y_true: Targets, decided: Targets | None = None) -> float | None:
        """Return the value for outputs, shape (n, outputs); None if it is undefined, NaN or infinite."""
        value = self.function(self.judged(outputs, decided), y_true)
        return value if value is not None and bool(np.isfinite(value)) else None

    @property
    def title(self) -> str:
        """The name in headings of tables."""
        return self.heading or self.name.replace("_", " ")

    @property
    def phrase(self) -> str:
        """The name in sentences."""
        return self.words or self.title

    def format(self, value: float | None) -> str:
        """Format a value of the metric."""
        if value is None:
            return "-"
        return number(value) if self.in_target_unit else f"{value:.3f}"


class Scores(BaseModel):
    """The values of metrics on so many `rows`; None where a metric is undefined."""

    model_config = ConfigDict(frozen=True, extra="allow")
    __pydantic_extra__: dict[str, float | None]

    rows: int

    def get(self, name: str) -> float | None:
        """Return the value of a metric; None if it is unknown or undefined."""
        return self.__pydantic_extra__.get(name)

    def __getitem__(self, name: str) -> float:
        """Return the value of a metric.

        Raises:
            KeyError: it is unknown or undefined.
        """
        if (value := self.get(name)) is None:
            raise KeyError(name)
        return value


def primary(metrics: Sequence[Metric]) -> Metric:
    """Return the metric that models are compared and gated by.

    Raises:
        InputError: not exactly one metric is primary.
    """
    marked = [metric for metric in metrics if metric.primary]
    if len(marked) != 1 or not np.isfinite(marked[0].best_value):
        names = ", ".join(metric.name for metric in marked) or "none"
        raise InputError(
            f"METRICS in metrics.py: exactly one metric must be primary, and have a finite best value; it is {names}. "
            "Mark one with primary=True, and take others out or unmark them, as in replace(LOG_LOSS, primary=False)."
        )
    return marked[0]


def skill_score(metric: Metric, model: float, baseline: float) -> float:
    """Return the share of the baseline's loss that a model saves, (model - baseline) / (best - baseline).

    That is 1 at best and 0 for the baseline, and 0 if the baseline has no loss. For log loss, see McFadden 1974,
    "Conditional Logit Analysis of Qualitative Choice Behavior"; for any score, Murphy 1988, "Skill Scores Based on the
    Mean Square Error and Their Relationships to the Correlation Coefficient".
    """
    loss = metric.loss(baseline)
    return 1 - metric.loss(model) / loss if loss else 0.0


def losses(metrics: Sequence[Metric], outputs: Outputs, y_true: Targets) -> npt.NDArray[np.float64]:
    """Return the loss of each of n rows by the primary metric, shape (n,).

    Raises:
        TypeError: that metric has no values per row.
    """
    metric = primary(metrics)
    return row_losses(metric, metric.judged(outputs), y_true)


def row_losses(metric: Metric, judged: Outputs, y_true: Targets) -> npt.NDArray[np.float64]:
    """Return the loss of each of n rows by a metric, shape (n,), from what it judges.

    Raises:
        TypeError: the metric has no values per row.
    """
    if metric.per_row is None:
        raise TypeError(f"{metric.name} has no values per row")
    values = np.asarray(metric.per_row(judged, y_true), dtype=np.float64)
    return metric.best_value - values if metric.greater_is_better else values - metric.best_value


def score(metrics: Sequence[Metric], outputs: Outputs, y_true: Targets, decided: Targets | None = None) -> Scores:
    """Score outputs, shape (n, outputs), against the target, shape (n,); NaN and infinity count as undefined.

    `decided` are the positions of the classes that were decided on, shape (n,); by default, of the most likely ones.
    """
    values = {metric.name: metric.value(outputs, y_true, decided) for metric in metrics}
    return Scores.model_validate({"rows": len(y_true)} | values)


def headings(metrics: Sequence[Metric]) -> tuple[str, ...]:
    """Return the headings for `format_scores`."""
    return "rows", *(metric.title for metric in metrics)


def format_scores(metrics: Sequence[Metric], scores: Scores) -> tuple[str, ...]:
    """Format scores as a row of a table, under `headings`."""
    return f"{scores.rows:,}", *(metric.format(scores.get(metric.name)) for metric in metrics)
