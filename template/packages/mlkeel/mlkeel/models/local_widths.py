"""Let the widths of a regressor's intervals follow the rows, inside its graph.

Small boosted trees learn from the training rows how far the estimates are off. The widths are proportional to what they
say, and the factor is the one with which the intervals hold the targets of the validation rows as often as `COVERAGE`
says. Source: Lei et al. 2018, "Distribution-Free Predictive Inference for Regression", section 5.2 (locally weighted
conformal inference).
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from mlkeel.features.graph import Matrix
from mlkeel.models.boosting import limit_threads, round_thresholds_down
from mlkeel.models.extended_graph import extended
from mlkeel.models.model import Dataset, Model, is_linear
from mlkeel.progress import Callbacks
from mlkeel.tasks.calibration import MIN_UNITS, Calibration, improvement
from mlkeel.tasks.number_outputs import half_width, interval_scores, with_interval
from mlkeel.tasks.outputs import Outputs
from mlkeel.tasks.standard_errors import Units

if TYPE_CHECKING:
    from spox import Var

Numbers = npt.NDArray[np.float64]
MAX_ROWS = 20_000  # that the trees learn from; more would take long, and change little
TREES = {"max_iter": 30, "max_leaf_nodes": 4, "min_samples_leaf": 20, "learning_rate": 0.1, "l2_regularization": 1.0}
MIN_SHARE = 0.2  # of the mean error; what the trees say is at least this


class ErrorTrees:
    """Boosted trees that estimate how far the estimates of a model are off, which is never nothing."""

    def __init__(self, features: Matrix, errors: Numbers) -> None:
        """Fit to the absolute errors of n rows, shape (n,)."""
        from sklearn.ensemble import HistGradientBoostingRegressor

        rows = np.random.default_rng(0).permutation(len(errors))[:MAX_ROWS]
        self._trees: Any = HistGradientBoostingRegressor(early_stopping=False, random_state=0, **TREES)
        with limit_threads(features):
            self._trees.fit(features[rows], errors[rows])
        round_thresholds_down(self._trees)
        self._minimum = MIN_SHARE * float(errors[rows].mean())

    def predict(self, features: Matrix) -> Numbers:
        """Return the errors that are expected of n rows, shape (n,)."""
        with limit_threads(features):
            errors: Numbers = np.maximum(self._trees.predict(features), self._minimum)
        return errors

    def to_variable(self, features: "Var") -> "Var":
        """Return the same as part of a graph, shape (n, 1)."""
        import spox
        import spox.opset.ai.onnx.v21 as op
        from skl2onnx import to_onnx
        from skl2onnx.common.data_types import FloatTensorType

        types = [("features", FloatTensorType([None, self._trees.n_features_in_]))]
        graph = to_onnx(self._trees, initial_types=types, target_opset=18)
        (errors,) = spox.inline(graph)(features).values()
        return op.max([errors, op.const(np.float32(self._minimum))])


@dataclass(frozen=True)
class LocalWidths:
    """A trained regressor with intervals whose half width is `factor` times the error that is expected of a row."""

    model: Model
    trees: ErrorTrees
    factor: float
    calibration: Calibration

    @property
    def is_linear(self) -> bool:
        """Whether the model is linear."""
        return is_linear(self.model)

    def fit(self, train: Dataset, validation: Dataset, callbacks: Callbacks) -> list[float]:
        """Train the model further; the widths stay."""
        return self.model.fit(train, validation, callbacks)

    def predict(self, features: Matrix) -> Outputs:
        """Return estimates with the ends of their intervals, shape (n, 3)."""
        return with_interval(self.model.predict(features)[:, 0], self.factor * self.trees.predict(features))

    def to_onnx(self) -> bytes:
        """Export as an ONNX graph: `features` (n, width) to `answers` (n, 3)."""
        import spox.opset.ai.onnx.v21 as op

        def with_widths(features: "Var", answers: "Var") -> "Var":
            estimate = op.gather(answers, op.const(np.array([0])), axis=1)
            half = op.mul(self.trees.to_variable(features), op.const(np.float32(self.factor)))
            return op.concat([estimate, op.sub(estimate, half), op.add(estimate, half)], axis=1)

        return extended(self.model.to_onnx(), with_widths)


def with_local_widths(model: Model, train: Dataset, validation: Dataset, units: Units) -> Model:
    """Return `model` with widths that follow the rows, or as it is if that does not improve its intervals.

    The interval score must be better by more than chance on the validation rows; `units` are those of these.
    """
    if len(np.unique(units)) < MIN_UNITS:
        return model
    errors = np.abs(train[1] - model.predict(train[0])[:, 0].astype(np.float64))
    if not errors.any():
        return model
    trees = ErrorTrees(train[0], errors)
    features, y_true = validation
    outputs = model.predict(features)
    expected = trees.predict(features)
    estimates = outputs[:, 0].astype(np.float64)
    factor = half_width(estimates / expected, y_true / expected)
    before = interval_scores(outputs, y_true)
    after = interval_scores(with_interval(estimates, factor * expected), y_true)
    if not improvement(before - after, units):
        return model
    calibration = Calibration(
        method="local widths", rows=len(y_true), loss_before=float(before.mean()), loss_after=float(after.mean())
    )
    return LocalWidths(model, trees, factor, calibration)
