"""Calibrate the probabilities of a trained classifier by a temperature, inside its graph.

Each probability is raised to the power of 1/temperature, and a row is scaled to sum to 1: over 1, a temperature makes
probabilities less sure, and neither the order of the classes of a row nor, of two classes, that of the rows changes.
Source: Guo et al. 2017, "On Calibration of Modern Neural Networks".
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mlkeel.features.graph import Matrix
from mlkeel.models.extended_graph import extended
from mlkeel.models.model import Dataset, Model, is_linear
from mlkeel.progress import Callbacks
from mlkeel.tasks.calibration import Calibration, improvement
from mlkeel.tasks.classification import log_losses
from mlkeel.tasks.outputs import Outputs, Targets
from mlkeel.tasks.standard_errors import Units

if TYPE_CHECKING:
    from spox import Var

MIN_PROBABILITY = 1e-5  # below it single precision is too coarse, which a temperature magnifies
MAX_TEMPERATURE = 10.0
FOLDS = 5


def scale(probabilities: Outputs, temperature: float) -> Outputs:
    """Return probabilities, shape (n, classes), at a temperature."""
    from scipy.special import softmax

    logarithms = np.log(np.maximum(probabilities.astype(np.float64), MIN_PROBABILITY))
    scaled: Outputs = softmax(logarithms / temperature, axis=1)
    return scaled


def fit_temperature(probabilities: Outputs, y_true: Targets) -> float:
    """Return the temperature with the least log loss for n rows."""
    from scipy.optimize import minimize_scalar

    limit = float(np.log(MAX_TEMPERATURE))
    fitted = minimize_scalar(
        lambda logarithm: log_losses(scale(probabilities, np.exp(logarithm)), y_true).mean(), bounds=(-limit, limit)
    )
    return float(np.exp(fitted.x))


def choose_temperature(probabilities: Outputs, y_true: Targets, units: Units) -> Calibration | None:
    """Return a temperature for a model's probabilities of n validation rows, or None if it does not improve them.

    It must lower the log loss by more than chance on rows that it was not fitted to: those of each of five folds, at
    the temperature of the others. Rows of one unit are in one fold.
    """
    fold_of_row = np.random.default_rng(0).permutation(units.max() + 1)[units] % FOLDS
    before = log_losses(probabilities, y_true)
    cross_fitted = np.empty(len(y_true))
    for fold in range(FOLDS):
        held_out = fold_of_row == fold
        temperature = fit_temperature(probabilities[~held_out], y_true[~held_out])
        cross_fitted[held_out] = log_losses(scale(probabilities[held_out], temperature), y_true[held_out])
    if not improvement(before - cross_fitted, units):
        return None
    temperature = fit_temperature(probabilities, y_true)
    return Calibration(
        method="temperature",
        rows=len(y_true),
        loss_before=float(before.mean()),
        loss_after=float(cross_fitted.mean()),
        temperature=temperature,
    )


@dataclass(frozen=True)
class TemperatureScaled:
    """A trained classifier whose probabilities are scaled by a temperature."""

    model: Model
    calibration: Calibration

    @property
    def _temperature(self) -> float:
        return self.calibration.temperature or 1.0

    @property
    def is_linear(self) -> bool:
        """Whether the model is linear."""
        return is_linear(self.model)

    @property
    def held_out(self) -> tuple[Outputs, Targets] | None:
        """What the model keeps of rows that were not learnt from, if it does: their probabilities and classes."""
        kept: tuple[Outputs, Targets] | None = getattr(self.model, "held_out", None)
        return None if kept is None else (scale(kept[0], self._temperature), kept[1])

    def fit(self, train: Dataset, validation: Dataset, callbacks: Callbacks) -> list[float]:
        """Train the model further; the temperature stays."""
        return self.model.fit(train, validation, callbacks)

    def predict(self, features: Matrix) -> Outputs:
        """Return probabilities of shape (n, classes), each row summing to 1."""
        return scale(self.model.predict(features), self._temperature)

    def to_onnx(self) -> bytes:
        """Export as an ONNX graph: `features` (n, width) to `answers` (n, classes)."""
        import spox.opset.ai.onnx.v21 as op

        def scaled(_features: "Var", answers: "Var") -> "Var":
            logarithms = op.log(op.max([answers, op.const(np.float32(MIN_PROBABILITY))]))
            return op.softmax(op.div(logarithms, op.const(np.float32(self._temperature))), axis=1)

        return extended(self.model.to_onnx(), scaled)
