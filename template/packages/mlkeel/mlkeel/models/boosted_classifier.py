"""Gradient boosted trees from scikit-learn that tell classes."""

from typing import Any

import numpy as np
from onnx import NodeProto, helper
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import log_loss

from mlkeel.features.encoder import Matrix
from mlkeel.models.boosting import Boosting, threads
from mlkeel.models.model import Shape
from mlkeel.tasks.answers import Answers, Truth
from mlkeel.tasks.classes import loss_without_features


class BoostedClassifier(Boosting):
    """A classifier over encoded features; an untrained one finds all classes equally likely."""

    def __init__(self, parameters: dict[str, Any], shape: Shape, seed: int) -> None:
        super().__init__(HistGradientBoostingClassifier, parameters, shape, seed)

    def loss(self, features: Matrix, truth: Truth) -> float:
        """Mean negative log-likelihood, in nats."""
        return float(log_loss(truth, self.predict(features), labels=range(self.answers)))

    def predict(self, features: Matrix) -> Answers:
        """Probabilities of shape (n, classes), each row summing to 1."""
        if self.rounds == 0:
            return np.full((len(features), self.answers), 1 / self.answers)
        probabilities = np.zeros((len(features), self.answers))
        seen = self._trees.classes_
        if len(seen) == 1:  # scikit-learn answers two columns all the same
            probabilities[:, seen] = 1
            return probabilities
        with threads(features):
            probabilities[:, seen] = self._trees.predict_proba(features)
        return probabilities

    def _loss_without_features(self, truth: Truth) -> float:
        return loss_without_features(truth)

    def _finish(self, output: str) -> list[NodeProto]:
        return [helper.make_node("Identity", [output], ["answers"])]
