"""The comparison with the current version is decided only by rows that neither version has learnt."""

import csv
import json
import random
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from mlkeel.config import read_settings
from mlkeel.errors import InputError
from mlkeel.inference.predictor import Predictor
from mlkeel.models.model import Shape
from mlkeel.project import Project, TrainingResult
from mlkeel.registry.metrics_file import MetricsFile
from mlkeel.training.training import train
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.tree import DecisionTreeClassifier

from .kinds import KIND

Change = Callable[[dict[str, Any]], None]


def build(parameters: dict[str, Any], _shape: Shape, seed: int) -> Pipeline:
    """A tree that remembers each row; it takes no parameter but those it knows."""
    if unknown := set(parameters) - {"max_depth"}:
        raise InputError(f"conf/params.yaml, model: {', '.join(unknown)} is not a setting")
    return make_pipeline(SimpleImputer(), DecisionTreeClassifier(random_state=seed, **parameters))


MEMORIZING = replace(KIND.project, build=build)


def set_params(root: Path, change: Change) -> None:
    path = root / "conf" / "params.yaml"
    params = yaml.safe_load(path.read_text(encoding="utf-8"))
    change(params)
    path.write_text(yaml.safe_dump(params), encoding="utf-8")


@pytest.fixture(scope="module")
def lottery(original: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose fruit is drawn by lot, and whose current version remembers the rows that it learnt from."""
    project = Path(shutil.copytree(original, tmp_path_factory.mktemp("lottery") / "orchard"))
    path = project / "data" / "fruit.csv"
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    lots = random.Random(3)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(row | {"fruit": lots.choice(["apple", "cherry"])} for row in rows)

    def open_gate(params: dict[str, Any]) -> None:
        params["model"] = {"max_depth": None}
        params["gate"] = {"min_skill": 0, "min_slice_rows": 5}

    set_params(project, open_gate)
    version = train(MEMORIZING, project).folder.name
    (project / "artifacts" / "current").write_text(f"{version}\n", encoding="utf-8")
    return project


@pytest.fixture
def memorized(lottery: Path, tmp_path: Path) -> Path:
    """A copy of it, to be changed at will."""
    return Path(shutil.copytree(lottery, tmp_path / "orchard"))


def deal_anew(params: dict[str, Any]) -> None:
    params["data"]["split"]["key"] = ["id"]


def train_again(root: Path, change: Change, project: Project = MEMORIZING) -> tuple[TrainingResult, dict[str, Any]]:
    set_params(root, change)
    outcome = train(project, root)
    champion = MetricsFile.read(outcome.folder).champion
    assert champion is not None
    return outcome, champion


def test_what_a_champion_remembers_of_the_new_test_rows_does_not_decide(memorized: Path) -> None:
    folder = next((memorized / "artifacts").glob("2*"))
    outcome, champion = train_again(memorized, deal_anew)
    assert champion["refitted"]
    assert champion["loss_increase"] == pytest.approx(0, abs=1e-6)  # it is the same recipe
    assert not any(folder.name in failure for failure in outcome.failures)
    settings = read_settings(memorized / "conf" / "params.yaml")
    table = MEMORIZING.load(memorized / settings.data.path, Predictor.load(folder).contract)
    remembered = Predictor.load(folder).predict(table).argmax(axis=1) == (table["fruit"] == "cherry")
    assert remembered.mean() > 0.75 > champion["scores"]["accuracy"]


def test_where_its_recipe_cannot_be_fitted_there_is_no_fair_comparison_and_no_failure(memorized: Path) -> None:
    def deal_anew_with_other_parameters(params: dict[str, Any]) -> None:
        deal_anew(params)
        params["model"] = {"depth": 1}

    def other_build(parameters: dict[str, Any], _shape: Shape, seed: int) -> Pipeline:
        depth = parameters.get("depth")
        if depth is None:
            raise InputError("conf/params.yaml, model: max_depth is not a setting")
        return make_pipeline(SimpleImputer(), DecisionTreeClassifier(max_depth=depth, random_state=seed))

    outcome, champion = train_again(memorized, deal_anew_with_other_parameters, replace(MEMORIZING, build=other_build))
    assert "no fair comparison" in champion["sentence"]
    assert "max_depth is not a setting" in champion["sentence"]
    assert not any(champion["version"] in failure for failure in outcome.failures)


def test_a_model_of_other_code_is_not_taken_for_the_champions_recipe(memorized: Path) -> None:
    path = next((memorized / "artifacts").glob("2*/metrics.json"))
    path.write_text(path.read_text(encoding="utf-8").replace('"build": "', '"build": "x'), encoding="utf-8")
    _, champion = train_again(memorized, deal_anew)
    assert "the code of its model has changed" in champion["sentence"]


def test_after_a_feature_is_added_the_recipe_is_fitted_without_it_to_the_same_rows(memorized: Path) -> None:
    path = memorized / "expectations" / "features.json"
    suite = json.loads(path.read_text(encoding="utf-8"))
    suite["expectations"][0]["kwargs"]["column_set"].append("price")
    suite["expectations"].append(
        {"type": "expect_column_type_to_be", "kwargs": {"column": "price", "type_": "float64"}, "severity": "critical"}
    )
    path.write_text(json.dumps(suite), encoding="utf-8")
    outcome, champion = train_again(memorized, lambda _params: None)
    assert champion["refitted"]
    assert champion["scores"]["rows"] == outcome.evaluation.model.rows
    assert abs(champion["loss_increase"]) > 1e-6  # it is another recipe


def test_the_number_of_folds_moves_no_row(memorized: Path) -> None:
    def cross_validate(params: dict[str, Any]) -> None:
        params["data"]["split"]["folds"] = 2

    assert not train_again(memorized, cross_validate)[1]["refitted"]
