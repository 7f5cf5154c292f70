"""Calibration of probabilities and of intervals: measured, and corrected in the graph where that helps."""

import json
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from mlkeel.config import read_version_settings
from mlkeel.contract.suites import Column, read_contract
from mlkeel.data.tables import load
from mlkeel.features.encoder import TABLES
from mlkeel.features.graph import Graph, Matrix
from mlkeel.inference.predictor import Predictor
from mlkeel.models.estimator import EstimatorModel
from mlkeel.models.local_widths import with_local_widths
from mlkeel.models.model import Dataset, Model, Shape
from mlkeel.models.temperature import TemperatureScaled, choose_temperature
from mlkeel.progress import Callbacks
from mlkeel.project import Project, Run
from mlkeel.registry.artifact import current
from mlkeel.registry.metrics_file import MetricsFile
from mlkeel.registry.versions import promote
from mlkeel.report.html_sections import model_section
from mlkeel.report.report_data import collect
from mlkeel.tasks.calibration import CalibrationError, calibration_error
from mlkeel.tasks.classification import METRICS as CLASS_METRICS
from mlkeel.tasks.classification import Classification
from mlkeel.tasks.metrics import score
from mlkeel.tasks.number_outputs import COVERAGE, interval_scores
from mlkeel.tasks.outputs import Outputs, Targets
from mlkeel.tasks.regression import METRICS as NUMBER_METRICS
from mlkeel.tasks.regression import Regression
from mlkeel.training.calibrate import calibration_of
from mlkeel.training.reevaluate import reevaluate
from mlkeel.training.steps import fit
from mlkeel.training.training import train as train_project
from sklearn.linear_model import LinearRegression
from sklearn.naive_bayes import GaussianNB

from .kinds import train
from .steps import prepare

NO_CALLBACKS = Callbacks(lambda _done, _loss: None)
COLUMNS = tuple(Column(name) for name in ("first", "second", "third", "fourth"))
MANY = 4000  # rows that no model has seen


def copies(rows: int, seed: int, classes: int = 3) -> Dataset:
    """Four columns that are nearly the same: naive Bayes takes each for a reason of its own, and is too sure."""
    rng = np.random.default_rng(seed)
    y_true = rng.integers(0, classes, rows)
    measured = rng.normal(y_true, 1)
    return np.column_stack([measured + rng.normal(0, 0.3, rows) for _ in COLUMNS]).astype(np.float32), y_true


def noisy(rows: int, seed: int, ratio: float = 5.0) -> Dataset:
    """A line, with noise that is `ratio` times as large where the second column is over a half."""
    rng = np.random.default_rng(seed)
    features = rng.uniform(0, 1, (rows, len(COLUMNS))).astype(np.float32)
    spread = np.where(features[:, 1] > 0.5, ratio, 1)
    return features, 10 * features[:, 0] + spread * rng.normal(size=rows)


def fitted(estimator: object, draw: Callable[[int, int], Dataset]) -> tuple[Model, Dataset]:
    """A model of made-up rows, and validation rows."""
    validation = draw(400, 2)
    model = EstimatorModel(estimator, Shape(COLUMNS, 3))
    model.fit(draw(1200, 1), validation, NO_CALLBACKS)
    return model, validation


@cache
def overconfident() -> tuple[Model, TemperatureScaled]:
    """A model that is too sure, and the same one at the temperature that its validation rows ask for."""
    model, (features, y_true) = fitted(GaussianNB(), copies)
    calibration = choose_temperature(model.predict(features), y_true, np.arange(len(y_true)))
    assert calibration is not None
    return model, TemperatureScaled(model, calibration)


def error_of(outputs: Outputs, y_true: Targets) -> CalibrationError:
    error = calibration_error(outputs, y_true)
    assert error is not None
    return error


def test_a_model_that_is_too_sure_is_as_often_right_as_it_says_on_fresh_rows_once_it_is_corrected() -> None:
    model, corrected = overconfident()
    features, y_true = copies(MANY, 3)
    before, after = (each.predict(features) for each in (model, corrected))
    assert error_of(before, y_true).low > 0.2
    assert error_of(after, y_true).high < 0.08
    np.testing.assert_array_equal(before.argmax(axis=1), after.argmax(axis=1))
    of_two = before[:, :2] / before[:, :2].sum(axis=1, keepdims=True)
    scaled = TemperatureScaled(_Fixed(of_two), corrected.calibration).predict(features)
    assert (np.diff(scaled[np.argsort(of_two[:, 0]), 0]) >= 0).all()


class _Fixed:
    """A model that gives these outputs for any rows."""

    def __init__(self, outputs: Outputs) -> None:
        self._outputs = outputs

    def fit(self, _train: Dataset, _validation: Dataset, _callbacks: Callbacks) -> list[float]:
        return []

    def predict(self, _features: Matrix) -> Outputs:
        return self._outputs

    def to_onnx(self) -> bytes:
        raise NotImplementedError


def test_a_calibrated_model_stays_as_it_is_and_so_does_one_with_few_validation_rows() -> None:
    corrections = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        probabilities = rng.dirichlet(np.ones(3), 300)
        y_true = (probabilities.cumsum(axis=1) < rng.random((300, 1))).sum(axis=1)
        corrections += choose_temperature(probabilities, y_true, np.arange(300)) is not None
    assert corrections <= 2
    model, _ = overconfident()
    features, y_true = copies(MANY, 2)
    outputs = model.predict(features)
    assert choose_temperature(outputs[:60], y_true[:60], np.arange(60)) is None
    few_groups = np.arange(MANY) % 60
    assert choose_temperature(outputs, y_true, few_groups) is None


@pytest.mark.parametrize("sharpness", [1.0, 2.0])
@pytest.mark.parametrize("rows", [200, 2000])
def test_the_interval_of_a_calibration_error_holds_the_true_one(rows: int, sharpness: float) -> None:
    """Of probabilities whose log odds are `sharpness` times the true ones."""
    rng = np.random.default_rng(7)

    def draw(number: int) -> tuple[Outputs, Outputs]:
        log_odds = rng.normal(0, 2, number)
        shares = [1 / (1 + np.exp(-factor * log_odds)) for factor in (sharpness, 1.0)]
        return np.column_stack([1 - shares[0], shares[0]]), shares[1]

    outputs, shares = draw(200_000)
    likelier = np.maximum(shares, 1 - shares)
    true_error = np.sqrt(((outputs.max(axis=1) - likelier) ** 2).mean())
    errors = []
    for _ in range(60):
        outputs, shares = draw(rows)
        errors.append(error_of(outputs, (rng.random(rows) < shares).astype(int)))
    assert sum(error.low <= true_error <= error.high for error in errors) >= 48
    assert np.mean([error.value for error in errors]) == pytest.approx(true_error, abs=0.04)
    assert np.mean([error.high - error.low for error in errors]) < 0.2


def test_the_calibration_error_of_few_rows_is_undefined() -> None:
    features, y_true = copies(40, 3)
    scores = score(Classification().metrics, overconfident()[0].predict(features), y_true)
    assert scores.get("calibration_error") is None


@cache
def heteroscedastic() -> tuple[Model, Model]:
    """A model of rows with unequal noise, and the same one with widths that follow them."""
    model, validation = fitted(LinearRegression(), noisy)
    return model, with_local_widths(model, noisy(1200, 1), validation, np.arange(400))


def test_intervals_cover_as_promised_and_are_narrow_where_there_is_little_noise() -> None:
    model, corrected = heteroscedastic()
    features, y_true = noisy(MANY, 3)
    before, after = (each.predict(features) for each in (model, corrected))
    _, low, high = after.T
    covered = (low <= y_true) & (y_true <= high)
    spread = np.sqrt(COVERAGE * (1 - COVERAGE) * (1 / 400 + 1 / MANY))  # of both the rows that set it and those here
    assert covered.mean() == pytest.approx(COVERAGE, abs=3 * spread)
    loud = features[:, 1] > 0.5
    widths = high - low
    assert 3 < widths[loud].mean() / widths[~loud].mean() < 7
    for rows in (loud, ~loud):
        assert covered[rows].mean() == pytest.approx(COVERAGE, abs=0.06)
    assert widths.mean() < (before[:, 2] - before[:, 1]).mean()
    assert interval_scores(after, y_true).mean() < 0.85 * interval_scores(before, y_true).mean()
    assert score(Regression().metrics, after, y_true)["mean_width"] == pytest.approx(widths.mean())


def test_widths_stay_constant_where_noise_is_the_same_everywhere() -> None:
    for seed in range(5):
        model, validation = fitted(LinearRegression(), lambda rows, which: noisy(rows, 10 * seed + which, 1.0))  # noqa: B023 - called at once
        assert with_local_widths(model, noisy(1200, 10 * seed + 1, 1.0), validation, np.arange(400)) is model


@pytest.mark.parametrize("made", [lambda: overconfident()[1], lambda: heteroscedastic()[1]], ids=["classes", "numbers"])
def test_the_graph_answers_as_the_corrected_model(made: Callable[[], Model]) -> None:
    features = np.random.default_rng(7).normal(size=(2000, len(COLUMNS))).astype(np.float32) * 9
    graph = Graph(made().to_onnx(), "the graph")
    np.testing.assert_allclose(graph.run({"features": features}, "answers"), made().predict(features), atol=1e-4)


def suite(name: str, *columns: str) -> dict[str, object]:
    """A suite that asks for these columns, all numbers but for the answer of two classes."""
    present = {"column_set": list(columns), "exact_match": name == "dataset"}
    expectations = [{"type": "expect_table_columns_to_match_set", "kwargs": present}]
    for column in columns:
        kind = "str" if column == "answer" else "float64"
        expectations.append({"type": "expect_column_type_to_be", "kwargs": {"column": column, "type_": kind}})
    if "answer" in columns:
        expectations.append(
            {
                "type": "expect_column_values_to_be_in_set",
                "kwargs": {"column": "answer", "value_set": ["no", "yes"]},
            }
        )
    return {"name": name, "expectations": expectations, "meta": {}}


def write_project(root: Path, target: str, draw: Callable[[int, int], Dataset]) -> None:
    """A project whose table holds made-up rows."""
    features, y_true = draw(1200, 1)
    names = [column.name for column in COLUMNS]
    table = pd.DataFrame(features, columns=names)
    table[target] = np.array(["no", "yes"])[y_true] if target == "answer" else y_true
    table["unit"] = np.arange(len(table)) % 60
    for folder in ("conf", "data", "expectations"):
        (root / folder).mkdir()
    table.to_csv(root / "data" / "table.csv", index=False)
    (root / "expectations" / "features.json").write_text(json.dumps(suite("features", *names)), encoding="utf-8")
    (root / "expectations" / "dataset.json").write_text(json.dumps(suite("dataset", *table)), encoding="utf-8")
    configure(root, {"data": {"path": "data/table.csv", "target": target, "split": SHARES}})


def configure(root: Path, changes: dict[str, object]) -> None:
    """Change settings."""
    path = root / "conf" / "params.yaml"
    settings = yaml.safe_load(path.read_text("utf-8")) if path.is_file() else {"seed": 7, "model": {}, "gate": GATE}
    path.write_text(yaml.safe_dump(settings | changes), encoding="utf-8")


SHARES = {"train": 0.5, "validation": 0.25, "test": 0.25, "folds": 2}
GATE = {"min_skill": 0.0, "min_slice_rows": 10}
CLASSES = Project(
    "orchard", Classification(), load, TABLES, lambda _parameters, _shape, _seed: GaussianNB(), train, CLASS_METRICS
)
NUMBERS = Project(
    "orchard", Regression(), load, TABLES, lambda _parameters, _shape, _seed: LinearRegression(), train, NUMBER_METRICS
)


@pytest.fixture(scope="module")
def certain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trained project with two classes, whose model is too sure of them."""
    root = tmp_path_factory.mktemp("certain")
    write_project(root, "answer", lambda rows, seed: copies(rows, seed, 2))
    configure(root, {"decision": {"target": {"recall": {"yes": 0.9}}}})
    train_project(CLASSES, root)
    return root


def test_a_version_answers_and_decides_with_corrected_probabilities_and_says_so(certain: Path) -> None:
    folder = current(certain / "artifacts")
    metrics = MetricsFile.read(folder)
    predictor = Predictor.load(folder)
    prepared, judged = reevaluate(CLASSES, predictor, read_version_settings(folder), certain)
    assert metrics.calibration is not None
    assert metrics.calibration.temperature > 2
    assert metrics.calibration.loss_after < metrics.calibration.loss_before
    assert metrics.cross_validation is not None
    for error, rows in ((metrics.calibration_error, 300), (metrics.cross_validation.calibration_error, 1200)):
        assert error is not None
        assert error.value < 0.1
        assert error.rows == pytest.approx(rows, rel=0.2)
    assert metrics.calibration_error.value == metrics.model["calibration_error"]
    assert judged.evaluation.calibration == metrics.calibration
    reevaluated = judged.evaluation.calibration_error
    assert reevaluated is not None
    assert reevaluated.value == pytest.approx(metrics.calibration_error.value, rel=0.01)
    card = (folder / "MODEL_CARD.md").read_text("utf-8")
    report = str(model_section(collect(CLASSES, certain, "off")))
    for text, error in ((card, metrics.calibration_error), (report, reevaluated)):
        assert metrics.calibration.sentence in text
        assert error.phrase in text
    validation = prepared.targets["validation"] == 1
    decided = predictor.decided(predictor.predict(prepared.table.validation)) == 1
    assert decided[validation].mean() == pytest.approx(0.9, abs=0.01)


def test_rows_of_few_groups_are_too_few_to_calibrate_by(certain: Path) -> None:
    settings = read_version_settings(current(certain / "artifacts"))
    split = settings.data.split.model_copy(update={"by": "group", "group": "unit"})
    settings = settings.model_copy(update={"data": settings.data.model_copy(update={"split": split})})
    prepared = prepare(settings, read_contract(certain / "expectations"), certain, CLASSES)
    assert len(prepared.targets["validation"]) > 200
    model, _ = fit(CLASSES.build, prepared, Run(certain, settings, prepared.contract))
    assert calibration_of(model) is None


def test_an_older_version_keeps_its_temperature(certain: Path, tmp_path: Path) -> None:
    root = Path(shutil.copytree(certain, tmp_path / "orchard"))
    older = current(root / "artifacts")
    table = pd.read_csv(root / "data" / "table.csv")
    before = Predictor.load(older).predict(table)
    configure(root, {"calibration": "none", "gate": GATE | {"max_regression": 9.0}})
    newer = train_project(CLASSES, root).folder
    assert MetricsFile.read(newer).calibration is None
    assert np.abs(Predictor.load(newer).predict(table) - before).max() > 0.2
    promote(root, older.name)
    again = Predictor.load(current(root / "artifacts"))
    np.testing.assert_array_equal(again.predict(table), before)
    _, judged = reevaluate(CLASSES, again, read_version_settings(older), root)
    assert judged.evaluation.calibration == MetricsFile.read(older).calibration


def test_a_version_gives_each_row_an_interval_of_its_own_width(tmp_path: Path) -> None:
    write_project(tmp_path, "number", noisy)
    folder = train_project(NUMBERS, tmp_path).folder
    metrics = MetricsFile.read(folder)
    predictor = Predictor.load(folder)
    prepared, judged = reevaluate(NUMBERS, predictor, read_version_settings(folder), tmp_path)
    assert metrics.calibration is not None
    assert metrics.calibration == judged.evaluation.calibration
    assert metrics.calibration.sentence in (folder / "MODEL_CARD.md").read_text("utf-8")
    _, low, high = predictor.predict(prepared.table.test).T
    assert (high - low).mean() == pytest.approx(metrics.model["mean_width"])
    assert (high - low).max() > 3 * (high - low).min()
