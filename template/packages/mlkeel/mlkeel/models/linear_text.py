"""A linear classifier over bags of tokens, in scikit-learn.

Each class has a weight for each token, and its log odds are the scaled sum of the weights of the tokens. In
scikit-learn that is a network without a hidden layer, which learns from mini-batches; in ONNX, a look-up and a sum.
"""

from typing import Annotated, Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper
from pydantic import Field
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.metrics import log_loss
from sklearn.neural_network import MLPClassifier

from mlkeel.config import ConfigModel, checked
from mlkeel.features.graph import Matrix
from mlkeel.features.texts import LONGEST, N_BUCKETS
from mlkeel.models.early_stopping import improves
from mlkeel.models.model import Dataset, SampleWeight, Shape, Weights
from mlkeel.progress import Callbacks
from mlkeel.tasks.class_outputs import loss_without_features
from mlkeel.tasks.outputs import Outputs, Targets


class Hyperparameters(ConfigModel):
    """The `model` section of `conf/params.yaml`."""

    epochs: Annotated[int, Field(ge=1, le=100_000)]
    patience: Annotated[int, Field(ge=1, le=100_000)]
    improvement: Annotated[float, Field(ge=0)]
    batch_rows: Annotated[int, Field(ge=1, le=1_000_000)]
    learning_rate: Annotated[float, Field(gt=0, le=1)]
    l2_regularization: Annotated[float, Field(ge=0)]


class LinearText:
    """A classifier over tokens; before the first step, all classes have the same probability."""

    is_linear = True  # so that it is compared with a simpler model than a linear one

    def __init__(self, parameters: dict[str, Any], shape: Shape, seed: int) -> None:
        self.parameters = checked(Hyperparameters, parameters, "conf/params.yaml, model")
        self.n_outputs = shape.n_outputs
        self._linear = MLPClassifier(
            hidden_layer_sizes=(),
            alpha=self.parameters.l2_regularization,
            learning_rate_init=self.parameters.learning_rate,
            random_state=seed,
        )

    @property
    def max_rounds(self) -> int:
        """The most epochs that `fit` runs."""
        return self.parameters.epochs

    def step(self, features: Matrix, y_true: Targets) -> float:
        """Take one step of the optimizer on a batch and return the loss after it."""
        self._train_epoch(features, y_true, len(features))
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
        """Train until the validation loss stops improving, then restore the weights of the best epoch.

        It stops after `patience` epochs that improve by less than `improvement` of the loss without features. With
        `rounds`, it begins anew and runs so many epochs. With weights of rows, both losses are weighted means.

        Returns the validation loss of each epoch up to the best. `callbacks.checkpoint` is not used, since an epoch
        takes less time than writing one.

        Raises:
            InputError: a loss is not finite.
        """
        train_weight, validation_weight = sample_weight or (None, None)
        if rounds is not None:
            self._linear = clone(self._linear)
            for epoch in range(1, rounds + 1):
                self._train_epoch(*train, self.parameters.batch_rows, train_weight)
                callbacks.advance(epoch, None)
            return []
        losses: list[float] = []
        best: tuple[list[Any], list[Any]] = ([], [])
        min_improvement = self.parameters.improvement * loss_without_features(train[1])
        while improves(losses, self.parameters.patience, min_improvement) and len(losses) < self.max_rounds:
            self._train_epoch(*train, self.parameters.batch_rows, train_weight)
            losses.append(self.loss(*validation, validation_weight))
            if np.argmin(losses) == len(losses) - 1:
                best = (
                    [array.copy() for array in self._linear.coefs_],
                    [array.copy() for array in self._linear.intercepts_],
                )
            callbacks.advance(len(losses), losses[-1])
        self._linear.coefs_, self._linear.intercepts_ = best
        return losses[: int(np.argmin(losses)) + 1]

    def loss(self, features: Matrix, y_true: Targets, weight: Weights | None = None) -> float:
        """Return the mean negative log-likelihood, in nats, perhaps weighted."""
        outputs = self.predict(features)
        return float(log_loss(y_true, outputs, labels=range(self.n_outputs), sample_weight=weight))

    def predict(self, features: Matrix) -> Outputs:
        """Return probabilities of shape (n, classes), each row summing to 1."""
        if not hasattr(self._linear, "coefs_"):
            return np.full((len(features), self.n_outputs), 1 / self.n_outputs)
        probabilities: Outputs = self._linear.predict_proba(bags_of_tokens(features))
        return probabilities

    def to_onnx(self) -> bytes:
        """Export as an ONNX graph: `features` (n, width) to `answers` (n, outputs)."""
        weights = self._linear.coefs_[0]
        bias = self._linear.intercepts_[0]
        if self.n_outputs == 2:  # scikit-learn has one column of weights for two classes
            weights = np.hstack([np.zeros_like(weights), weights])
            bias = np.append(0, bias)
        constants = {"weights": weights.astype(np.float32), "bias": bias.astype(np.float32)}
        constants |= {"nothing": np.float32(0), "one": np.float32(1), "tokens": np.array([1]), "classes": np.array([2])}
        nodes = [
            helper.make_node("IsNaN", ["features"], ["absent"]),
            helper.make_node("Where", ["absent", "nothing", "features"], ["filled"]),
            helper.make_node("Cast", ["filled"], ["numbers"], to=TensorProto.INT64),
            helper.make_node("Gather", ["weights", "numbers"], ["of_tokens"]),
            helper.make_node("Where", ["absent", "nothing", "one"], ["present"]),
            helper.make_node("Unsqueeze", ["present", "classes"], ["mask"]),
            helper.make_node("Mul", ["of_tokens", "mask"], ["of_present"]),
            helper.make_node("ReduceSum", ["of_present", "tokens"], ["sums"], keepdims=0),
            helper.make_node("ReduceSum", ["present", "tokens"], ["counts"]),
            helper.make_node("Max", ["counts", "one"], ["divisors"]),
            helper.make_node("Sqrt", ["divisors"], ["lengths"]),
            helper.make_node("Div", ["sums", "lengths"], ["scaled"]),
            helper.make_node("Add", ["scaled", "bias"], ["log_odds"]),
            helper.make_node("Softmax", ["log_odds"], ["answers"], axis=1),
        ]
        graph = helper.make_graph(
            nodes,
            "linear",
            [helper.make_tensor_value_info("features", TensorProto.FLOAT, [None, LONGEST])],
            [helper.make_tensor_value_info("answers", TensorProto.FLOAT, [None, self.n_outputs])],
            [numpy_helper.from_array(value, name) for name, value in constants.items()],
        )
        opset = helper.make_opsetid("", 18)
        return bytes(helper.make_model(graph, opset_imports=[opset], ir_version=10).SerializeToString())

    def _train_epoch(self, features: Matrix, y_true: Targets, batch_rows: int, weight: Weights | None = None) -> None:
        self._linear.set_params(batch_size=min(batch_rows, len(features)))
        bags = bags_of_tokens(features)
        self._linear.partial_fit(bags, y_true, sample_weight=weight, classes=np.arange(self.n_outputs))


def bags_of_tokens(features: Matrix) -> csr_array:
    """Return bags of tokens, shape (n, buckets): all tokens of a row have the same weight, and the row has length 1."""
    present = ~np.isnan(features)
    counts = present.sum(axis=1)
    values = np.repeat(1 / np.sqrt(np.maximum(counts, 1)), counts)
    return csr_array(
        (values, features[present].astype(np.int64), np.append(0, counts.cumsum())), (len(features), N_BUCKETS)
    )
