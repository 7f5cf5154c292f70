"""Any estimator or pipeline of scikit-learn that ONNX can express, as a model."""

from typing import Any

import numpy as np

from mlkeel.errors import InputError
from mlkeel.features.encoder import Matrix
from mlkeel.models.model import Model, Part, Shape
from mlkeel.progress import Watch
from mlkeel.tasks.answers import Answers, Truth
from mlkeel.tasks.numbers import half_width, with_interval


class Estimator:
    """Fits an estimator once, to the training part; one that estimates numbers gets an interval from the other part.

    A missing value is NaN in the matrix, and a category the number of its place in the contract: an estimator that does
    not take these as they are stands behind an imputer or an encoder, in a pipeline.
    """

    def __init__(self, estimator: Any, shape: Shape) -> None:  # noqa: ANN401 - scikit-learn has no types
        self._estimator, self._answers = estimator, shape.answers
        self._half_width = 0.0

    @property
    def _classifies(self) -> bool:
        from sklearn.base import is_classifier

        return bool(is_classifier(self._estimator))

    def fit(self, train: Part, validation: Part, watch: Watch) -> list[float]:
        """Learn from the training part; the one loss is that of the validation part."""
        classes = bool(np.issubdtype(train[1].dtype, np.integer))
        if classes != self._classifies or (classes and not hasattr(self._estimator, "predict_proba")):
            wanted = "probabilities of classes (predict_proba)" if classes else "numbers"
            raise InputError(f"model.py: this project needs an estimator that gives {wanted}. Change it there.")
        try:
            self._estimator.fit(*train)
        except ValueError as error:
            raise InputError(
                f"model.py: the estimator cannot learn from this table ({error}). Change it there."
            ) from error
        if not self._classifies:
            self._half_width = half_width(self._estimator.predict(validation[0]), validation[1])
        loss = self._loss(*validation)
        watch.advance(1, loss)
        return [loss]

    def _loss(self, features: Matrix, truth: Truth) -> float:
        found = self.predict(features)
        if self._classifies:
            own = found[np.arange(len(truth)), truth]
            return float(-np.log(np.maximum(own, 1e-12)).mean())
        return float(np.abs(found[:, 0] - truth).mean())

    def predict(self, features: Matrix) -> Answers:
        """Answers of shape (n, answers)."""
        if not self._classifies:
            return with_interval(self._estimator.predict(features), self._half_width)
        found = np.zeros((len(features), self._answers))
        found[:, self._estimator.classes_] = self._estimator.predict_proba(features)
        return found

    def to_onnx(self) -> bytes:
        """Export as an ONNX graph: `features` (n, width) to `answers` (n, answers).

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
        except Exception as error:  # of many kinds, by what it cannot convert
            reason = " ".join(str(error).split())[:200]
            raise InputError(f"model.py: ONNX cannot express this estimator ({reason}). Choose another.") from error
        graph.graph.node.extend(self._answer(graph.graph.output[-1].name))
        del graph.graph.output[:]
        graph.graph.output.append(helper.make_tensor_value_info("answers", TensorProto.FLOAT, [None, self._answers]))
        return bytes(graph.SerializeToString())

    def _answer(self, output: str) -> list[Any]:
        """The nodes that make `answers` of the last `output` of the graph."""
        from onnx import helper

        if not self._classifies:
            half = helper.make_node("Constant", [], ["half_width"], value_floats=[self._half_width])
            column = helper.make_node("Constant", [], ["column"], value_ints=[-1, 1])
            shaped = helper.make_node("Reshape", [output, "column"], ["estimate"])
            low, high = (helper.make_node(kind, ["estimate", "half_width"], [kind]) for kind in ("Sub", "Add"))
            whole = helper.make_node("Concat", ["estimate", "Sub", "Add"], ["answers"], axis=1)
            return [half, column, shaped, low, high, whole]
        if len(self._estimator.classes_) == self._answers:
            return [helper.make_node("Identity", [output], ["answers"])]
        known = {int(code): place for place, code in enumerate(self._estimator.classes_)}
        places = [known.get(code, len(known)) for code in range(self._answers)]  # after the known comes nothing
        return [
            helper.make_node("Constant", [], ["first"], value_ints=[0]),
            helper.make_node("Gather", [output, "first"], ["some"], axis=1),
            helper.make_node("Sub", ["some", "some"], ["nothing"]),
            helper.make_node("Concat", [output, "nothing"], ["known"], axis=1),
            helper.make_node("Constant", [], ["places"], value_ints=places),
            helper.make_node("Gather", ["known", "places"], ["answers"], axis=1),
        ]


def as_model(built: Any, shape: Shape) -> Model:  # noqa: ANN401 - what a person's code builds
    """A model as it is, and an estimator of scikit-learn as one.

    Raises:
        InputError: it is neither.
    """
    if all(hasattr(built, name) for name in ("fit", "predict", "to_onnx")):
        model: Model = built
        return model
    if all(hasattr(built, name) for name in ("fit", "predict", "get_params")):
        return Estimator(built, shape)
    raise InputError(
        f"model.py: build gives a {type(built).__name__}, which is no model: it needs fit, predict and to_onnx, or "
        "to be an estimator of scikit-learn. See the protocol Model in mlkeel."
    )
