"""Gradient boosted trees from scikit-learn for classification."""

from typing import Any

import numpy as np
from onnx import NodeProto, helper
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import log_loss

from mlkeel.features.graph import Matrix
from mlkeel.models.boosting import Boosting, limit_threads
from mlkeel.models.model import Shape
from mlkeel.tasks.class_outputs import loss_without_features
from mlkeel.tasks.outputs import Outputs, Targets


class BoostedClassifier(Boosting):
    """A classifier over encoded features; before the first round, all classes have the same probability."""

    def __init__(self, parameters: dict[str, Any], shape: Shape, seed: int) -> None:
        super().__init__(HistGradientBoostingClassifier, parameters, shape, seed)

    def loss(self, features: Matrix, y_true: Targets) -> float:
        """Return the mean negative log-likelihood, in nats."""
        return float(log_loss(y_true, self.predict(features), labels=range(self.n_outputs)))

    def predict(self, features: Matrix) -> Outputs:
        """Return probabilities of shape (n, classes), each row summing to 1."""
        if self.rounds == 0:
            return np.full((len(features), self.n_outputs), 1 / self.n_outputs)
        probabilities = np.zeros((len(features), self.n_outputs))
        classes = self._trees.classes_
        if len(classes) == 1:  # predict_proba has two columns even then
            probabilities[:, classes] = 1
            return probabilities
        with limit_threads(features):
            probabilities[:, classes] = self._trees.predict_proba(features)
        return probabilities

    def _loss_without_features(self, y_true: Targets) -> float:
        return loss_without_features(y_true)

    def _output_nodes(self, output: str) -> list[NodeProto]:
        return [helper.make_node("Identity", [output], ["answers"])]
