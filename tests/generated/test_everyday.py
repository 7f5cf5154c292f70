"""What data scientists change on an ordinary day turns no test red that does not speak of their own data or model."""

import json
import re
from pathlib import Path

import pytest
import yaml

from ..conftest import command, succeed

LINEAR = '''"""What learns: a logistic regression over numbers that were filled and scaled."""

from typing import Any

from mlkeel.models.model import Shape
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler


def build(parameters: dict[str, Any], shape: Shape, seed: int) -> Pipeline:  # noqa: ARG001 - it needs few
    """Scikit-learn's, as it is."""
    return make_pipeline(SimpleImputer(), StandardScaler(), LogisticRegression(random_state=seed))
'''
METRIC = '''
from mlkeel.tasks.metrics import Metric
from mlkeel.tasks.outputs import Outputs, Targets


def sureness(probabilities: Outputs, _y_true: Targets) -> float:
    """How sure it is on average."""
    return float(probabilities.max(axis=1).mean())


METRICS = (*METRICS, Metric("sureness", sureness, greater_is_better=True))
'''

LOAD = '''
from mlkeel.data.tables import with_columns


def load(path: Path, contract: Contract) -> pd.DataFrame:
    """Read the table, and add the mean mass on the island of each row."""
    table = read_csv(path, contract)
    return with_columns(table, {"island_mass_g": table.groupby("island")["body_mass_g"].transform("mean")})
'''


def set_parameters(project: Path, **values: object) -> None:
    path = project / "conf" / "params.yaml"
    text = path.read_text(encoding="utf-8")
    for name, value in values.items():
        lines = [line for line in text.splitlines() if line.strip().startswith(f"{name}:")]
        assert lines
        indent = lines[0][: len(lines[0]) - len(lines[0].lstrip())]
        text = text.replace(lines[0], f"{indent}{name}: {value}")
    path.write_text(text, encoding="utf-8")


def run_tests(project: Path, environment: dict[str, str]) -> None:
    output = succeed("make", "test", cwd=project, env=environment)
    assert " passed" in output


@pytest.mark.parametrize(
    "values",
    [
        {"min_samples_leaf": 40, "seed": 12345},
        {"learning_rate": 1.0, "patience": 1},
        {"max_leaf_nodes": 2, "l2_regularization": 30.0},
        {"improvement": 0.2, "rounds": 40},
    ],
    ids=str,
)
def test_another_hyperparameter_is_no_fault(twin: Path, offline: dict[str, str], values: dict[str, object]) -> None:
    set_parameters(twin, **values)
    run_tests(twin, offline)


def test_another_estimator_is_trained_judged_and_proved(twin: Path, offline: dict[str, str]) -> None:
    (twin / "src" / "myproj" / "model.py").write_text(LINEAR, encoding="utf-8")
    run_tests(twin, offline)
    succeed("make", "check", cwd=twin, env=offline)
    assert "is current" in succeed("make", "train", cwd=twin, env=offline)
    assert "planted faults were caught" in succeed("make", "prove", "ONLY=model", cwd=twin, env=offline)
    succeed("make", "predict", "IN=data/penguins.csv", "OUT=out.csv", cwd=twin, env=offline)


def test_a_metric_of_ones_own_stands_wherever_metrics_do(twin: Path, offline: dict[str, str]) -> None:
    with (twin / "src" / "myproj" / "metrics.py").open("a", encoding="utf-8") as file:
        file.write(METRIC)
    run_tests(twin, offline)
    assert "sureness" in succeed("make", "train", cwd=twin, env=offline)
    assert "sureness" in succeed("make", "versions", cwd=twin, env=offline)
    assert "sureness" in succeed("make", "summary", cwd=twin, env=offline)
    succeed("make", "report", cwd=twin, env=offline)
    assert "sureness" in (twin / "reports" / "report.html").read_text(encoding="utf-8")
    version = (twin / "artifacts" / "current").read_text(encoding="utf-8").strip()
    metrics = json.loads((twin / "artifacts" / version / "metrics.json").read_text(encoding="utf-8"))
    assert 0 < metrics["model"]["sureness"] <= 1


@pytest.mark.slow
def test_a_column_that_load_computes_from_other_rows_is_learnt_from(twin: Path, offline: dict[str, str]) -> None:
    data = twin / "src" / "myproj" / "data.py"
    data.write_text(data.read_text(encoding="utf-8").split("\n\ndef load")[0] + LOAD, encoding="utf-8")
    for name in ("features", "dataset"):
        path = twin / "expectations" / f"{name}.json"
        suite = json.loads(path.read_text(encoding="utf-8"))
        own = [item for item in suite["expectations"] if item["kwargs"].get("column") == "body_mass_g"]
        if name == "features":
            suite["expectations"] += [item | {"kwargs": item["kwargs"] | {"column": "island_mass_g"}} for item in own]
        suite["expectations"][0]["kwargs"]["column_set"].append("island_mass_g")
        path.write_text(json.dumps(suite), encoding="utf-8")
    succeed("make", "test-data", cwd=twin, env=offline)
    succeed("make", "train", cwd=twin, env=offline)
    completed = command("make", "predict", "IN=data/penguins.csv", "OUT=out.csv", cwd=twin, env=offline)
    assert completed.returncode != 0
    assert "island_mass_g" in completed.stderr


def test_a_step_that_is_replaced_in_the_flow_is_replaced_everywhere(twin: Path, offline: dict[str, str]) -> None:
    """Training, evaluation and adoption deal rows as `train.py` says."""
    path = twin / "src" / "myproj" / "train.py"
    text = path.read_text(encoding="utf-8")
    assert "split(table, run)" in text
    every_other = "split(table[table.index % 2 == 0], run)"
    path.write_text(text.replace("split(table, run)", every_other), encoding="utf-8")
    succeed("make", "train", cwd=twin, env=offline)
    version = (twin / "artifacts" / "current").read_text(encoding="utf-8").strip()
    metrics = json.loads((twin / "artifacts" / version / "metrics.json").read_text(encoding="utf-8"))
    assert sum(metrics["rows"].values()) == 172
    output = succeed("make", "evaluate", cwd=twin, env=offline)
    assert f"evaluated on {metrics['rows']['test']} rows" in output
    adopt_output = succeed(
        "make", "adopt", "DATA=data/penguins.csv", "TARGET=species", "OPTIONS=--yes --force", cwd=twin, env=offline
    )
    assert re.search(rf"model +{metrics['rows']['test']} ", adopt_output)


def test_settings_and_commands_of_ones_own_are_kept_and_typed(twin: Path, offline: dict[str, str]) -> None:
    project = twin / "src" / "myproj" / "project.py"
    text = project.read_text(encoding="utf-8")
    text = text.replace(
        "from mlkeel.project import Project\n",
        "from mlkeel.config import ConfigModel, Settings\nfrom mlkeel.project import Project\n",
    )
    text = text.replace(
        "project = Project(",
        'class Churn(ConfigModel):\n    """Settings of our own."""\n\n    days: int\n\n\n'
        'class OurSettings(Settings):\n    """All settings."""\n\n    churn: Churn\n\n\n'
        'def hello() -> None:\n    """Greet."""\n    print("hello from us")\n\n\nproject = Project(',
    ).replace("metrics=METRICS,\n", "metrics=METRICS,\n    commands=(hello,),\n    settings=OurSettings,\n")
    project.write_text(text, encoding="utf-8")
    params = twin / "conf" / "params.yaml"
    params.write_text(params.read_text(encoding="utf-8") + "\nchurn:  # ours\n  days: 30\n", encoding="utf-8")
    run_tests(twin, offline)
    assert "hello from us" in succeed(".venv/bin/python", "-m", "myproj", "hello", cwd=twin, env=offline)
    succeed("make", "train", cwd=twin, env=offline)
    succeed("make", "evaluate", cwd=twin, env=offline)
    version = (twin / "artifacts" / "current").read_text(encoding="utf-8").strip()
    saved = yaml.safe_load((twin / "artifacts" / version / "params.yaml").read_text(encoding="utf-8"))
    assert saved["churn"] == {"days": 30}
    succeed("make", "adopt", "DATA=data/penguins.csv", "TARGET=species", "OPTIONS=--yes --force", cwd=twin, env=offline)
    assert "churn:  # ours\n  days: 30\n" in params.read_text(encoding="utf-8")
    params.write_text(params.read_text(encoding="utf-8").replace("days: 30", "days: many"), encoding="utf-8")
    completed = command("make", "train", cwd=twin, env=offline)
    assert completed.returncode != 0
    assert "churn.days" in completed.stderr
