"""Metrics as data, so that evaluation, gate, comparison, report and `metrics.json` need know none by its name."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

from mlkeel.contract.wording import number
from mlkeel.errors import InputError
from mlkeel.tasks.answers import Answers, Truth

Function = Callable[[Answers, Truth], float | None]
Losses = Callable[[Answers, Truth], npt.NDArray[np.float64]]


@dataclass(frozen=True)
class Metric:
    """How well answers, shape (n, answers), meet the truth, shape (n,).

    `function` gives None where n rows cannot tell. `per_row` gives what each row costs, shape (n,), of which the metric
    is the mean; the primary metric needs it. `heading` stands over columns, `words` in sentences.
    """

    name: str
    function: Function
    greater_is_better: bool
    per_row: Losses | None = None
    heading: str = ""
    words: str = ""
    in_target_unit: bool = False
    primary: bool = False

    @property
    def title(self) -> str:
        """What stands over a column of it."""
        return self.heading or self.name.replace("_", " ")

    @property
    def said(self) -> str:
        """What it is called in a sentence."""
        return self.words or self.title

    def shown(self, value: float | None) -> str:
        """A value as a person reads it."""
        if value is None:
            return "-"
        return number(value) if self.in_target_unit else f"{value:.3f}"


class Scores(BaseModel):
    """The values of all metrics on so many `rows`; None where they cannot be told from these rows."""

    model_config = ConfigDict(frozen=True, extra="allow")
    __pydantic_extra__: dict[str, float | None]

    rows: int

    def get(self, name: str) -> float | None:
        """The value of a metric; None if it was not measured."""
        return self.__pydantic_extra__.get(name)

    def __getitem__(self, name: str) -> float:
        """The value of a metric that was measured.

        Raises:
            KeyError: it was not.
        """
        if (value := self.get(name)) is None:
            raise KeyError(name)
        return value


def primary(metrics: Sequence[Metric]) -> Metric:
    """The metric that models are compared and gated by.

    Raises:
        InputError: not exactly one is the primary one, or it is no mean loss of rows.
    """
    chosen = [metric for metric in metrics if metric.primary]
    if len(chosen) != 1 or chosen[0].per_row is None or chosen[0].greater_is_better:
        raise InputError(
            "METRICS in metrics.py: exactly one metric must be primary, be the mean of what it says per row, and be "
            "better the smaller it is, such as a loss. Mark one so."
        )
    return chosen[0]


def losses(metrics: Sequence[Metric], answers: Answers, truth: Truth) -> npt.NDArray[np.float64]:
    """What each of n answers costs by the primary metric, shape (n,)."""
    per_row = primary(metrics).per_row
    if per_row is None:
        raise TypeError("`primary` gives no metric without it")
    return per_row(answers, truth)


def score(metrics: Sequence[Metric], answers: Answers, truth: Truth) -> Scores:
    """Score answers of shape (n, answers) against the truth of n rows; what is no number counts as not measured.

    Raises:
        InputError: the primary metric is no number.
    """
    values: dict[str, float | None] = {}
    for metric in metrics:
        value = metric.function(answers, truth)
        known = value is not None and bool(np.isfinite(value))
        if metric.primary and not known:
            raise InputError(f"metrics.py: {metric.name}, the primary metric, is {value} on {len(truth):,} rows.")
        values[metric.name] = value if known else None
    return Scores.model_validate({"rows": len(truth)} | values)


def headings(metrics: Sequence[Metric]) -> tuple[str, ...]:
    """What stands over the columns of `figures`."""
    return "rows", *(metric.title for metric in metrics)


def figures(metrics: Sequence[Metric], scores: Scores) -> tuple[str, ...]:
    """Scores as a person reads them, under `headings`."""
    return f"{scores.rows:,}", *(metric.shown(scores.get(metric.name)) for metric in metrics)
