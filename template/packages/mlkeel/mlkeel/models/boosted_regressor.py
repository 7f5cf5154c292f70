"""Gradient boosted trees from scikit-learn for regression."""

from typing import Any

import numpy as np
from onnx import NodeProto, helper
from sklearn.ensemble import HistGradientBoostingRegressor

from mlkeel.features.graph import Matrix
from mlkeel.models.boosting import Boosting, limit_threads
from mlkeel.models.model import Dataset, SampleWeight, Shape
from mlkeel.progress import Callbacks
from mlkeel.tasks.number_outputs import half_width, loss_without_features, with_interval
from mlkeel.tasks.outputs import Outputs, Targets


class BoostedRegressor(Boosting):
    """A regressor over encoded features; before the first round it estimates 0, before `fit` intervals have width 0."""

    def __init__(self, parameters: dict[str, Any], shape: Shape, seed: int) -> None:
        super().__init__(HistGradientBoostingRegressor, parameters, shape, seed, loss="absolute_error")
        self._half_width = 0.0

    def fit(
        self,
        train: Dataset,
        validation: Dataset,
        callbacks: Callbacks,
        *,
        sample_weight: SampleWeight | None = None,
        rounds: int | None = None,
    ) -> list[float]:
        """Run boosting rounds as in `Boosting.fit`, then set the interval by the residuals of the validation split."""
        losses = super().fit(train, validation, callbacks, sample_weight=sample_weight, rounds=rounds)
        if rounds is None:
            self._half_width = half_width(self.predict(validation[0])[:, 0], validation[1])
        return losses

    def loss(self, features: Matrix, y_true: Targets) -> float:
        """Return the mean absolute error, in the unit of the target."""
        return float(np.abs(self.predict(features)[:, 0] - y_true).mean())

    def predict(self, features: Matrix) -> Outputs:
        """Return estimates with the ends of their intervals, shape (n, 3)."""
        if self.rounds == 0:
            return np.zeros((len(features), self.n_outputs))
        with limit_threads(features):
            return with_interval(self._trees.predict(features), self._half_width)

    def _loss_without_features(self, y_true: Targets) -> float:
        return loss_without_features(y_true)

    def _output_nodes(self, output: str) -> list[NodeProto]:
        half = helper.make_node("Constant", [], ["half_width"], value_floats=[self._half_width])
        low, high = (helper.make_node(name, [output, "half_width"], [name]) for name in ("Sub", "Add"))
        return [half, low, high, helper.make_node("Concat", [output, "Sub", "Add"], ["answers"], axis=1)]
