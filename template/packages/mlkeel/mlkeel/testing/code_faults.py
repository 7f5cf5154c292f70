"""Faults to plant into the code and the model of a project.

Nothing is patched by name: a fault makes another `Project`, whose `build` returns a faulty model, or whose `train`
publishes faulty splits, or whose features are loaded or derived wrongly.
"""

import functools
import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mlkeel.config import SplitSettings
from mlkeel.contract.suites import Contract
from mlkeel.data.split import Split
from mlkeel.data.tables import with_columns
from mlkeel.data.time_split import moments_of
from mlkeel.features.derived import DerivedFeature
from mlkeel.features.values import Values
from mlkeel.models.model import Shape, has_steps
from mlkeel.project import Prepared, Project, Run, Trained, TrainingResult
from mlkeel.training.steps import new_model

if TYPE_CHECKING:
    import pandas as pd

Crashes = list[str]
Wrapper = Callable[..., Any]


@dataclass(frozen=True)
class CodeFault:
    """A fault of a project.

    Attributes:
        name: the fault in words.
        part: code or model.
        place: the function or method that is replaced.
        plant: returns the project with the fault, and appends to the list each exception that the fault itself raises.
        applies: whether a model with these hyperparameters can have the fault.
        applies_to_split: whether a table that is split so can have it.
    """

    name: str
    part: str
    place: str
    plant: Callable[[Project, Crashes], Project]
    applies: Callable[[Any, dict[str, Any]], bool] = lambda _model, _parameters: True
    applies_to_split: Callable[[SplitSettings], bool] = lambda _split: True


class _FaultyModel:
    """A wrapper of a model that replaces one method."""

    def __init__(self, model: Any, method: str, change: Wrapper, crashes: Crashes) -> None:  # noqa: ANN401 - any model
        self._model = model
        self._method = method
        self._change = change
        self._crashes = crashes

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - any attribute
        attribute = getattr(self._model, name)
        if name != self._method:
            return attribute

        def faulty_method(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - any method
            try:
                return self._change(attribute, self._model, *args, **kwargs)
            except Exception as error:
                if _is_raised_by_fault(error):
                    self._crashes.append(describe(error))
                raise

        return faulty_method


def _is_raised_by_fault(error: Exception) -> bool:
    """Whether no code under test is in the traceback of `error`, but only faults and libraries."""
    modules = [str(frame.f_globals.get("__name__")) for frame, _ in traceback.walk_tb(error.__traceback__)]
    libraries = ("numpy", "scipy", "sklearn", "pandas", "onnxruntime", "torch")
    return all(name.startswith("mlkeel.testing") or name.partition(".")[0] in libraries for name in modules)


def describe(error: Exception) -> str:
    """Describe an exception in one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def _model_fault(name: str, method: str, change: Wrapper, *, steps: bool = False) -> CodeFault:
    """Return a fault that replaces a method of the model; `steps` if it applies only to models that learn in steps."""

    def plant(project: Project, crashes: Crashes) -> Project:
        def build(parameters: dict[str, Any], shape: Shape, seed: int) -> Any:  # noqa: ANN401 - any model
            from mlkeel.models.estimator import as_model

            return _FaultyModel(as_model(project.build(parameters, shape, seed), shape), method, change, crashes)

        return replace(project, build=build)

    def applies(model: Any, _parameters: dict[str, Any]) -> bool:  # noqa: ANN401 - any model
        return not steps or has_steps(model)

    return CodeFault(name, "model", f"model.{method}", plant, applies)


def _plant_tiny_learning_rate(project: Project, crashes: Crashes) -> Project:
    def build(parameters: dict[str, Any], shape: Shape, seed: int) -> Any:  # noqa: ANN401 - any model
        try:
            tiny = parameters | {"learning_rate": parameters["learning_rate"] * 1e-9}
        except TypeError as error:  # for some models it is a string
            crashes.append(describe(error))
            raise
        return project.build(tiny, shape, seed)

    return replace(project, build=build)


def _split_fault(
    name: str,
    change: Callable[[Split, SplitSettings], Split],
    applies_to: Callable[[SplitSettings], bool] = lambda _split: True,
) -> CodeFault:
    """Return a fault that changes the splits which a training publishes."""

    def plant(project: Project, crashes: Crashes) -> Project:  # noqa: ARG001 - nothing can go wrong in it
        def train(project_: Project, run: Run) -> TrainingResult:
            def publish(prepared: Prepared, trained: Trained) -> TrainingResult:
                table = change(prepared.table, run.settings.data.split)
                return run.publish(_rearranged(prepared, table), trained)

            return project.train(project_, replace(run, publish=publish))

        return replace(project, train=train)

    return CodeFault(name, "code", "train", plant, applies_to_split=applies_to)


def _rearranged(prepared: Prepared, table: Split) -> Prepared:
    """Return what a training would have prepared of these splits of the same rows."""
    rows = np.concatenate([frame.index for frame in prepared.table.frames.values()])
    place_of = {row: place for place, row in enumerate(rows.tolist())}
    features = np.concatenate([prepared.features[name] for name in prepared.table.frames])
    targets = np.concatenate([prepared.targets[name] for name in prepared.table.frames])
    places = {name: [place_of[row] for row in frame.index.tolist()] for name, frame in table.frames.items()}
    return replace(
        prepared,
        table=table,
        features={name: features[places[name]] for name in places},
        targets={name: targets[places[name]] for name in places},
    )


def _dealt_at_random(split: Split, _settings: SplitSettings) -> Split:
    """Deal the rows of each split anew, whatever their group and time."""
    import pandas as pd

    rows = pd.concat(list(split.frames.values())).sample(frac=1, random_state=7)
    validation_start = len(split.train)
    test_start = validation_start + len(split.validation)
    return replace(
        split,
        train=rows.iloc[:validation_start],
        validation=rows.iloc[validation_start:test_start],
        test=rows.iloc[test_start:],
    )


def _with_group_on_two_sides(split: Split, settings: SplitSettings) -> Split:
    """Move a row of a group with others to another split, if there is such a group."""
    for name, other in (("test", "train"), ("train", "test"), ("validation", "train")):
        rows = split.frames[name]
        repeated = rows[settings.group].notna() & rows[settings.group].duplicated(keep=False)
        if repeated.any():
            return _with_row_moved(split, name, int(repeated.to_numpy().argmax()), other)
    return split


def _with_later_time_in_training(split: Split, settings: SplitSettings) -> Split:
    """Move the latest row of the test split to training."""
    latest = int(moments_of(split.test[str(settings.time)]).argmax())
    return _with_row_moved(split, "test", latest, "train")


def _with_row_moved(split: Split, name: str, place: int, other: str) -> Split:
    """Move the row at `place` of the split `name` to another."""
    import pandas as pd

    frames = split.frames
    row = frames[name].iloc[[place]]
    changed: dict[str, Any] = {name: frames[name].drop(row.index), other: pd.concat([frames[other], row])}
    return replace(split, **changed)


def future_value_fault(time: str | None) -> CodeFault:
    """Return a fault that loads a feature with its value in the next row in time, if the split is by the column `time`.

    It is the feature that changes most often from one row to the next.
    """

    def plant(project: Project, crashes: Crashes) -> Project:  # noqa: ARG001 - nothing can go wrong in it
        def load(path: Path, contract: Contract) -> "pd.DataFrame":
            table = project.load(path, contract)
            order = np.argsort(moments_of(table[str(time)]), kind="stable")
            next_rows = np.empty_like(order)
            next_rows[order] = np.append(order[1:], order[-1])
            names = [column.name for column in contract.columns if column.name != time]
            values = table[names].astype(object)
            shifted = values.iloc[next_rows].set_axis(table.index)
            differ = (shifted != values) & (shifted.notna() | values.notna())
            name = str(differ.sum().idxmax())
            return with_columns(table, {name: table[name].iloc[next_rows].set_axis(table.index)})

        return replace(project, load=load)

    return CodeFault("future value as a feature", "code", "load", plant, applies_to_split=lambda _: time is not None)


def derived_fault(column: str) -> CodeFault:
    """Return a fault that gives a derived column in another unit, a thousand times as large."""

    def plant(project: Project, crashes: Crashes) -> Project:  # noqa: ARG001 - nothing can go wrong in it
        derived = tuple(_in_another_unit(feature, column) for feature in project.features.derived)
        return replace(project, features=replace(project.features, derived=derived))

    return CodeFault("derived column in another unit", "code", f"features.{column}", plant)


def _in_another_unit(feature: DerivedFeature, column: str) -> DerivedFeature:
    @functools.wraps(feature.function)
    def faulty_function(*columns: Values) -> dict[str, Values]:
        derived = feature.evaluate(dict(zip(feature.columns, columns, strict=True)))
        return {name: values * 1000 if name == column else values for name, values in derived.items()}

    return replace(feature, function=faulty_function)


def _fit_shuffled(  # as a project calls it
    fit: Wrapper,
    _model: object,
    train: Any,  # noqa: ANN401 - any arrays
    validation: Any,  # noqa: ANN401
    callbacks: Any,  # noqa: ANN401
    **options: Any,  # noqa: ANN401
) -> Any:  # noqa: ANN401
    features, y_true = train
    return fit((features, np.random.default_rng(7).permutation(y_true)), validation, callbacks, **options)


def _predict_constant(predict: Wrapper, _model: object, matrix: Any) -> Any:  # noqa: ANN401
    return np.tile(predict(matrix[:1]), (len(matrix), 1))


def _predict_with_noise(predict: Wrapper, _model: object, matrix: Any) -> Any:  # noqa: ANN401
    return predict(matrix) ** np.random.default_rng().uniform(0.9, 1.1)


CODE_FAULTS = (
    _split_fault("train rows in the test set", lambda split, _: replace(split, test=split.train)),
    _split_fault("off-by-one split", lambda split, _: replace(split, test=split.test.iloc[1:])),
    _split_fault("split at random", _dealt_at_random, lambda split: split.group is not None or split.time is not None),
    _split_fault("group on two sides", _with_group_on_two_sides, lambda split: split.group is not None),
    _split_fault("later time in training", _with_later_time_in_training, lambda split: split.time is not None),
    _model_fault("frozen weights", "step", lambda _step, model, *batch: model.loss(*batch), steps=True),
    CodeFault(
        "untrained",
        "model",
        "build",
        _plant_tiny_learning_rate,
        lambda model, parameters: has_steps(model) and "learning_rate" in parameters,
    ),
    _model_fault(
        "stopped after one step", "fit", lambda _fit, model, train, *_, **_options: [model.step(*train)], steps=True
    ),
    _model_fault("trained on shuffled labels", "fit", _fit_shuffled),
    _model_fault("constant prediction", "predict", _predict_constant),
    _model_fault("answers halved", "predict", lambda predict, _model, matrix: predict(matrix) / 2),
    _model_fault("other answers for one seed", "predict", _predict_with_noise),
)


def applies(fault: CodeFault, project: Project, prepared: Prepared, run: Run) -> bool:
    """Whether `fault` applies to a project."""
    if not fault.applies_to_split(run.settings.data.split):
        return False
    return fault.applies(new_model(project.build, prepared, run), run.settings.model)
