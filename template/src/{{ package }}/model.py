"""The model: gradient boosted trees from scikit-learn. The only module that knows how they are built and trained.

Its face is step-wise, one boosting round a step, so that tests can watch it learn; `fit` runs many rounds in one call.
"""

import functools
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
from pydantic import Field
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import log_loss
from threadpoolctl import ThreadpoolController

from .features import Matrix
from .settings import Strict, checked

Probabilities = npt.NDArray[np.floating]
Classes = npt.NDArray[np.int64]


class Hyperparameters(Strict):
    """The `model` part of `conf/params.yaml`; names are scikit-learn's, but for rounds, patience and improvement."""

    rounds: Annotated[int, Field(ge=1, le=100_000)]
    patience: Annotated[int, Field(ge=1, le=100_000)]
    improvement: Annotated[float, Field(ge=0)]
    learning_rate: Annotated[float, Field(gt=0, le=1)]
    max_leaf_nodes: Annotated[int, Field(ge=2, le=100_000)]
    min_samples_leaf: Annotated[int, Field(ge=1, le=1_000_000)]
    l2_regularization: Annotated[float, Field(ge=0)]


class Model:
    """A classifier over encoded features; an untrained one finds all classes equally likely."""

    def __init__(self, parameters: dict[str, Any], classes: int, seed: int) -> None:
        self.parameters = checked(Hyperparameters, parameters, "conf/params.yaml, model")
        self.classes = classes
        self._trees = HistGradientBoostingClassifier(
            learning_rate=self.parameters.learning_rate,
            max_leaf_nodes=self.parameters.max_leaf_nodes,
            min_samples_leaf=self.parameters.min_samples_leaf,
            l2_regularization=self.parameters.l2_regularization,
            n_iter_no_change=self.parameters.patience,
            tol=self.parameters.improvement,
            early_stopping=False,
            scoring="loss",
            warm_start=True,
            random_state=seed,
        )

    @property
    def rounds(self) -> int:
        """How many boosting rounds have been run."""
        return int(getattr(self._trees, "n_iter_", 0))

    def step(self, features: Matrix, truth: Classes) -> float:
        """Run one boosting round on a batch and return the loss after it."""
        self._trees.set_params(max_iter=self.rounds + 1, early_stopping=False)
        with _threads(features):
            self._trees.fit(features, truth)
        return self.loss(features, truth)

    def fit(
        self,
        train: tuple[Matrix, Classes],
        validation: tuple[Matrix, Classes],
        after_rounds: Callable[[int], None],
    ) -> list[float]:
        """Boost until the validation loss has hardly improved for `patience` rounds, and go back to the best of them.

        Returns the validation loss of each round that is kept. `after_rounds` is told how many are done, about twenty
        times in all.
        """
        chunk = max(1, self.parameters.rounds // 20)
        while self.rounds < self.parameters.rounds:
            goal = min(self.rounds + chunk, self.parameters.rounds)
            self._trees.set_params(max_iter=goal, early_stopping=True)
            with _threads(train[0]):
                self._trees.fit(*train, X_val=validation[0], y_val=validation[1])
            after_rounds(self.rounds)
            if self.rounds < goal:
                break
        losses = [float(-score) for score in self._trees.validation_score_[1:]]
        best = int(np.argmin(losses)) + 1
        del self._trees._predictors[best:]  # noqa: SLF001 - no public way; n_iter_ and the export count what is there
        return losses[:best]

    def loss(self, features: Matrix, truth: Classes) -> float:
        """Mean negative log-likelihood, in nats."""
        return float(log_loss(truth, self.predict(features), labels=range(self.classes)))

    def predict(self, features: Matrix) -> Probabilities:
        """Probabilities of shape (n, classes), each row summing to 1."""
        if self.rounds == 0:
            return np.full((len(features), self.classes), 1 / self.classes)
        probabilities = np.zeros((len(features), self.classes))
        with _threads(features):
            probabilities[:, self._trees.classes_] = self._trees.predict_proba(features)
        return probabilities

    def to_onnx(self) -> bytes:
        """Export as an ONNX graph: `features` (n, width) to `probabilities` (n, classes)."""
        from skl2onnx import to_onnx
        from skl2onnx.common.data_types import FloatTensorType

        self._round_thresholds_down()
        width = self._trees.n_features_in_
        graph = to_onnx(
            self._trees,
            initial_types=[("features", FloatTensorType([None, width]))],
            options={"zipmap": False},
            target_opset=18,
        )
        return bytes(graph.SerializeToString())

    def _round_thresholds_down(self) -> None:
        """Make thresholds exact in single precision, which is what ONNX stores.

        A threshold lies midway between two values that were seen. Rounded up it can land on a third value, which then
        takes the other branch: 41.4 did, and turned a probability by 0.88. Rounded down, every single precision number
        keeps its branch, so predictions do not change.
        """
        for trees in self._trees._predictors:  # noqa: SLF001 - no public name; skl2onnx reads the same one
            for tree in trees:
                exact = tree.nodes["num_threshold"]
                nearest = exact.astype(np.float32)
                below = np.nextafter(nearest, np.float32(-np.inf))
                tree.nodes["num_threshold"] = np.where(nearest > exact, below, nearest)


@functools.cache
def _pools() -> ThreadpoolController:
    return ThreadpoolController()


def _threads(features: Matrix) -> AbstractContextManager[object]:
    """One thread for a small table: more of them mostly wait, for each other and, on a busy machine, for minutes."""
    limits: AbstractContextManager[object] = _pools().limit(limits=1 if features.size < 100_000 else None)
    return limits
