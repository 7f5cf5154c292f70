"""Faults to plant into the code and the model, one at a time, while the tests run.

Each changes what one function does, wherever it is called, and names the tests that should notice.
"""

import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from . import artifact, validate
from . import split as splitting
from .contract import Contract
from .evaluate import Evaluation
from .features import Encoder
from .model import Model
from .predict import Graph, Predictor
from .split import Split

if TYPE_CHECKING:
    import pytest


@dataclass(frozen=True)
class Sabotage:
    """A fault: `change` stands for `name` of `owner`, gets the original first, and some of `tests` should notice."""

    fault: str
    part: str
    owner: "type | ModuleType"
    name: str
    tests: tuple[str, ...]
    change: Callable[..., Any]
    applies: Callable[[Contract], bool] = lambda _: True

    @property
    def place(self) -> str:
        """Where it is planted."""
        return f"{self.owner.__name__.rpartition('.')[2]}.{self.name}"

    def plant(self, patch: "pytest.MonkeyPatch", crashes: list[str]) -> None:
        """Plant it until `patch` is undone; what goes wrong in the fault itself is added to `crashes`."""
        replace(patch, self.owner, self.name, self.change, crashes)


def replace(
    patch: "pytest.MonkeyPatch",
    owner: "type | ModuleType",
    name: str,
    change: Callable[..., Any],
    crashes: list[str],
) -> None:
    """Let `change` stand for a method of a class, or for a function in every module of the package that imported it.

    An exception of `change` itself is added to `crashes`: a test that fails by it has noticed nothing. One that comes
    out of the code that it calls is not.
    """
    original, package = getattr(owner, name), __name__.partition(".")[0]

    def changed(*given: Any, **named: Any) -> Any:  # noqa: ANN401 - any function
        try:
            return change(original, *given, **named)
        except Exception as error:
            if _is_of_the_fault(error):
                crashes.append(described(error))
            raise

    if isinstance(owner, type):
        patch.setattr(owner, name, changed)
        return
    for where, module in list(sys.modules.items()):
        if where.partition(".")[0] == package and getattr(module, name, None) is original:
            patch.setattr(module, name, changed)


def _is_of_the_fault(error: Exception) -> bool:
    """Whether no code that a fault was planted into takes part in `error`."""
    package = __name__.partition(".")[0]
    modules = [str(frame.f_globals.get("__name__")) for frame, _ in traceback.walk_tb(error.__traceback__)]
    return all(name == __name__ or name.partition(".")[0] != package for name in modules)


def described(error: Exception) -> str:
    """An exception in one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def _without_missing(encode: Callable[..., Any], self: Encoder, rows: Any) -> Any:  # noqa: ANN401
    return np.nan_to_num(encode(self, rows))


def _split_by_place(_: Callable[..., Any], table: Any, shares: Any, key: Any = None) -> Split:  # noqa: ANN401, ARG001
    first, second = int(len(table) * shares.train), int(len(table) * (shares.train + shares.validation))
    return Split(table.iloc[:first], table.iloc[first:second], table.iloc[second:])


def _split_off_by_one(split: Callable[..., Split], *given: Any, **named: Any) -> Split:  # noqa: ANN401
    parts = split(*given, **named)
    return Split(parts.train, parts.validation, parts.test.iloc[1:])


def _train_rows_in_test(split: Callable[..., Split], *given: Any, **named: Any) -> Split:  # noqa: ANN401
    parts = split(*given, **named)
    return Split(parts.train, parts.validation, parts.train)


def _turned(matrix: Any) -> Any:  # noqa: ANN401
    return np.ascontiguousarray(matrix[:, ::-1])


def _shifted(encode: Callable[..., Any], self: Encoder, rows: Any) -> Any:  # noqa: ANN401
    return encode(self, rows) + 1


def _unsteady(predict: Callable[..., Any], *given: Any) -> Any:  # noqa: ANN401
    return predict(*given) ** np.random.default_rng().uniform(0.9, 1.1)


def _one_step(_: Callable[..., Any], self: Model, train: Any, *_validation: Any) -> Any:  # noqa: ANN401
    return [self.step(*train)]


def _learn_nothing(begin: Callable[..., Any], self: Model, parameters: Any, *given: Any) -> None:  # noqa: ANN401
    begin(self, parameters | {"learning_rate": parameters["learning_rate"] * 1e-9}, *given)


def _learn_noise(fit: Callable[..., Any], self: Model, train: Any, validation: Any, after: Any) -> Any:  # noqa: ANN401
    features, truth = train
    return fit(self, (features, np.random.default_rng(7).permutation(truth)), validation, after)


def _constant(predict: Callable[..., Any], self: Model, matrix: Any) -> Any:  # noqa: ANN401
    return np.tile(predict(self, matrix[:1]), (len(matrix), 1))


def _backwards(load: Callable[..., Predictor], *given: Any) -> Predictor:  # noqa: ANN401
    predictor = load(*given)
    predictor.answers = predictor.answers[::-1]
    return predictor


def _in_use_by_another_name(_: Callable[..., None], artifacts: Any, version: str) -> None:  # noqa: ANN401
    import shutil

    shutil.copytree(artifacts / version, artifacts / "older")
    (artifacts / "current").write_text("older\n", encoding="utf-8")


def _in_serving(change: Callable[[Any], Any]) -> Callable[..., Any]:
    """Change the encoded features in serving, and not in training."""
    return lambda _, self, rows: self.graph.run(change(self._encoder.encode(rows)))


def _has_an_order(contract: Contract) -> bool:
    """Whether columns of numbers and categories stand side by side; words are learnt from in any order."""
    return len(contract.columns) > 1 and not any(column.text for column in contract.columns)


def _code(
    fault: str,
    owner: "type | ModuleType",
    name: str,
    tests: str,
    change: Callable[..., Any],
    applies: Callable[[Contract], bool] = lambda _: True,
) -> Sabotage:
    return Sabotage(fault, "code", owner, name, (f"tests/code/test_{tests}.py",) if tests else MODEL, change, applies)


def _model(fault: str, owner: "type | ModuleType", name: str, change: Callable[..., Any]) -> Sabotage:
    return Sabotage(fault, "model", owner, name, MODEL, change)


MODEL = tuple(f"tests/model/test_{name}.py" for name in ("training", "inference", "behavior"))
SABOTAGES = (
    _code("scaling in training only", Predictor, "predict", "", _in_serving(lambda matrix: matrix * 0.01)),
    _code("column order changed", Predictor, "predict", "", _in_serving(_turned), _has_an_order),
    _code("imputation skipped", Encoder, "encode", "features", _without_missing),
    _code("codes off by one", Encoder, "encode", "features", _shifted),
    _code("off-by-one split", splitting, "split", "split", _split_off_by_one),
    _code("split by place", splitting, "split", "split", _split_by_place),
    _code("train rows in the test set", splitting, "split", "", _train_rows_in_test),
    _code("contract not enforced", validate, "enforce", "validate", lambda *_: []),
    _code("gate always open", Evaluation, "shortcomings", "evaluate", lambda *_: []),
    _model("frozen weights", Model, "step", lambda _, self, *batch: self.loss(*batch)),
    _model("untrained", Model, "__init__", _learn_nothing),
    _model("stopped after one step", Model, "fit", _one_step),
    _model("trained on shuffled labels", Model, "fit", _learn_noise),
    _model("constant prediction", Model, "predict", _constant),
    _model("answers halved", Model, "predict", lambda predict, *given: predict(*given) / 2),
    _model("other answers for one seed", Model, "predict", _unsteady),
    _model("answers under other names", Predictor, "load", _backwards),
    _model("NaN output", Graph, "run", lambda run, *given: run(*given) * np.nan),
    _model("ONNX differs from the framework", Graph, "run", lambda run, *given: run(*given) * 0.999),
    _model("wrong artifact version", artifact, "put_in_use", _in_use_by_another_name),
)
