"""Compare two models on the same rows: by how much their losses differ, and how much of that chance explains."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mlkeel.contract.messages import number
from mlkeel.errors import InputError
from mlkeel.tasks.metrics import INTERVAL_STANDARD_ERRORS, Metric, Scores, row_losses
from mlkeel.tasks.outputs import Outputs, Targets
from mlkeel.tasks.standard_errors import Units, standard_error

RESAMPLES = 100  # of a bootstrap; its standard error is then off by 7 % or so
MIN_RESAMPLES = 20  # on which the metric is defined
MAX_RESAMPLED_ROWS = 2000  # of a bootstrap of more rows, so that its time is bounded
SEED = 7

Decided = tuple[Outputs, Targets | None]  # outputs of n rows, and the classes that were decided on


def loss_difference(
    metric: Metric, model: Decided, other: Decided, y_true: Targets, units: Units | None = None
) -> tuple[float, float]:
    """Return the loss of a model less that of another on n rows, and the standard error of this difference.

    Where the metric has values per row, the standard error is that of the mean of their differences, row by row. Else
    it is that of a bootstrap of the rows, with a seed (Efron 1979, "Bootstrap Methods: Another Look at the Jackknife");
    of many rows, m out of n are resampled (Bickel, Götze and van Zwet 1997, "Resampling Fewer Than n Observations").
    Rows of one of the `units`, by default each row, count together.

    Raises:
        InputError: the metric is undefined on these rows.
    """
    units = np.arange(len(y_true)) if units is None else units
    judged = [metric.judged(*each) for each in (model, other)]
    if metric.per_row is not None:
        losses, other_losses = (row_losses(metric, outputs, y_true) for outputs in judged)
        differences = losses - other_losses
        return float(differences.mean()), standard_error(differences, units)

    def losses_of(rows: npt.NDArray[np.int64] | slice) -> list[float] | None:
        values = [metric.function(outputs[rows], y_true[rows]) for outputs in judged]
        defined = [metric.loss(value) for value in values if value is not None and np.isfinite(value)]
        return defined if len(defined) == len(values) else None

    def difference(rows: npt.NDArray[np.int64]) -> float | None:
        pair = losses_of(rows)
        return pair[0] - pair[1] if pair else None

    observed = losses_of(slice(None))
    if observed is None:
        raise InputError(f"metrics.py: {metric.name}, the primary metric, is undefined on {len(y_true):,} rows.")
    bootstrapped = _bootstrap_se(difference, units)
    return observed[0] - observed[1], max(observed) if bootstrapped is None else bootstrapped


def _bootstrap_se(statistic: Callable[[npt.NDArray[np.int64]], float | None], units: Units) -> float | None:
    """Return the standard error of a statistic of the rows of `units`; None if it is undefined on most resamples.

    It is half the way between the quantiles that lie one standard deviation from the middle of a normal distribution:
    a score such as R² has a resample now and then on which it is a thousand times worse.
    """
    rng = np.random.default_rng(SEED)
    rows = np.argsort(units, kind="stable")
    members = np.split(rows, np.flatnonzero(np.diff(units[rows])) + 1)
    size = min(len(members), MAX_RESAMPLED_ROWS)
    samples = (rng.integers(0, len(members), size) for _ in range(RESAMPLES))
    values = [statistic(np.concatenate([members[number] for number in sample])) for sample in samples]
    defined = [value for value in values if value is not None]
    if len(defined) < MIN_RESAMPLES:
        return None
    low, high = np.quantile(defined, [0.16, 0.84])
    return float((high - low) / 2 * np.sqrt(size / len(members)))


def share_with_interval(share: float, standard_error: float) -> str:
    """Format a share with its interval of about 95 %, two standard errors on both sides."""
    return f"{share:.1%} ± {INTERVAL_STANDARD_ERRORS * standard_error:.1%}"


@dataclass(frozen=True)
class RivalComparison:
    """A model beside a simpler one that was fitted to the same rows, or why there was none.

    Attributes:
        rival: the simpler model, in words.
        metric: the primary one.
        scores: of the simpler model.
        gain: the share of the simpler model's loss that the model saves.
        gain_se: its standard error, from the differences row by row.
        skipped_because: why they were not compared.
    """

    rival: str
    metric: Metric
    scores: Scores | None = None
    gain: float = 0.0
    gain_se: float = 0.0
    skipped_because: str | None = None

    @property
    def within_noise(self) -> bool:
        """Whether the model gains no more than chance explains, so that the simpler one would do."""
        return self.scores is not None and self.gain <= INTERVAL_STANDARD_ERRORS * self.gain_se

    @property
    def sentence(self) -> str:
        """The comparison in words, for the screen, the model card and the report."""
        if self.scores is None:
            return f"A simpler model was not compared: {self.skipped_because}"
        loss = number(self.metric.loss(self.scores[self.metric.name]))
        share = share_with_interval(abs(self.gain), self.gain_se)
        gained = f"the model saves {share} of it" if self.gain >= 0 else f"that of the model is {share} more"
        verdict = ""
        if self.within_noise:
            is_clear = self.gain < -INTERVAL_STANDARD_ERRORS * self.gain_se
            verdict = ": it is better" if is_clear else ", which chance explains: it does as well, and would be simpler"
        return (
            f"On the same {self.scores.rows:,} rows the {self.metric.loss_phrase} of a simpler model, {self.rival}, is "
            f"{loss}, and {gained}{verdict}"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return what `metrics.json` holds of it."""
        values = {name: value for name, value in vars(self).items() if name not in ("metric", "scores")}
        further = {"within_noise": self.within_noise, "sentence": self.sentence}
        return values | {"scores": self.scores and self.scores.model_dump()} | further
