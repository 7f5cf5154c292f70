"""Faults to plant into the code and the model of a project: a part of it is replaced by one that does wrong.

Nothing is patched by name: a fault makes another `Project`, whose `build` gives a model that errs, or whose `train`
hands over what it should not.
"""

import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mlkeel.data.split import Split
from mlkeel.models.model import Shape, has_steps
from mlkeel.project import Outcome, Prepared, Project, Run, Trained
from mlkeel.training.steps import new_model

Crashes = list[str]
Change = Callable[..., Any]


@dataclass(frozen=True)
class ProjectFault:
    """A fault of a project; `plant` gives the project with it, and adds to the list what the fault itself raises."""

    name: str
    part: str
    place: str
    plant: Callable[[Project, Crashes], Project]
    applies: Callable[[Any, dict[str, Any]], bool] = lambda _model, _parameters: True


class _Erring:
    """A model of which one method does something else; all others are its own."""

    def __init__(self, model: Any, method: str, change: Change, crashes: Crashes) -> None:  # noqa: ANN401 - any model
        self._model, self._method, self._change, self._crashes = model, method, change, crashes

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - any attribute
        found = getattr(self._model, name)
        if name != self._method:
            return found

        def changed(*given: Any, **named: Any) -> Any:  # noqa: ANN401 - any method
            try:
                return self._change(found, self._model, *given, **named)
            except Exception as error:
                if is_of_the_fault(error):
                    self._crashes.append(described(error))
                raise

        return changed


def is_of_the_fault(error: Exception) -> bool:
    """Whether no code that is under test takes part in `error`: it all went wrong in faults, or in libraries."""
    modules = [str(frame.f_globals.get("__name__")) for frame, _ in traceback.walk_tb(error.__traceback__)]
    libraries = ("numpy", "scipy", "sklearn", "pandas", "onnxruntime", "torch")
    return all(name.startswith("mlkeel.testing") or name.partition(".")[0] in libraries for name in modules)


def described(error: Exception) -> str:
    """An exception in one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def _of_model(name: str, method: str, change: Change, *, steps: bool = False) -> ProjectFault:
    def plant(project: Project, crashes: Crashes) -> Project:
        def build(parameters: dict[str, Any], shape: Shape, seed: int) -> Any:  # noqa: ANN401 - any model
            from mlkeel.models.estimator import as_model

            return _Erring(as_model(project.build(parameters, shape, seed), shape), method, change, crashes)

        return replace(project, build=build)

    def applies(model: Any, _parameters: dict[str, Any]) -> bool:  # noqa: ANN401 - any model
        return not steps or has_steps(model)

    return ProjectFault(name, "model", f"model.{method}", plant, applies)


def _slowly(project: Project, crashes: Crashes) -> Project:
    def build(parameters: dict[str, Any], shape: Shape, seed: int) -> Any:  # noqa: ANN401 - any model
        try:
            slower = parameters | {"learning_rate": parameters["learning_rate"] * 1e-9}
        except TypeError as error:  # for some models it is a word
            crashes.append(described(error))
            raise
        return project.build(slower, shape, seed)

    return replace(project, build=build)


def _of_flow(name: str, change: Callable[[Split], Split]) -> ProjectFault:
    def plant(project: Project, crashes: Crashes) -> Project:  # noqa: ARG001 - nothing can go wrong in it
        def train(project_: Project, run: Run) -> Outcome:
            def publish(prepared: Prepared, trained: Trained) -> Outcome:
                return run.publish(replace(prepared, table=change(prepared.table)), trained)

            return project.train(project_, replace(run, publish=publish))

        return replace(project, train=train)

    return ProjectFault(name, "code", "train", plant)


def _shuffled(fit: Change, _model: object, train: Any, validation: Any, watch: Any) -> Any:  # noqa: ANN401
    features, truth = train
    return fit((features, np.random.default_rng(7).permutation(truth)), validation, watch)


def _constant(predict: Change, _model: object, matrix: Any) -> Any:  # noqa: ANN401
    return np.tile(predict(matrix[:1]), (len(matrix), 1))


def _unsteady(predict: Change, _model: object, matrix: Any) -> Any:  # noqa: ANN401
    return predict(matrix) ** np.random.default_rng().uniform(0.9, 1.1)


PROJECT_FAULTS = (
    _of_flow("train rows in the test set", lambda parts: Split(parts.train, parts.validation, parts.train)),
    _of_flow("off-by-one split", lambda parts: Split(parts.train, parts.validation, parts.test.iloc[1:])),
    _of_model("frozen weights", "step", lambda _step, model, *batch: model.loss(*batch), steps=True),
    ProjectFault(
        "untrained",
        "model",
        "build",
        _slowly,
        lambda model, parameters: has_steps(model) and "learning_rate" in parameters,
    ),
    _of_model("stopped after one step", "fit", lambda _fit, model, train, *_: [model.step(*train)], steps=True),
    _of_model("trained on shuffled labels", "fit", _shuffled),
    _of_model("constant prediction", "predict", _constant),
    _of_model("answers halved", "predict", lambda predict, _model, matrix: predict(matrix) / 2),
    _of_model("other answers for one seed", "predict", _unsteady),
)


def applies(fault: ProjectFault, project: Project, prepared: Prepared, run: Run) -> bool:
    """Whether a project has what `fault` breaks."""
    return fault.applies(new_model(project.build, prepared, run), run.settings.model)
