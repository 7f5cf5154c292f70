"""What a version is fitted on, and by what its rows are weighted."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from mlkeel.adopt.infer_roles import infer_roles
from mlkeel.config import Settings, SplitSettings, checked, read_settings
from mlkeel.contract.suites import Column, read_contract
from mlkeel.contract.validate import check
from mlkeel.data.split import Split, fold_places
from mlkeel.drafts.draft import draft
from mlkeel.errors import DataError, InputError
from mlkeel.features.encoder import TABLES
from mlkeel.features.graph import Graph
from mlkeel.inference.predictor import Predictor
from mlkeel.models.model import Dataset, Shape
from mlkeel.models.temperature import scale
from mlkeel.progress import Callbacks
from mlkeel.project import Prepared, Run
from mlkeel.registry.metrics_file import MetricsFile
from mlkeel.tasks.calibration import Calibration
from mlkeel.tasks.output_types import output_type_of
from mlkeel.training import steps as flow
from mlkeel.training.learning_data import class_weights, held_out
from mlkeel.training.reevaluate import reevaluate
from mlkeel.training.training import train
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline

from . import steps
from .kinds import KIND

Spied = Callable[..., tuple[Any, list[dict[str, Any]], list[float]]]
BOTH = ("train", "validation")


@pytest.fixture(scope="module")
def settings(original: Path) -> Settings:
    return read_settings(original / "conf" / "params.yaml")


@pytest.fixture(scope="module")
def prepared(original: Path, settings: Settings) -> Prepared:
    return steps.prepare(settings, read_contract(original / "expectations"), original)


def changed(settings: Settings, **changes: Any) -> Settings:
    return checked(Settings, settings.model_dump(mode="json") | changes, "conf/params.yaml")


class Spy:
    """A model of a user's own, which answers the same for each row, and remembers what it learnt from."""

    def __init__(self, n_outputs: int, calls: list[dict[str, Any]]) -> None:
        self.n_outputs = n_outputs
        self.calls = calls
        self.answer = 0.0

    def fit(self, train: Dataset, validation: Dataset, _callbacks: Callbacks, **options: Any) -> list[float]:
        self.calls.append({"learnt": train, "stopped": validation} | options)
        self.answer = 1 / len(self.calls)
        return [] if "rounds" in options else [2.0, 1.0]

    def predict(self, features: Any) -> Any:
        return np.full((len(features), self.n_outputs), self.answer)

    def to_onnx(self) -> bytes:
        return b""


class Narrow(Spy):
    """A model whose `fit` takes no more than it must."""

    def fit(self, train: Dataset, validation: Dataset, callbacks: Callbacks) -> list[float]:
        return super().fit(train, validation, callbacks)


@pytest.fixture(scope="module")
def run_of(settings: Settings) -> Callable[..., Run]:
    """A function that returns the inputs of a training, with other settings."""
    return lambda of, **changes: Run(Path(), changed(settings, **changes), of.contract)


@pytest.fixture(scope="module")
def spied(prepared: Prepared, run_of: Callable[..., Run]) -> Spied:
    """A function that fits a spy with other settings, and returns the model, the calls of its `fit`, and the losses."""

    def fit(of: Prepared = prepared, spy: type[Spy] = Spy, **changes: Any) -> Any:
        calls: list[dict[str, Any]] = []
        run = run_of(of, **changes)
        model, losses = flow.fit(lambda _, shape, _seed: spy(shape.n_outputs, calls), of, run)
        return model, calls, losses

    return fit


def rows_of(*features: Any) -> list[bytes]:
    return sorted(row.tobytes() for matrix in features for row in matrix)


def test_by_default_the_training_split_is_learnt_from_and_nothing_else_is_passed(
    spied: Spied, prepared: Prepared
) -> None:
    model, (call,), losses = spied(spy=Narrow)
    assert call == {
        "learnt": (prepared.features["train"], prepared.targets["train"]),
        "stopped": (prepared.features["validation"], prepared.targets["validation"]),
    }
    assert isinstance(model, Narrow)
    assert losses == [2.0, 1.0]


def test_both_splits_are_learnt_from_with_the_rounds_of_the_first_fit(
    spied: Spied, prepared: Prepared, run_of: Callable[..., Run]
) -> None:
    model, (first, second), losses = spied(fit="train_validation")
    assert "rounds" not in first
    assert second["rounds"] == len(losses) == 2
    assert rows_of(second["learnt"][0]) == rows_of(*(prepared.features[name] for name in BOTH))
    assert not set(rows_of(second["learnt"][0])) & set(rows_of(prepared.features["test"]))
    others = held_out(model, prepared, run_of(prepared, fit="train_validation"))
    assert (others.outputs == 1).all()  # of the first fit, for a decision
    np.testing.assert_array_equal(others.y_true, prepared.targets["validation"])
    pd.testing.assert_frame_equal(others.rows, prepared.table.validation)
    assert (model.predict(prepared.features["test"]) == 0.5).all()


def test_each_model_of_a_bag_stops_by_a_fold_that_it_has_not_learnt_from(
    spied: Spied, prepared: Prepared, run_of: Callable[..., Run]
) -> None:
    model, calls, _ = spied(fit="bag")
    both = rows_of(*(prepared.features[name] for name in BOTH))
    assert len(calls) == 5
    assert all(rows_of(call["learnt"][0], call["stopped"][0]) == both for call in calls)
    assert rows_of(*(call["stopped"][0] for call in calls)) == both
    assert not set(both) & set(rows_of(prepared.features["test"]))
    others = held_out(model, prepared, run_of(prepared, fit="bag"))
    np.testing.assert_array_equal(others.y_true, np.concatenate([call["stopped"][1] for call in calls]))
    encoded = np.concatenate([call["stopped"][0] for call in calls])
    np.testing.assert_array_equal(prepared.encoder.encode(others.rows), encoded)
    assert others.outputs[0, 0] == 1
    assert others.outputs[-1, 0] == 1 / 5
    assert model.predict(prepared.features["test"])[0, 0] == pytest.approx(np.mean([1 / (n + 1) for n in range(5)]))


@pytest.mark.parametrize("by", ["group", "time", "group_time", "stratified"])
def test_the_folds_of_a_bag_are_made_by_the_rule_of_the_split(by: str) -> None:
    rng = np.random.default_rng(7)
    table = pd.DataFrame(
        {
            "value": rng.normal(size=300),
            "unit": rng.integers(0, 40, 300).astype(str),
            "day": np.sort(rng.integers(0, 99, 300)),
            "kind": np.where(np.arange(300) % 10 == 0, "rare", "common"),
        },
        index=rng.permutation(300),
    )
    needed = {"unit": "group", "day": "time"}
    columns = {key: name for name, key in needed.items() if key in by}
    by_rule = SplitSettings.model_validate({"by": by, "train": 0.6, "validation": 0.2, "test": 0.2} | columns)
    folds = fold_places(table, by_rule, ["value"], "kind", 4)
    assert len(folds) == 4
    for learnt, others in folds:
        assert len(learnt) > len(others) > 0
        assert not set(learnt) & set(others)
        if "group" in by:
            assert not set(table["unit"].iloc[learnt]) & set(table["unit"].iloc[others])
        if "time" in by:
            assert table["day"].iloc[learnt].max() < table["day"].iloc[others].min()
        if by == "stratified":
            assert (table["kind"].iloc[others] == "rare").mean() == pytest.approx(0.1, abs=0.02)


def write(project: Path, **changes: Any) -> None:
    path = project / "conf" / "params.yaml"
    params = yaml.safe_load(path.read_text(encoding="utf-8"))
    path.write_text(yaml.safe_dump(params | changes), encoding="utf-8")


@pytest.mark.parametrize(("fit", "n_models"), [("train_validation", 1), ("bag", 5)])
def test_a_version_says_what_it_learnt_from_and_is_evaluated_again_as_it_was(
    project: Path, fit: str, n_models: int
) -> None:
    write(project, fit=fit)
    outcome = train(KIND.project, project)
    metrics = MetricsFile.read(outcome.folder)
    assert (metrics.fit, metrics.n_models) == (fit, n_models)
    rows = metrics.rows["train"] + metrics.rows["validation"]
    assert f"{rows:,}" in (outcome.folder / "MODEL_CARD.md").read_text(encoding="utf-8")
    predictor = Predictor.load(outcome.folder)
    kept = read_settings(outcome.folder / "params.yaml")
    _, again = reevaluate(KIND.project, predictor, kept, project)
    assert again.evaluation.loss == pytest.approx(outcome.evaluation.loss, rel=1e-4)


def test_the_graph_of_a_bag_answers_with_the_mean_of_its_models(prepared: Prepared, settings: Settings) -> None:
    model: Any = steps.fit(prepared, changed(settings, fit="bag", calibration="none")).model
    features = prepared.features["test"]
    target_scale = output_type_of(prepared.contract, KIND.target).target_scale(prepared.targets["train"])
    answers = Graph(model.to_onnx(), "the graph").run({"features": features}, "answers")
    graphs = [Graph(each.to_onnx(), "a model").run({"features": features}, "answers") for each in model.models]
    assert np.abs(answers - np.mean(graphs, axis=0)).max() <= 1e-5 * target_scale
    assert np.ptp(graphs, axis=0).max() > 1e-4 * target_scale  # so that the mean is not any of them


def test_a_model_that_is_fitted_twice_differs_and_keeps_its_intervals(prepared: Prepared, settings: Settings) -> None:
    once, twice = (
        steps.fit(prepared, changed(settings, fit=fit, calibration="none")).model.predict(prepared.features["test"])
        for fit in ("train", "train_validation")
    )
    assert np.abs(once - twice).max() > 0
    if not KIND.classification:
        np.testing.assert_allclose(twice[:, 2] - twice[:, 1], once[:, 2] - once[:, 1], rtol=1e-5)


@pytest.mark.parametrize("fit", ["train_validation", "bag"])
def test_a_scikit_learn_estimator_is_fitted_so_too(prepared: Prepared, settings: Settings, fit: str) -> None:
    if not KIND.classification or KIND.text:
        pytest.skip("one kind of project is enough")
    run = Run(Path(), changed(settings, fit=fit), prepared.contract)
    filled = replace(prepared, features={name: np.nan_to_num(rows) for name, rows in prepared.features.items()})
    model, _ = flow.fit(lambda *_: LogisticRegression(), filled, run)
    features = filled.features["test"]
    answers = Graph(model.to_onnx(), "the graph").run({"features": features}, "answers")
    np.testing.assert_allclose(answers, model.predict(features), atol=1e-5)
    if fit == "train_validation":
        expected = LogisticRegression().fit(
            *(np.concatenate([each[name] for name in BOTH]) for each in (filled.features, filled.targets))
        )
        np.testing.assert_array_equal(model.predict(features), expected.predict_proba(features))


def test_a_bag_without_folds_is_refused(prepared: Prepared, spied: Spied) -> None:
    by_column = {"path": "data/fruit.csv", "target": KIND.target, "split": {"by": "given", "given": "side"}}
    with pytest.raises(InputError, match=r"fit: bag needs folds.*Set fit: train_validation"):
        spied(fit="bag", data=by_column)
    table = prepared.table
    with pytest.raises(InputError, match=r"project's own.*Set fit: train_validation"):
        spied(replace(prepared, table=Split(table.train, table.validation, table.test)), fit="bag")
    few = replace(prepared, table=replace(table, train=table.train[:2], validation=table.validation[:1]))
    with pytest.raises(InputError, match="cannot make 5 folds of the 3 training and validation rows"):
        spied(few, fit="bag")


def test_a_model_that_takes_no_rounds_or_weights_is_refused(spied: Spied) -> None:
    with pytest.raises(InputError, match="fit of Narrow takes no rounds, which fit: train_validation"):
        spied(spy=Narrow, fit="train_validation")
    if KIND.classification:
        with pytest.raises(InputError, match="fit of Narrow takes no sample_weight, which class_weight"):
            spied(spy=Narrow, class_weight="balanced")


@pytest.fixture
def weighted(project: Path) -> Path:
    """The project with a column of weights: every fourth row has none, and the others count 1, 2 and 3 times."""
    path = project / "data" / "fruit.csv"
    header, *lines = path.read_text(encoding="utf-8").splitlines()
    rows = [f"{line},{number % 4}" for number, line in enumerate(lines)]
    path.write_text("\n".join([f"{header},w", *rows]) + "\n", encoding="utf-8")
    suite_path = project / "expectations" / "dataset.json"
    suite = json.loads(suite_path.read_text(encoding="utf-8"))
    suite["expectations"][0]["kwargs"]["column_set"].append("w")
    suite_path.write_text(json.dumps(suite), encoding="utf-8")
    write(project, columns={"w": "weight"})
    return project


def prepare(project: Path) -> tuple[Prepared, Settings]:
    settings = read_settings(project / "conf" / "params.yaml")
    return steps.prepare(settings, read_contract(project / "expectations"), project), settings


def test_a_row_of_weight_0_does_not_count(weighted: Path) -> None:
    with_all, settings = prepare(weighted)
    frames = {name: frame["w"].to_numpy() > 0 for name, frame in with_all.table.frames.items()}
    assert not all(counts.all() for counts in frames.values())
    without = replace(
        with_all,
        table=Split(*(with_all.table.frames[name][counts] for name, counts in frames.items())),
        features={name: with_all.features[name][counts] for name, counts in frames.items()},
        targets={name: with_all.targets[name][counts] for name, counts in frames.items()},
    )
    features = with_all.features["test"]
    first, second = (steps.fit(rows, settings).model.predict(features) for rows in (with_all, without))
    np.testing.assert_array_equal(first, second)
    unweighted = steps.fit(with_all, changed(settings, columns={})).model.predict(features)
    assert not np.array_equal(first, unweighted)


def test_the_weights_of_rows_reach_the_model_and_what_is_made_of_it_says_so(weighted: Path, spied: Spied) -> None:
    with_weights, _ = prepare(weighted)
    _, (call,), _ = spied(with_weights, columns={"w": "weight"})
    expected = with_weights.table.train["w"]
    (of_train, of_validation) = call["sample_weight"]
    np.testing.assert_allclose(of_train, expected[expected > 0] / expected[expected > 0].mean())
    assert len(of_validation) == len(call["stopped"][1])
    folder = train(KIND.project, weighted).folder
    assert "weights in `w`" in (folder / "MODEL_CARD.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("replacement", "message"),
    [("", "no value in 30 of 120 rows, the first in row 4"), ("-1", "is -1 in row 4"), ("x", "not only numbers")],
)
def test_what_is_no_weight_is_refused(weighted: Path, replacement: str, message: str) -> None:
    path = weighted / "data" / "fruit.csv"
    lines = path.read_text(encoding="utf-8").splitlines()
    lines[1:] = [f"{line[:-1]}{replacement}" if line.endswith(",3") else line for line in lines[1:]]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    with pytest.raises(DataError, match=f"fruit.csv: w has the role weight, .*{message}"):
        prepare(weighted)


def test_two_columns_of_weights_or_a_feature_are_refused(weighted: Path) -> None:
    for columns in ({"w": "weight", "price": "weight"}, {KIND.feature: "weight"}):
        write(weighted, columns=columns)
        with pytest.raises(InputError, match="has the role weight, and is"):
            prepare(weighted)


def test_weights_that_are_0_in_a_whole_split_are_refused(weighted: Path) -> None:
    with_weights, settings = prepare(weighted)
    none = with_weights.table.validation.assign(w=0.0)
    with pytest.raises(DataError, match="is 0 in all rows of the validation split"):
        steps.fit(replace(with_weights, table=replace(with_weights.table, validation=none)), settings)


def test_adopt_drafts_rules_for_weights_and_refuses_what_is_none() -> None:
    texts = {"size": [str(n % 17) for n in range(60)], "w": [str(n % 3) for n in range(60)]}
    table = pd.DataFrame(texts | {"kind": ["a", "b", "c"] * 20}, dtype="str")
    checks = KIND.task.target_checks
    target = "kind" if KIND.classification else "size"
    decisions = infer_roles(table, target, {"w": "weight"}, {}, checks, TABLES)
    assert (decisions["w"].role, decisions["w"].is_feature) == ("weight", False)
    numbers = table.astype({"w": "float64"})
    suite = draft(numbers[["w"]], {"w": "weight"}, TABLES).dataset
    assert all(result.passed for result in check(numbers[["w"]], suite))
    for value in (-1.0, np.nan):
        assert not all(result.passed for result in check(numbers[["w"]].assign(w=[value, *[1.0] * 59]), suite))
    for value, message in (("-1", "it holds -1"), (None, "it has no value in 20 rows"), ("much", "it holds")):
        wrong = table.assign(w=table["w"].where(table["w"] != "2", value))
        with pytest.raises(DataError, match=f"w cannot be weight: {message}"):
            infer_roles(wrong, target, {"w": "weight"}, {}, checks, TABLES)


if KIND.classification:

    def test_classes_are_weighted_as_the_settings_say(spied: Spied, prepared: Prepared) -> None:
        is_cherry = prepared.targets["train"] == prepared.output_names.index("cherry")
        _, (call,), _ = spied(class_weight={"cherry": 5})
        weights = call["sample_weight"][0]
        assert weights[is_cherry].mean() == pytest.approx(5 * weights[~is_cherry].mean())
        assert weights.mean() == pytest.approx(1)
        y_true = np.array([0, 1, 1, 1])
        balanced = class_weights("balanced", ("apple", "cherry"), y_true, np.array([2.0, 1, 1, 1]))
        np.testing.assert_allclose(balanced, [1.25, 5 / 6])  # in total as much as there is, and each the same

    def test_a_weighted_class_is_found_more_often() -> None:
        def build() -> Any:
            return KIND.project.build(KIND.parameters, Shape((Column("size", text=KIND.text),), 2), 7)

        assert steps.recall_of_rare(build(), 1) + 0.2 < steps.recall_of_rare(build(), 11)

    def test_the_gate_names_the_remedy_for_what_weights_of_classes_do(project: Path) -> None:
        params = yaml.safe_load((project / "conf" / "params.yaml").read_text(encoding="utf-8"))
        write(project, class_weight={"cherry": 50}, gate=params["gate"] | {"min_skill": 0.999})
        outcome = train(KIND.project, project)
        assert "set decision" in outcome.failures[0]
        assert "cherry 50" in (outcome.folder / "MODEL_CARD.md").read_text(encoding="utf-8")

    @pytest.mark.parametrize("value", ["even", {}, {"cherry": 0}, {"cherry": "much"}, 3])
    def test_what_is_no_weight_of_classes_is_refused(settings: Settings, value: object) -> None:
        with pytest.raises(InputError, match=r"class_weight: it must be balanced, or hold a weight above 0 by class"):
            changed(settings, class_weight=value)

    def test_a_class_that_is_none_has_no_weight(project: Path) -> None:
        write(project, class_weight={"pear": 2})
        with pytest.raises(InputError, match="class_weight names pear, which is no class of fruit"):
            train(KIND.project, project)

    def test_an_estimator_that_takes_no_weights_is_refused(prepared: Prepared, settings: Settings) -> None:
        run = Run(Path(), changed(settings, class_weight="balanced"), prepared.contract)
        filled = replace(prepared, features={name: np.nan_to_num(rows) for name, rows in prepared.features.items()})
        flow.fit(lambda *_: make_pipeline(LogisticRegression()), filled, run)
        with pytest.raises(InputError, match="KNeighborsClassifier takes no sample_weight"):
            flow.fit(lambda *_: make_pipeline(KNeighborsClassifier()), filled, run)

else:

    def test_numbers_have_no_classes_to_weight(project: Path) -> None:
        write(project, class_weight="balanced")
        with pytest.raises(InputError, match="class_weight is about classes, and price is a number"):
            train(KIND.project, project)


@pytest.mark.parametrize("fit", ["train_validation", "bag"])
def test_what_has_learnt_from_validation_rows_is_scaled_by_outputs_from_before(
    prepared: Prepared, settings: Settings, run_of: Callable[..., Run], monkeypatch: pytest.MonkeyPatch, fit: str
) -> None:
    if not KIND.classification:
        pytest.skip("probabilities have a temperature")
    seen: list[Any] = []

    def choose(outputs: Any, y_true: Any, _blocks: Any) -> Calibration:
        seen.append((outputs, y_true))
        return Calibration(method="temperature", rows=len(y_true), loss_before=2, loss_after=1, temperature=2)

    monkeypatch.setattr("mlkeel.models.temperature.choose_temperature", choose)
    trained = steps.fit(prepared, changed(settings, fit=fit))
    others = held_out(trained.model, prepared, run_of(prepared, fit=fit))
    ((outputs, y_true),) = seen
    np.testing.assert_array_equal(others.y_true, y_true)
    np.testing.assert_allclose(others.outputs, scale(outputs, 2))
    assert not np.allclose(others.outputs, trained.model.predict(prepared.encoder.encode(others.rows)))
