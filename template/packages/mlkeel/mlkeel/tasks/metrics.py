"""Metrics as data, so that evaluation, gate, comparison, report and `metrics.json` work with any metric."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

from mlkeel.contract.messages import number
from mlkeel.errors import InputError
from mlkeel.tasks.outputs import Outputs, Targets

MetricFunction = Callable[[Outputs, Targets], float | None]
RowLosses = Callable[[Outputs, Targets], npt.NDArray[np.float64]]


@dataclass(frozen=True)
class Metric:
    """A metric of outputs, shape (n, outputs), against the target, shape (n,).

    `function` returns None where the metric is undefined. `per_row` returns the loss of each row, shape (n,), of which
    the metric is the mean; the primary metric needs it. `heading` is its name in tables, `words` in sentences. With
    `of_decisions`, the function gets 1 for the class that was decided on and 0 for others, in place of probabilities.
    """

    name: str
    function: MetricFunction
    greater_is_better: bool
    per_row: RowLosses | None = None
    heading: str = ""
    words: str = ""
    in_target_unit: bool = False
    primary: bool = False
    of_decisions: bool = False

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
        InputError: not exactly one metric is primary, or it is no mean loss of rows.
    """
    marked = [metric for metric in metrics if metric.primary]
    if len(marked) != 1 or marked[0].per_row is None or marked[0].greater_is_better:
        raise InputError(
            "METRICS in metrics.py: exactly one metric must be primary, be the mean of what it says per row, and be "
            "better the smaller it is, such as a loss. Mark one so."
        )
    return marked[0]


def losses(metrics: Sequence[Metric], outputs: Outputs, y_true: Targets) -> npt.NDArray[np.float64]:
    """Return the loss of each of n rows by the primary metric, shape (n,)."""
    per_row = primary(metrics).per_row
    if per_row is None:
        raise TypeError("`primary` gives no metric without it")
    return per_row(outputs, y_true)


def score(metrics: Sequence[Metric], outputs: Outputs, y_true: Targets, decided: Targets | None = None) -> Scores:
    """Score outputs, shape (n, outputs), against the target, shape (n,); NaN and infinity count as undefined.

    `decided` are the positions of the classes that were decided on, shape (n,); by default, of the most likely ones.

    Raises:
        InputError: the primary metric is undefined.
    """
    values: dict[str, float | None] = {}
    for metric in metrics:
        judged = outputs
        if metric.of_decisions:
            positions = outputs.argmax(axis=1) if decided is None else decided
            judged = np.eye(outputs.shape[1], dtype=outputs.dtype)[positions]
        value = metric.function(judged, y_true)
        is_defined = value is not None and bool(np.isfinite(value))
        if metric.primary and not is_defined:
            raise InputError(f"metrics.py: {metric.name}, the primary metric, is {value} on {len(y_true):,} rows.")
        values[metric.name] = value if is_defined else None
    return Scores.model_validate({"rows": len(y_true)} | values)


def headings(metrics: Sequence[Metric]) -> tuple[str, ...]:
    """Return the headings for `format_scores`."""
    return "rows", *(metric.title for metric in metrics)


def format_scores(metrics: Sequence[Metric], scores: Scores) -> tuple[str, ...]:
    """Format scores as a row of a table, under `headings`."""
    return f"{scores.rows:,}", *(metric.format(scores.get(metric.name)) for metric in metrics)
