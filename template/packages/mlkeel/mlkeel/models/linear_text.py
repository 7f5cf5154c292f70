"""A linear model over tokens, in scikit-learn.

Each class has a weight for each token; a text is the sum of those of its tokens. In scikit-learn that is a network
without a hidden layer, which learns batch by batch, and in ONNX a look-up and a sum.
"""

from typing import Annotated, Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper
from pydantic import Field
from scipy.sparse import csr_array
from sklearn.metrics import log_loss
from sklearn.neural_network import MLPClassifier

from mlkeel.config import Strict, checked
from mlkeel.errors import InputError
from mlkeel.features.encoder import Matrix
from mlkeel.features.texts import BUCKETS, LONGEST
from mlkeel.models.model import Part, Shape
from mlkeel.progress import Watch
from mlkeel.tasks.answers import Answers, Truth
from mlkeel.tasks.classes import loss_without_features


class Hyperparameters(Strict):
    """The `model` part of `conf/params.yaml`."""

    epochs: Annotated[int, Field(ge=1, le=100_000)]
    patience: Annotated[int, Field(ge=1, le=100_000)]
    improvement: Annotated[float, Field(ge=0)]
    batch_rows: Annotated[int, Field(ge=1, le=1_000_000)]
    learning_rate: Annotated[float, Field(gt=0, le=1)]
    l2_regularization: Annotated[float, Field(ge=0)]


class LinearText:
    """A classifier over tokens; an untrained one finds all classes equally likely."""

    def __init__(self, parameters: dict[str, Any], shape: Shape, seed: int) -> None:
        self.parameters = checked(Hyperparameters, parameters, "conf/params.yaml, model")
        self.answers = shape.answers
        self._linear = MLPClassifier(
            hidden_layer_sizes=(),
            alpha=self.parameters.l2_regularization,
            learning_rate_init=self.parameters.learning_rate,
            random_state=seed,
        )

    @property
    def longest(self) -> int:
        """How many epochs `fit` runs at most."""
        return self.parameters.epochs

    def step(self, features: Matrix, truth: Truth) -> float:
        """Take one step of the optimizer on a batch and return the loss after it."""
        self._learn(features, truth, len(features))
        return self.loss(features, truth)

    def fit(self, train: Part, validation: Part, watch: Watch) -> list[float]:
        """Learn until the validation loss has hardly improved for `patience` epochs, and go back to the best of them.

        Hardly is by less than `improvement` of the loss without features.

        Returns the validation loss of each epoch up to the best. The checkpoint of `watch` is not used, since an epoch
        takes less than writing one.

        Raises:
            InputError: the loss is no number any more.
        """
        losses: list[float] = []
        best: tuple[list[Any], list[Any]] = ([], [])
        least = self.parameters.improvement * loss_without_features(train[1])
        while len(losses) < self.longest and self._improves(losses, least):
            self._learn(*train, self.parameters.batch_rows)
            losses.append(self.loss(*validation))
            if np.argmin(losses) == len(losses) - 1:
                best = [part.copy() for part in self._linear.coefs_], [part.copy() for part in self._linear.intercepts_]
            watch.advance(len(losses), losses[-1])
        self._linear.coefs_, self._linear.intercepts_ = best
        return losses[: int(np.argmin(losses)) + 1]

    def loss(self, features: Matrix, truth: Truth) -> float:
        """Mean negative log-likelihood, in nats."""
        return float(log_loss(truth, self.predict(features), labels=range(self.answers)))

    def predict(self, features: Matrix) -> Answers:
        """Probabilities of shape (n, classes), each row summing to 1."""
        if not hasattr(self._linear, "coefs_"):
            return np.full((len(features), self.answers), 1 / self.answers)
        probabilities: Answers = self._linear.predict_proba(_bags(features))
        return probabilities

    def to_onnx(self) -> bytes:
        """Export as an ONNX graph: `features` (n, width) to `answers` (n, answers)."""
        weights, bias = self._linear.coefs_[0], self._linear.intercepts_[0]
        if self.answers == 2:  # one column tells both classes apart
            weights, bias = np.hstack([np.zeros_like(weights), weights]), np.append(0, bias)
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
            [helper.make_tensor_value_info("answers", TensorProto.FLOAT, [None, self.answers])],
            [numpy_helper.from_array(value, name) for name, value in constants.items()],
        )
        opset = helper.make_opsetid("", 18)
        return bytes(helper.make_model(graph, opset_imports=[opset], ir_version=10).SerializeToString())

    def _learn(self, features: Matrix, truth: Truth, rows: int) -> None:
        self._linear.set_params(batch_size=min(rows, len(features)))
        self._linear.partial_fit(_bags(features), truth, classes=np.arange(self.answers))

    def _improves(self, losses: list[float], least: float) -> bool:
        """Whether the last `patience` losses hold one that is by `least` under all before.

        Raises:
            InputError: a loss is no number any more.
        """
        if not np.isfinite(losses[-1:]).all():
            raise InputError(
                f"conf/params.yaml, model: after {len(losses)} epochs the loss is no number any more, so nothing was "
                "kept. Lower learning_rate."
            )
        before, last = losses[: -self.parameters.patience], losses[-self.parameters.patience :]
        return not before or min(last) < min(before) - least


def _bags(features: Matrix) -> csr_array:
    """Bags of tokens, shape (n, buckets): each token that is there counts the same, and a row has the length 1."""
    present = ~np.isnan(features)
    counts = present.sum(axis=1)
    values = np.repeat(1 / np.sqrt(np.maximum(counts, 1)), counts)
    return csr_array(
        (values, features[present].astype(np.int64), np.append(0, counts.cumsum())), (len(features), BUCKETS)
    )
