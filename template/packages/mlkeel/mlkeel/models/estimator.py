"""Adapt any scikit-learn estimator or pipeline that ONNX can express to the interface of a model."""

from typing import Any

import numpy as np

from mlkeel.errors import InputError
from mlkeel.features.graph import Matrix
from mlkeel.models.model import Dataset, Model, SampleWeight, Shape, Weights
from mlkeel.progress import Callbacks
from mlkeel.tasks.number_outputs import half_width, with_interval
from mlkeel.tasks.outputs import Outputs, Targets


class EstimatorModel:
    """Fits an estimator once, on the training split; for a regressor, the validation split gives the interval.

    In the matrix a missing value is NaN, and a category is its position in the contract. An estimator that cannot take
    these needs an imputer or an encoder before it, in a pipeline.
    """

    def __init__(self, estimator: Any, shape: Shape) -> None:  # noqa: ANN401 - scikit-learn has no types
        self._estimator = estimator
        self._n_outputs = shape.n_outputs
        self._half_width = 0.0

    @property
    def is_linear(self) -> bool:
        """Whether the estimator, or the last step of a pipeline, is a linear model."""
        last = self._estimator[-1] if hasattr(self._estimator, "steps") else self._estimator
        return type(last).__module__.startswith("sklearn.linear_model")

    @property
    def _classifies(self) -> bool:
        from sklearn.base import is_classifier

        return bool(is_classifier(self._estimator))

    def fit(
        self,
        train: Dataset,
        validation: Dataset,
        callbacks: Callbacks,
        *,
        sample_weight: SampleWeight | None = None,
        rounds: int | None = None,
    ) -> list[float]:
        """Fit on the training split, and return the loss on the validation split.

        With `rounds`, of which it needs none, the width of the interval stays as it was.

        Raises:
            InputError: the estimator is of another task, cannot learn from the table, or takes no weights.
        """
        train_weight, validation_weight = sample_weight or (None, None)
        needs_classes = bool(np.issubdtype(train[1].dtype, np.integer))
        if needs_classes != self._classifies or (needs_classes and not hasattr(self._estimator, "predict_proba")):
            required = "probabilities of classes (predict_proba)" if needs_classes else "numbers"
            raise InputError(f"model.py: this project needs an estimator that gives {required}. Change it there.")
        try:
            self._estimator.fit(*train, **_weight_argument(self._estimator, train_weight))
        except ValueError as error:
            raise InputError(
                f"model.py: the estimator cannot learn from this table ({error}). Change it there."
            ) from error
        if rounds is not None:
            return []
        if not self._classifies:
            self._half_width = half_width(self._estimator.predict(validation[0]), validation[1])
        loss = self._loss(*validation, validation_weight)
        callbacks.advance(1, loss)
        return [loss]

    def _loss(self, features: Matrix, y_true: Targets, weight: Weights | None) -> float:
        outputs = self.predict(features)
        if self._classifies:
            likelihoods = outputs[np.arange(len(y_true)), y_true]
            return float(np.average(-np.log(np.maximum(likelihoods, 1e-12)), weights=weight))
        return float(np.average(np.abs(outputs[:, 0] - y_true), weights=weight))

    def predict(self, features: Matrix) -> Outputs:
        """Return outputs of shape (n, outputs)."""
        if not self._classifies:
            return with_interval(self._estimator.predict(features), self._half_width)
        probabilities = np.zeros((len(features), self._n_outputs))
        probabilities[:, self._estimator.classes_] = self._estimator.predict_proba(features)
        return probabilities

    def to_onnx(self) -> bytes:
        """Export as an ONNX graph: `features` (n, width) to `answers` (n, outputs).

        Raises:
            InputError: ONNX cannot express the estimator.
        """
        from onnx import TensorProto, helper
        from skl2onnx import to_onnx
        from skl2onnx.common.data_types import FloatTensorType

        width = self._estimator.n_features_in_
        try:
            graph = to_onnx(
                self._estimator,
                initial_types=[("features", FloatTensorType([None, width]))],
                options={"zipmap": False} if self._classifies else None,
                target_opset=18,
            )
        except Exception as error:  # skl2onnx raises many types
            reason = " ".join(str(error).split())[:200]
            raise InputError(f"model.py: ONNX cannot express this estimator ({reason}). Choose another.") from error
        graph.graph.node.extend(self._output_nodes(graph.graph.output[-1].name))
        del graph.graph.output[:]
        graph.graph.output.append(helper.make_tensor_value_info("answers", TensorProto.FLOAT, [None, self._n_outputs]))
        return bytes(graph.SerializeToString())

    def _output_nodes(self, output: str) -> list[Any]:
        """Return the ONNX nodes that compute `answers` from `output`, the last output of the graph."""
        from onnx import helper

        if not self._classifies:
            half = helper.make_node("Constant", [], ["half_width"], value_floats=[self._half_width])
            column = helper.make_node("Constant", [], ["column"], value_ints=[-1, 1])
            reshape = helper.make_node("Reshape", [output, "column"], ["estimate"])
            low, high = (helper.make_node(name, ["estimate", "half_width"], [name]) for name in ("Sub", "Add"))
            concat = helper.make_node("Concat", ["estimate", "Sub", "Add"], ["answers"], axis=1)
            return [half, column, reshape, low, high, concat]
        if len(self._estimator.classes_) == self._n_outputs:
            return [helper.make_node("Identity", [output], ["answers"])]
        columns = {int(code): column for column, code in enumerate(self._estimator.classes_)}
        positions = [columns.get(code, len(columns)) for code in range(self._n_outputs)]  # the last column is zero
        return [
            helper.make_node("Constant", [], ["first"], value_ints=[0]),
            helper.make_node("Gather", [output, "first"], ["some"], axis=1),
            helper.make_node("Sub", ["some", "some"], ["nothing"]),
            helper.make_node("Concat", [output, "nothing"], ["known"], axis=1),
            helper.make_node("Constant", [], ["places"], value_ints=positions),
            helper.make_node("Gather", ["known", "places"], ["answers"], axis=1),
        ]


def _weight_argument(estimator: Any, weight: Weights | None) -> dict[str, Weights]:  # noqa: ANN401 - no types
    """Return the argument by which `fit` of an estimator takes weights; a pipeline takes those of its last step.

    Raises:
        InputError: it takes none.
    """
    from sklearn.pipeline import Pipeline
    from sklearn.utils.validation import has_fit_parameter

    if weight is None:
        return {}
    prefix = ""
    while isinstance(estimator, Pipeline):
        name, estimator = estimator.steps[-1]
        prefix += f"{name}__"
    if not has_fit_parameter(estimator, "sample_weight"):
        raise InputError(
            f"model.py: {type(estimator).__name__} takes no sample_weight in fit, and conf/params.yaml asks for "
            "weights, by class_weight or by a column of the role weight. Take that out, or choose another estimator."
        )
    return {f"{prefix}sample_weight": weight}


def as_model(built: Any, shape: Shape) -> Model:  # noqa: ANN401 - what a person's code builds
    """Return a model unchanged, or an estimator of scikit-learn as a model.

    Raises:
        InputError: it is neither.
    """
    if all(hasattr(built, name) for name in ("fit", "predict", "to_onnx")):
        model: Model = built
        return model
    if all(hasattr(built, name) for name in ("fit", "predict", "get_params")):
        return EstimatorModel(built, shape)
    raise InputError(
        f"model.py: build gives a {type(built).__name__}, which is no model: it needs fit, predict and to_onnx, or "
        "to be an estimator of scikit-learn. See the protocol Model in mlkeel."
    )
