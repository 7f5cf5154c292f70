"""Gradient boosted trees from scikit-learn that estimate a number."""

from typing import Any

import numpy as np
from onnx import NodeProto, helper
from sklearn.ensemble import HistGradientBoostingRegressor

from mlkeel.features.encoder import Matrix
from mlkeel.models.boosting import Boosting, threads
from mlkeel.models.model import Shape
from mlkeel.progress import Watch
from mlkeel.tasks.answers import Answers, Truth
from mlkeel.tasks.numbers import half_width, loss_without_features, with_interval


class BoostedRegressor(Boosting):
    """A regression over encoded features; an untrained one estimates 0, and an unfitted one gives no interval."""

    def __init__(self, parameters: dict[str, Any], shape: Shape, seed: int) -> None:
        super().__init__(HistGradientBoostingRegressor, parameters, shape, seed, loss="absolute_error")
        self._half_width = 0.0

    def fit(self, train: tuple[Matrix, Truth], validation: tuple[Matrix, Truth], watch: Watch) -> list[float]:
        """Boost, and learn from the validation part how far estimates are off."""
        losses = super().fit(train, validation, watch)
        self._half_width = half_width(self.predict(validation[0])[:, 0], validation[1])
        return losses

    def loss(self, features: Matrix, truth: Truth) -> float:
        """Mean absolute error, in the unit of the target."""
        return float(np.abs(self.predict(features)[:, 0] - truth).mean())

    def predict(self, features: Matrix) -> Answers:
        """Estimates with the ends of their intervals, shape (n, 3)."""
        if self.rounds == 0:
            return np.zeros((len(features), self.answers))
        with threads(features):
            return with_interval(self._trees.predict(features), self._half_width)

    def _loss_without_features(self, truth: Truth) -> float:
        return loss_without_features(truth)

    def _finish(self, output: str) -> list[NodeProto]:
        half = helper.make_node("Constant", [], ["half_width"], value_floats=[self._half_width])
        low, high = (helper.make_node(kind, [output, "half_width"], [kind]) for kind in ("Sub", "Add"))
        return [half, low, high, helper.make_node("Concat", [output, "Sub", "Add"], ["answers"], axis=1)]
