"""Rules of derived columns: drafted, and held in training, in a file, in a request and in what is monitored."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from fastapi.testclient import TestClient
from mlkeel.config import read_server_config
from mlkeel.contract.request import RowValidator, Violation
from mlkeel.contract.suites import read_contract, read_suite
from mlkeel.drafts.draft import draft_derived
from mlkeel.errors import ArtifactError, ContractError, Hint, InputError
from mlkeel.features.derived import derived
from mlkeel.features.encoder import TABLES
from mlkeel.features.export import build_encoder
from mlkeel.features.functions import is_missing
from mlkeel.features.values import Values
from mlkeel.inference.batch import predict_file
from mlkeel.inference.loaded_model import LoadedModel
from mlkeel.inference.predictor import Predictor
from mlkeel.monitor.checks import contract as check_contract
from mlkeel.monitor.window import of_file, of_records
from mlkeel.registry.artifact import current
from mlkeel.registry.metrics_file import MetricsFile
from mlkeel.registry.versions import versions
from mlkeel.report.html_report import page
from mlkeel.report.report_data import ModelReview, collect
from mlkeel.report.table_importance import DERIVED_NOTE
from mlkeel.serve.app import build
from mlkeel.store.store import Recorded
from mlkeel.training.training import train

from .conftest import expectation
from .kinds import KIND

pytestmark = pytest.mark.skipif(KIND.text, reason="a model of texts reads words alone")
ROW = {"weight_g": 150.0, "colour": "red"}


@derived
def per_gram(weight_g: Values) -> Values:
    return 100 / weight_g


@derived
def no_colour(colour: Values) -> Values:
    return is_missing(colour)


PROJECT = replace(KIND.project, features=TABLES.derive(per_gram, no_colour))
RULES = [
    expectation("table_columns_to_match_set", column_set=["per_gram", "no_colour"], exact_match=False),
    expectation("column_type_to_be", column="per_gram", type_="float64"),
    expectation("column_values_to_be_between", column="per_gram", min_value=0.3, max_value=50),
    expectation("column_type_to_be", column="no_colour", type_="float64"),
]


def write_rules(root: Path, rules: list[dict[str, Any]]) -> None:
    suite = {"name": "derived", "expectations": rules, "meta": {}}
    (root / "expectations" / "derived.json").write_text(json.dumps(suite), encoding="utf-8")


@pytest.fixture(scope="module")
def ruled(original: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trained project with rules of derived columns, not to be changed."""
    root = Path(shutil.copytree(original, tmp_path_factory.mktemp("ruled") / "orchard"))
    write_rules(root, RULES)
    train(PROJECT, root)
    return root


def test_a_version_keeps_the_rules_that_it_was_trained_under(ruled: Path) -> None:
    assert read_contract(current(ruled / "artifacts")).derived == read_suite(ruled / "expectations" / "derived.json")


def test_a_table_that_breaks_them_is_not_learnt_from(project: Path) -> None:
    write_rules(project, [*RULES, expectation("column_values_to_be_between", column="per_gram", max_value=1)])
    with pytest.raises(ContractError, match=r"per_gram: values must be at most 1.*expectations/derived\.json"):
        train(PROJECT, project)


def test_rules_of_a_column_that_is_derived_no_more_are_named(project: Path) -> None:
    write_rules(project, RULES)
    with pytest.raises(ContractError, match="no_colour") as raised:
        train(replace(PROJECT, features=TABLES.derive(per_gram)), project)
    assert raised.value.hint is Hint.CONTRACT


def test_a_request_that_breaks_them_is_refused_by_the_raw_columns(ruled: Path) -> None:
    app, _ = build(ruled, read_server_config({"API_STORE": "off"}))
    with TestClient(app) as client:
        assert client.post("/predict", json=ROW).status_code == 200
        response = client.post("/predict", json=[ROW, ROW | {"weight_g": 1}, ROW | {"weight_g": None}])
    (violation,) = response.json()["detail"]
    assert (violation["row"], violation["column"], violation["value"]) == (2, "per_gram", 100)
    assert "weight_g" in violation["message"]


def test_a_file_that_breaks_them_is_refused(ruled: Path, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("weight_g,colour\n150,red\n1,red\n", encoding="utf-8")
    predictor = Predictor.load(current(ruled / "artifacts"))
    with pytest.raises(ContractError, match="per_gram"):
        predict_file(predictor, tmp_path / "rows.csv", tmp_path / "answers.csv")


def test_the_monitor_asks_for_them_and_for_drift(ruled: Path, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("weight_g,colour\n" + "1.5,red\n" * 200, encoding="utf-8")
    folder = current(ruled / "artifacts")
    window = of_file(tmp_path / "rows.csv", Predictor.load(folder))
    assert {violation.column for violation in check_contract(window, 0.01)} >= {"per_gram"}
    drifting = {item["kwargs"]["column"] for item in read_suite(folder / "drift.json")["expectations"]}
    assert {"per_gram", "no_colour"} <= drifting


def test_a_draft_lets_its_table_pass_and_keeps_what_a_person_wrote(ruled: Path) -> None:
    contract = read_contract(ruled / "expectations")
    table = KIND.project.load(ruled / "data" / "fruit.csv", contract)
    columns = pd.DataFrame(build_encoder(contract, PROJECT.features).derive(table))
    drafted = draft_derived(columns)
    assert [item["kwargs"].get("value_set") for item in drafted["expectations"]][-1] == [0, 1]
    own = expectation("column_values_to_be_between", column="per_gram", min_value=0.1, max_value=60)
    edited = drafted | {"expectations": [*drafted["expectations"], own]}
    assert own in draft_derived(columns, edited)["expectations"]
    assert own not in draft_derived(columns[["no_colour"]], edited)["expectations"]
    by_hand = {"name": "derived", "expectations": [own], "meta": {}}
    assert own in draft_derived(columns, by_hand)["expectations"]


def test_rules_that_no_request_could_be_held_against_are_refused_before_a_training(project: Path) -> None:
    write_rules(project, [expectation("column_values_to_be_between", column="per_gram", max_value=100)])
    with pytest.raises(ContractError, match=r"expectations/derived\.json"):
        train(PROJECT, project)


def test_records_without_a_private_column_are_not_asked_what_is_derived_of_it(ruled: Path) -> None:
    predictor = Predictor.load(current(ruled / "artifacts"))
    outputs = predictor.predict_rows([ROW])[0].tolist()
    answer = json.dumps(predictor.output_type.to_json(outputs, predictor.output_names))
    rows = ([0.0], ["r"], [1], ["v"], [json.dumps({"colour": "red"})], [answer], [1.0], [None])
    batch = Recorded(*(values * 20 for values in rows))  # type: ignore[arg-type]
    window = of_records([batch], predictor, {"weight_g"})
    assert "no_colour" in window.table
    assert "per_gram" not in window.table
    asked = {item["kwargs"].get("column") for item in window.contract["expectations"]}
    assert "no_colour" in asked
    assert not asked & {"per_gram", "weight_g"}


def test_the_report_shows_what_derived_columns_are_worth_and_where_they_come_from(ruled: Path) -> None:
    data = collect(PROJECT, ruled, "off")
    review = data.model_review
    assert isinstance(review, ModelReview)
    assert review.derived_from == {"per_gram": ("weight_g",), "no_colour": ("colour",)}
    assert {name for name, _, _ in review.importances} == {"weight_g", "colour", "per_gram", "no_colour"}
    rises = [rise for _, rise, _ in review.importances]
    assert rises == sorted(rises, reverse=True)
    content = page(data)
    assert "per_gram, derived from weight_g" in content
    assert DERIVED_NOTE.strip() in content


def test_a_version_without_the_rules_that_it_was_made_with_is_refused(ruled: Path, tmp_path: Path) -> None:
    shutil.copytree(ruled / "artifacts", tmp_path / "artifacts")
    folder = current(tmp_path / "artifacts")
    (folder / "derived.json").unlink()
    with pytest.raises(ArtifactError, match=r"derived\.json is missing"):
        current(tmp_path / "artifacts")
    (version,) = versions(tmp_path / "artifacts")
    assert "derived.json is missing" in str(version.error)


def test_a_version_that_does_not_say_whether_it_has_rules_stays_valid(ruled: Path, tmp_path: Path) -> None:
    shutil.copytree(ruled / "artifacts", tmp_path / "artifacts")
    folder = current(tmp_path / "artifacts")
    metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    assert metrics.pop("derived_rules") is True
    (folder / "metrics.json").write_text(json.dumps(metrics), encoding="utf-8")
    (folder / "derived.json").unlink()
    assert current(tmp_path / "artifacts") == folder
    assert MetricsFile.read(folder).derived_rules is False


def test_a_version_without_rules_says_so(trained_project: Path) -> None:
    assert MetricsFile.read(current(trained_project / "artifacts")).derived_rules is False


@pytest.fixture
def ruled_in_part(ruled: Path, tmp_path: Path) -> Callable[..., Path]:
    """A function that copies the version, with rules for one of its derived columns: a type and those given."""

    def copy(*rules: dict[str, Any]) -> Path:
        folder = Path(shutil.copytree(current(ruled / "artifacts"), tmp_path / "v1"))
        about = [
            expectation("table_columns_to_match_set", column_set=["per_gram"], exact_match=False),
            expectation("column_type_to_be", column="per_gram", type_="float64"),
        ]
        suite = {"name": "derived", "expectations": [*about, *rules], "meta": {}}
        (folder / "derived.json").write_text(json.dumps(suite), encoding="utf-8")
        return folder

    return copy


def test_only_derived_columns_with_rules_are_held_against_them(
    ruled_in_part: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    violations = RowValidator.violations
    without_fault: list[bool] = []

    def recorded(validator: RowValidator, rows: Any) -> list[Violation]:
        without_fault.append(not violations(validator, rows))
        return violations(validator, rows)

    monkeypatch.setattr(RowValidator, "violations", recorded)
    model = LoadedModel.open(ruled_in_part())
    assert model.predict([ROW])[1] == []
    assert without_fault == [True] * 3  # of the example's raw and derived columns, and of the row


def test_a_rule_that_cannot_be_applied_to_a_derived_column_is_noticed_before_a_version_serves(
    ruled_in_part: Callable[..., Path],
) -> None:
    rule = expectation("column_values_to_be_between", column="per_gram", min_value="0.3")
    with pytest.raises(TypeError, match="not supported between"):
        LoadedModel.open(ruled_in_part(rule))


def test_a_name_of_a_prediction_is_refused(project: Path) -> None:
    feature = derived(columns=("weight_g",))(lambda weight_g: {f"predicted_{KIND.target}": weight_g})
    with pytest.raises(InputError, match="what a prediction is called"):
        train(replace(PROJECT, features=TABLES.derive(feature)), project)
