"""Calibration: whether a class is right as often as its probability says, and how outputs were corrected.

The calibration error of probabilities is the root mean square of what the probability of the most likely class differs
by from how often it is right, over bins of equally many rows. What such a difference is by chance on so few rows is
taken off, so that it is 0 for a calibrated model, where the mean absolute difference (Naeini et al. 2015, "Obtaining
Well Calibrated Probabilities Using Bayesian Binning") is not. Source: Kumar et al. 2019, "Verified Uncertainty
Calibration".
"""

from collections.abc import Mapping
from typing import Literal, Self

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

from mlkeel.contract.messages import number
from mlkeel.tasks.outputs import Outputs, Targets
from mlkeel.tasks.standard_errors import Units, standard_error

Numbers = npt.NDArray[np.float64]
CALIBRATION_KEY = "mlkeel.calibration"  # of the metadata of a graph
MIN_STANDARD_ERRORS = 2.0  # of a gain; less can be chance
MIN_UNITS = 100  # of validation rows; with fewer, outputs stay as they are
MAX_BINS = 15
MIN_BIN_ROWS = 20
MIN_ROWS = 50  # with fewer, a calibration error says nothing
INTERVAL = 0.9  # share of the intervals that are to hold the calibration error
RESAMPLES = 1000


class Calibration(BaseModel):
    """How the outputs of a model were corrected on `rows` validation rows, and by how much that lowered the loss there.

    Attributes:
        method: "temperature" for probabilities, "local widths" for intervals.
        loss_before: the log loss in nats, or the interval score in the unit of the target.
        loss_after: the same, corrected; of probabilities, on rows that the temperature was not fitted to.
        temperature: None for intervals.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    method: Literal["temperature", "local widths"]
    rows: int
    loss_before: float
    loss_after: float
    temperature: float | None = None

    @classmethod
    def read(cls, metadata: Mapping[str, str]) -> Self | None:
        """Read the correction of a version from the metadata of its graph; None if there was none, or is not known."""
        text = metadata.get(CALIBRATION_KEY)
        return None if text is None else cls.model_validate_json(text)

    @property
    def sentence(self) -> str:
        """The correction in words."""
        effect = f"on {self.rows:,} validation rows from {number(self.loss_before)} to {number(self.loss_after)}"
        if self.temperature is None:
            return f"The widths of intervals follow the rows, which lowers the interval score {effect}"
        direction = "less" if self.temperature > 1 else "more"
        return (
            f"Probabilities are scaled by a temperature of {self.temperature:.3g}, which makes them {direction} sure "
            f"and lowers the log loss {effect}"
        )


def improvement(gains: Numbers, units: Units) -> bool:
    """Return whether a loss falls by more than chance, from what it falls by in each of n rows; of few units, never."""
    if len(np.unique(units)) < MIN_UNITS:
        return False
    return bool(gains.mean() > MIN_STANDARD_ERRORS * standard_error(gains, units))


class CalibrationError(BaseModel):
    """The calibration error of the probabilities of `rows` rows, and the ends of its 90 % interval."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    value: float
    low: float
    high: float
    rows: int

    @property
    def phrase(self) -> str:
        """The error in words."""
        return f"{self.value:.3f} ({INTERVAL:.0%} interval {self.low:.3f} to {self.high:.3f}, {self.rows:,} rows)"


def calibration_error(outputs: Outputs, y_true: Targets) -> CalibrationError | None:
    """Return the calibration error of probabilities, shape (n, classes); None on few rows.

    Its interval is from a parametric bootstrap: differences of bins are drawn again around those that were measured,
    with their standard errors. Rows count as independent.
    """
    if len(y_true) < MIN_ROWS:
        return None
    counts, differences, variances = _bins(outputs, y_true)
    shares = counts / len(y_true)
    squared = shares @ (differences**2 - variances)
    noise = np.random.default_rng(0).standard_normal((RESAMPLES, len(counts)))
    resampled = ((differences + noise * np.sqrt(variances)) ** 2 - 2 * variances) @ shares
    tail = (1 - INTERVAL) / 2
    low, high = np.quantile(resampled, [tail, 1 - tail])
    value, low, high = np.sqrt(np.maximum([squared, low, high], 0)).tolist()
    return CalibrationError(value=value, low=low, high=high, rows=len(y_true))


def _bins(outputs: Outputs, y_true: Targets) -> tuple[Numbers, Numbers, Numbers]:
    """Return, for each bin, its rows, by how much they are surer than right on average, and the variance of that."""
    totals = outputs.sum(axis=1, dtype=np.float64)
    confidence = outputs.max(axis=1) / totals
    surplus = confidence - (outputs.argmax(axis=1) == y_true)
    surplus = surplus[np.argsort(confidence, kind="stable")]
    edges = np.linspace(0, len(surplus), min(max(len(surplus) // MIN_BIN_ROWS, 1), MAX_BINS) + 1).astype(int)
    counts = np.diff(edges).astype(np.float64)
    means = np.add.reduceat(surplus, edges[:-1]) / counts
    squares = np.add.reduceat(surplus**2, edges[:-1]) / counts
    return counts, means, np.maximum(squares - means**2, 0) / (counts - 1)
