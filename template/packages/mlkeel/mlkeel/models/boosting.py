"""Gradient boosted trees from scikit-learn: their training and their export to ONNX.

One boosting round is a step, which tests take one by one; `fit` runs many rounds in one call. The losses and outputs
are defined in `boosted_classifier.py` and `boosted_regressor.py`.
"""

import functools
from abc import ABC, abstractmethod
from contextlib import AbstractContextManager
from typing import Annotated, Any

import numpy as np
from onnx import NodeProto, TensorProto, helper
from pydantic import Field
from sklearn.base import clone
from threadpoolctl import ThreadpoolController

from mlkeel.config import ConfigModel, checked
from mlkeel.features.graph import Matrix
from mlkeel.models.model import Dataset, SampleWeight, Shape
from mlkeel.progress import Callbacks
from mlkeel.tasks.outputs import Outputs, Targets


class Hyperparameters(ConfigModel):
    """The `model` section of `conf/params.yaml`; all names but rounds, patience and improvement are scikit-learn's."""

    rounds: Annotated[int, Field(ge=1, le=100_000)]
    patience: Annotated[int, Field(ge=1, le=100_000)]
    improvement: Annotated[float, Field(ge=0)]
    learning_rate: Annotated[float, Field(gt=0, le=1)]
    max_leaf_nodes: Annotated[int, Field(ge=2, le=100_000)]
    min_samples_leaf: Annotated[int, Field(ge=1, le=1_000_000)]
    l2_regularization: Annotated[float, Field(ge=0)]


class Boosting(ABC):
    """Boosted trees of the scikit-learn class `estimator_class`; `options` are arguments that only this class takes."""

    def __init__(
        self, estimator_class: type, parameters: dict[str, Any], shape: Shape, seed: int, **options: object
    ) -> None:
        self.parameters = checked(Hyperparameters, parameters, "conf/params.yaml, model")
        self.n_outputs = shape.n_outputs
        self._trees = estimator_class(
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
    def loss(self, features: Matrix, y_true: Targets) -> float:
        """Return the mean loss of the predictions."""

    @abstractmethod
    def predict(self, features: Matrix) -> Outputs:
        """Return outputs of shape (n, outputs)."""

    @abstractmethod
    def _loss_without_features(self, y_true: Targets) -> float:
        """Return the loss of the best constant prediction for n rows."""

    @abstractmethod
    def _output_nodes(self, output: str) -> list[NodeProto]:
        """Return the ONNX nodes that compute `answers` from `output`, the last output of the trees' graph."""

    @property
    def rounds(self) -> int:
        """The number of boosting rounds that have been run."""
        return int(getattr(self._trees, "n_iter_", 0))

    @property
    def max_rounds(self) -> int:
        """The most rounds that `fit` runs."""
        return self.parameters.rounds

    def step(self, features: Matrix, y_true: Targets) -> float:
        """Run one boosting round on a batch and return the loss after it."""
        self._trees.set_params(max_iter=self.rounds + 1, early_stopping=False)
        with limit_threads(features):
            self._trees.fit(features, y_true)
        return self.loss(features, y_true)

    def fit(
        self,
        train: Dataset,
        validation: Dataset,
        callbacks: Callbacks,
        *,
        sample_weight: SampleWeight | None = None,
        rounds: int | None = None,
    ) -> list[float]:
        """Run boosting rounds until the validation loss stops improving, then keep the rounds up to the best one.

        It stops after `patience` rounds that improve by less than `improvement` of the loss without features. With
        `rounds`, it begins anew and runs so many. With weights, both losses are weighted means.

        Returns the validation loss of each round that is kept. `callbacks.advance` is called about twenty times in all.
        `callbacks.checkpoint` is not used, since a round takes less time than writing one.
        """
        train_weight, validation_weight = sample_weight or (None, None)
        if rounds is not None:
            self._trees = clone(self._trees).set_params(max_iter=rounds, early_stopping=False)
            with limit_threads(train[0]):
                self._trees.fit(*train, sample_weight=train_weight)
            callbacks.advance(rounds, None)
            return []
        chunk = max(1, self.parameters.rounds // 20)
        self._trees.set_params(tol=self.parameters.improvement * self._loss_without_features(train[1]))
        while self.rounds < self.parameters.rounds:
            max_iter = min(self.rounds + chunk, self.parameters.rounds)
            self._trees.set_params(max_iter=max_iter, early_stopping=True)
            with limit_threads(train[0]):
                self._trees.fit(
                    *train,
                    sample_weight=train_weight,
                    X_val=validation[0],
                    y_val=validation[1],
                    sample_weight_val=validation_weight,
                )
            callbacks.advance(self.rounds, float(-self._trees.validation_score_[-1]))
            if self.rounds < max_iter:
                break
        losses = [float(-score) for score in self._trees.validation_score_[1:]]
        best = int(np.argmin(losses)) + 1
        del self._trees._predictors[best:]  # noqa: SLF001 - no public way; n_iter_ and the export count these
        return losses[:best]

    def to_onnx(self) -> bytes:
        """Export as an ONNX graph: `features` (n, width) to `answers` (n, outputs)."""
        from skl2onnx import to_onnx
        from skl2onnx.common.data_types import FloatTensorType

        round_thresholds_down(self._trees)
        graph = to_onnx(
            self._trees,
            initial_types=[("features", FloatTensorType([None, self._trees.n_features_in_]))],
            options={"zipmap": False} if hasattr(self._trees, "classes_") else None,
            target_opset=18,
        )
        graph.graph.node.extend(self._output_nodes(graph.graph.output[-1].name))
        del graph.graph.output[:]
        graph.graph.output.append(helper.make_tensor_value_info("answers", TensorProto.FLOAT, [None, self.n_outputs]))
        return bytes(graph.SerializeToString())


def round_thresholds_down(trees: Any) -> None:  # noqa: ANN401 - scikit-learn has no types
    """Round thresholds of `trees` down to single precision, in which ONNX stores them.

    A threshold lies midway between two training values. Rounded up, it can equal a third value, which then takes the
    other branch: 41.4 did, and changed a probability by 0.88. Rounded down, every single precision number keeps its
    branch, so predictions do not change.
    """
    for trees_of_round in trees._predictors:  # noqa: SLF001 - no public name; skl2onnx reads it too
        for tree in trees_of_round:
            exact = tree.nodes["num_threshold"]
            nearest = exact.astype(np.float32)
            below = np.nextafter(nearest, np.float32(-np.inf))
            tree.nodes["num_threshold"] = np.where(nearest > exact, below, nearest)


@functools.cache
def _thread_pools() -> ThreadpoolController:
    return ThreadpoolController()


def limit_threads(features: Matrix) -> AbstractContextManager[object]:
    """Limit a small table to one thread: several would mostly wait for each other, on a busy machine for minutes."""
    limits: AbstractContextManager[object] = _thread_pools().limit(limits=1 if features.size < 100_000 else None)
    return limits
