"""Gradient boosted trees from scikit-learn: how they grow, and what ONNX needs of them.

One boosting round is a step, so that tests can watch it learn; `fit` runs many rounds in one call. What the trees
answer stands in `boosted_classifier.py` and `boosted_regressor.py`.
"""

import functools
from abc import ABC, abstractmethod
from contextlib import AbstractContextManager
from typing import Annotated, Any

import numpy as np
from onnx import NodeProto, TensorProto, helper
from pydantic import Field
from threadpoolctl import ThreadpoolController

from mlkeel.config import Strict, checked
from mlkeel.features.encoder import Matrix
from mlkeel.models.model import Shape
from mlkeel.progress import Watch
from mlkeel.tasks.answers import Answers, Truth


class Hyperparameters(Strict):
    """The `model` part of `conf/params.yaml`; names are scikit-learn's, but for rounds, patience and improvement."""

    rounds: Annotated[int, Field(ge=1, le=100_000)]
    patience: Annotated[int, Field(ge=1, le=100_000)]
    improvement: Annotated[float, Field(ge=0)]
    learning_rate: Annotated[float, Field(gt=0, le=1)]
    max_leaf_nodes: Annotated[int, Field(ge=2, le=100_000)]
    min_samples_leaf: Annotated[int, Field(ge=1, le=1_000_000)]
    l2_regularization: Annotated[float, Field(ge=0)]


class Boosting(ABC):
    """Trees that grow round by round; `kind` is scikit-learn's class of them, `options` are what only it takes."""

    def __init__(self, kind: type, parameters: dict[str, Any], shape: Shape, seed: int, **options: object) -> None:
        self.parameters = checked(Hyperparameters, parameters, "conf/params.yaml, model")
        self.answers = shape.answers
        self._trees = kind(
            learning_rate=self.parameters.learning_rate,
            max_leaf_nodes=self.parameters.max_leaf_nodes,
            min_samples_leaf=self.parameters.min_samples_leaf,
            l2_regularization=self.parameters.l2_regularization,
            n_iter_no_change=self.parameters.patience,
            early_stopping=False,
            scoring="loss",
            warm_start=True,
            random_state=seed,
            **options,
        )

    @abstractmethod
    def loss(self, features: Matrix, truth: Truth) -> float:
        """How far the answers are from the truth."""

    @abstractmethod
    def predict(self, features: Matrix) -> Answers:
        """Answers of shape (n, answers)."""

    @abstractmethod
    def _loss_without_features(self, truth: Truth) -> float:
        """The loss of the best answer that is the same for all of n rows."""

    @abstractmethod
    def _finish(self, output: str) -> list[NodeProto]:
        """The nodes that make `answers` of the last `output` of the graph of the trees."""

    @property
    def rounds(self) -> int:
        """How many boosting rounds have been run."""
        return int(getattr(self._trees, "n_iter_", 0))

    @property
    def longest(self) -> int:
        """How many rounds `fit` runs at most."""
        return self.parameters.rounds

    def step(self, features: Matrix, truth: Truth) -> float:
        """Run one boosting round on a batch and return the loss after it."""
        self._trees.set_params(max_iter=self.rounds + 1, early_stopping=False)
        with threads(features):
            self._trees.fit(features, truth)
        return self.loss(features, truth)

    def fit(self, train: tuple[Matrix, Truth], validation: tuple[Matrix, Truth], watch: Watch) -> list[float]:
        """Boost until the validation loss has hardly improved for `patience` rounds, and go back to the best of them.

        Hardly is by less than `improvement` of the loss without features.

        Returns the validation loss of each round that is kept. `watch` is told about twenty times in all; its
        checkpoint is not used, since a round takes less than writing one.
        """
        chunk = max(1, self.parameters.rounds // 20)
        self._trees.set_params(tol=self.parameters.improvement * self._loss_without_features(train[1]))
        while self.rounds < self.parameters.rounds:
            goal = min(self.rounds + chunk, self.parameters.rounds)
            self._trees.set_params(max_iter=goal, early_stopping=True)
            with threads(train[0]):
                self._trees.fit(*train, X_val=validation[0], y_val=validation[1])
            watch.advance(self.rounds, float(-self._trees.validation_score_[-1]))
            if self.rounds < goal:
                break
        losses = [float(-score) for score in self._trees.validation_score_[1:]]
        best = int(np.argmin(losses)) + 1
        del self._trees._predictors[best:]  # noqa: SLF001 - no public way; n_iter_ and the export count what is there
        return losses[:best]

    def to_onnx(self) -> bytes:
        """Export as an ONNX graph: `features` (n, width) to `answers` (n, answers)."""
        from skl2onnx import to_onnx
        from skl2onnx.common.data_types import FloatTensorType

        self._round_thresholds_down()
        graph = to_onnx(
            self._trees,
            initial_types=[("features", FloatTensorType([None, self._trees.n_features_in_]))],
            options={"zipmap": False} if hasattr(self._trees, "classes_") else None,
            target_opset=18,
        )
        graph.graph.node.extend(self._finish(graph.graph.output[-1].name))
        del graph.graph.output[:]
        graph.graph.output.append(helper.make_tensor_value_info("answers", TensorProto.FLOAT, [None, self.answers]))
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


def threads(features: Matrix) -> AbstractContextManager[object]:
    """One thread for a small table: more of them mostly wait, for each other and, on a busy machine, for minutes."""
    limits: AbstractContextManager[object] = _pools().limit(limits=1 if features.size < 100_000 else None)
    return limits
