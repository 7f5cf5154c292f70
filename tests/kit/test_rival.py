"""Each training says what its model gains over a simpler one, and never fails by that."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from mlkeel.contract.suites import Column
from mlkeel.models.estimator import EstimatorModel
from mlkeel.models.model import Shape
from mlkeel.progress import Callbacks
from mlkeel.registry.artifact import current
from mlkeel.registry.metrics_file import MetricsFile
from mlkeel.tasks.classification import Classification
from mlkeel.tasks.comparison import RivalComparison
from mlkeel.tasks.evaluation import evaluate
from mlkeel.tasks.regression import Regression
from mlkeel.training import rival
from mlkeel.training.rival import compare_with_rival
from mlkeel.training.training import train
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from .kinds import KIND

COLUMNS = (Column("size"), Column("width"), Column("color", ("blue", "green", "red")))
QUIET = Callbacks(lambda _done, _loss: None)
Task = Classification | Regression


def prepare(target: Any, rows: int = 900) -> Any:
    """Splits of rows of two numbers, some of them missing, and a category, whose `target` is a function of these."""
    rng = np.random.default_rng(7)
    size, width = rng.normal(size=(2, rows))
    color = rng.integers(0, 3, rows)
    y_true = target(size, width, color, rng)
    size[rng.random(rows) < 0.05] = np.nan
    matrix = np.column_stack([size, width, color]).astype(np.float32)
    bounds = {"train": slice(0, 500), "validation": slice(500, 600), "test": slice(600, rows)}
    return SimpleNamespace(
        encoder=SimpleNamespace(columns=COLUMNS),
        table=SimpleNamespace(test=pd.DataFrame(index=range(rows - 600)), description=SimpleNamespace(group=None)),
        features={name: matrix[bound] for name, bound in bounds.items()},
        targets={name: y_true[bound] for name, bound in bounds.items()},
        output_names=("no", "yes") if y_true.dtype == np.int64 else ("estimate", "low", "high"),
    )


def compared(prepared: Any, estimator: Any, task: Task) -> RivalComparison:
    """A simpler model beside a fitted `estimator`."""
    model = EstimatorModel(estimator, Shape(COLUMNS, len(prepared.output_names)))
    features = prepared.features
    model.fit(*((np.nan_to_num(features[name]), prepared.targets[name]) for name in ("train", "validation")), QUIET)
    outputs = model.predict(np.nan_to_num(features["test"]))
    targets = prepared.targets
    gate: Any = SimpleNamespace(slices=())
    evaluation = evaluate(task, task.metrics, prepared.table.test, outputs, targets["test"], targets["train"], gate)
    return compare_with_rival(evaluation, outputs, [(prepared, model)])


def logistic(score: Any, rng: Any) -> Any:
    return (rng.random(len(score)) < 1 / (1 + np.exp(-score))).astype(np.int64)


def test_beside_a_linear_relation_a_linear_model_does_as_well() -> None:
    prepared = prepare(lambda size, width, color, rng: logistic(2 * size - width + 2 * (color == 1), rng))
    comparison = compared(prepared, DecisionTreeClassifier(max_depth=3), Classification())
    assert comparison.within_noise
    assert "logistic regression on the same features" in comparison.sentence


def test_what_is_gained_where_the_relation_is_not_linear_is_named() -> None:
    prepared = prepare(lambda size, width, _color, rng: logistic(6 * np.sign(size * width), rng))
    comparison = compared(prepared, DecisionTreeClassifier(max_depth=4, min_samples_leaf=10), Classification())
    assert not comparison.within_noise
    assert comparison.gain > 0.4
    assert f"the model saves {comparison.gain:.1%} ± {2 * comparison.gain_se:.1%} of it" in comparison.sentence


def test_numbers_have_a_simpler_model_too() -> None:
    prepared = prepare(lambda size, width, color, rng: 3 * size - width + color + rng.normal(size=len(size)))
    comparison = compared(prepared, DecisionTreeRegressor(max_depth=3), Regression())
    assert comparison.within_noise
    assert comparison.gain < 0
    assert "ridge regression" in comparison.sentence


def test_beside_a_linear_model_it_answers_by_the_category_that_tells_most() -> None:
    prepared = prepare(lambda _size, _width, color, rng: logistic(3 * (color == 2) - 1.5, rng))
    comparison = compared(prepared, LogisticRegression(), Classification())
    assert "within each color" in comparison.rival
    assert comparison.scores is not None
    assert comparison.scores["accuracy"] > 0.75


@pytest.mark.parametrize("folds", [0, 2])
def test_a_training_keeps_it_for_the_rows_that_the_gate_judges_by(project: Path, folds: int) -> None:
    params = project / "conf" / "params.yaml"
    params.write_text(params.read_text(encoding="utf-8").replace("folds: 0", f"folds: {folds}"), encoding="utf-8")
    outcome = train(KIND.project, project)
    metrics = MetricsFile.read(outcome.folder)
    assert metrics.rival is not None
    assert metrics.rival["skipped_because"] is None
    judged = outcome.cross_validation.evaluation if outcome.cross_validation else outcome.evaluation
    assert metrics.rival["scores"]["rows"] == judged.model.rows
    card = (outcome.folder / "MODEL_CARD.md").read_text(encoding="utf-8").replace("\\", "")
    assert metrics.rival["sentence"] in card
    assert f"{outcome.evaluation.skill:.1%} ± " in card or folds


def test_a_training_whose_simpler_model_fails_is_as_good_as_any(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rival, "_fit", lambda *_: 1 / 0)
    outcome = train(KIND.project, project)
    assert current(project / "artifacts") == outcome.folder
    assert outcome.rival is not None
    assert "was not compared: ZeroDivisionError" in outcome.rival.sentence
    assert not outcome.rival.within_noise
