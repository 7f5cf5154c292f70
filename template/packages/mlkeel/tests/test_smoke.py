"""Whoever patches the kit can try it: a made-up project is trained, judged, asked, watched and served.

It needs nothing but the kit and what its extras install. Run it with: make test-kit
"""

import json
import random
from pathlib import Path

import pytest
import yaml
from mlkeel.adopt.adopt import adopt
from mlkeel.config import read_server_config, read_version_settings
from mlkeel.data.tables import load
from mlkeel.errors import InputError
from mlkeel.features.encoder import TABLES
from mlkeel.inference.batch import predict_file
from mlkeel.inference.predictor import Predictor
from mlkeel.models.estimator import EstimatorModel
from mlkeel.models.model import Shape
from mlkeel.monitor.monitor import WindowQuery, monitor
from mlkeel.project import Project, Run, Trained, TrainingResult
from mlkeel.registry import versions
from mlkeel.registry.artifact import current
from mlkeel.tasks.classification import Classification
from mlkeel.training.reevaluate import reevaluate
from mlkeel.training.steps import check, encode, evaluate, fit, split
from mlkeel.training.training import train as train_project

PARAMS = {
    "seed": 7,
    "data": {"path": "data/none.csv", "target": "none", "split": {"train": 0.6, "validation": 0.2, "test": 0.2}},
    "model": {},
    "gate": {"min_skill": 0.1, "slices": [], "min_slice_rows": 10, "min_slice_score": 0.5},
}
NOTHING_YET = [
    {"type": "expect_table_columns_to_match_set", "kwargs": {"column_set": ["none"]}},
    {"type": "expect_table_row_count_to_be_between", "kwargs": {"min_value": 1}},
]


def build(_parameters: dict[str, object], shape: Shape, seed: int) -> EstimatorModel:
    """Any estimator will do; a missing size would be filled."""
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    return EstimatorModel(make_pipeline(SimpleImputer(), LogisticRegression(random_state=seed)), shape)


def train(project: Project, run: Run) -> TrainingResult:
    """The flow."""
    table = project.load(run.path, run.contract)
    check(table, run)
    prepared = encode(split(table, run), project, run)
    model, losses = fit(project.build, prepared, run)
    return run.publish(prepared, Trained(model, losses, evaluate(model, prepared, project, run)))


TASK = Classification()
PROJECT = Project("fruit", TASK, load, TABLES, build, train, TASK.metrics)


@pytest.fixture(scope="module")
def adopted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project that was made about a table of fruit."""
    root = tmp_path_factory.mktemp("fruit")
    draw = random.Random(7)
    for name in ("conf", "data", "expectations"):
        (root / name).mkdir()
    (root / "conf" / "params.yaml").write_text(yaml.safe_dump(PARAMS), encoding="utf-8")
    for name in ("features", "dataset"):
        suite = {"name": name, "expectations": NOTHING_YET, "meta": {}}
        (root / "expectations" / f"{name}.json").write_text(json.dumps(suite), encoding="utf-8")
    lines = ["fruit,weight_g,length_mm"]
    for number in range(300):
        heavy = number % 2 == 0
        weight = draw.gauss(150, 30) if heavy else draw.gauss(60, 30)
        length = draw.gauss(70, 12) if heavy else draw.gauss(40, 12)
        lines.append(f"{'apple' if heavy else 'cherry'},{weight:.1f},{length:.1f}")
    (root / "new.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    adopt(PROJECT, str(root / "new.csv"), "fruit", {}, root, lambda _plan: True)
    return root


def test_a_table_is_adopted_and_a_model_of_it_is_current(adopted: Path) -> None:
    (version,) = versions.versions(adopted / "artifacts")
    assert version.is_current
    assert version.scores["accuracy"] > 0.8


def test_it_is_trained_judged_and_asked_again(adopted: Path, tmp_path: Path) -> None:
    outcome = train_project(PROJECT, adopted)
    assert outcome.failures == []
    predictor = Predictor.load(outcome.folder)
    _, judged = reevaluate(PROJECT, predictor, read_version_settings(outcome.folder), adopted)
    assert judged.evaluation.loss == pytest.approx(outcome.evaluation.loss, rel=1e-4)
    answers = predict_file(predictor, adopted / "data" / "new.csv", tmp_path / "answers.csv")
    assert (answers["predicted_fruit"] == answers["fruit"]).mean() > 0.8


def test_other_rows_raise_an_alarm_and_the_same_do_not(adopted: Path, tmp_path: Path) -> None:
    assert monitor(adopted, WindowQuery(adopted / "data" / "new.csv"), "off")["outcome"] == "fine"
    text = (adopted / "data" / "new.csv").read_text(encoding="utf-8")
    (tmp_path / "others.csv").write_text(text.replace(".", ""), encoding="utf-8")
    assert monitor(adopted, WindowQuery(tmp_path / "others.csv"), "off")["outcome"] == "alarm"


def test_rows_are_answered_over_http_and_broken_ones_refused(adopted: Path) -> None:
    testclient = pytest.importorskip("fastapi.testclient")
    from mlkeel.serve.app import build as build_api

    (adopted / "pyproject.toml").write_text('[project]\nname = "fruit"\nversion = "0.1.0"\n', encoding="utf-8")
    app, _ = build_api(adopted, read_server_config({"API_STORE": "off"}))
    with testclient.TestClient(app) as client:
        answer = client.post("/predict", json={"weight_g": 160, "length_mm": 75})
        assert answer.json()["predicted"] in ("apple", "cherry")
        assert answer.headers["x-model-version"] == current(adopted / "artifacts").name
        assert client.post("/predict", json={"weight_g": "heavy", "length_mm": 75}).status_code == 422


def test_a_table_that_teaches_nothing_is_refused_and_nothing_is_lost(adopted: Path, tmp_path: Path) -> None:
    before = (adopted / "conf" / "params.yaml").read_bytes()
    lines = ["label,x", *(f"{'ab'[number * 7919 % 13 % 2]},{number * 104729 % 997}" for number in range(300))]
    (tmp_path / "noise.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    with pytest.raises(InputError, match="chance"):
        adopt(PROJECT, str(tmp_path / "noise.csv"), "label", {}, adopted, lambda _plan: True)
    assert (adopted / "conf" / "params.yaml").read_bytes() == before
