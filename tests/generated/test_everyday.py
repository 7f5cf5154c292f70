"""What data scientists change on an ordinary day turns no test red that does not speak of their own data or model."""

import json
import re
from pathlib import Path

import pytest
import yaml

from ..conftest import clone, command, commit, succeed

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
METRIC_IMPORTS = """from mlkeel.tasks.metrics import Metric
from mlkeel.tasks.outputs import Outputs, Targets
"""
METRIC = '''

def sureness(probabilities: Outputs, _y_true: Targets) -> float:
    """How sure it is on average."""
    return float(probabilities.max(axis=1).mean())


METRICS = (ACCURACY, MACRO_F1, LOG_LOSS, Metric("sureness", sureness, greater_is_better=True))
'''
SETTINGS = '''
class Churn(ConfigModel):
    """Settings of our own."""

    days: int


class OurSettings(Settings):
    """All settings."""

    churn: Churn


def hello() -> None:
    """Greet."""
    print("hello from us")


project = Project('''

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
        pytest.param({"learning_rate": 1.0, "patience": 1}, marks=pytest.mark.slow),
        pytest.param({"max_leaf_nodes": 2, "l2_regularization": 30.0}, marks=pytest.mark.slow),
        pytest.param({"improvement": 0.2, "rounds": 40}, marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_another_hyperparameter_is_no_fault(twin: Path, offline: dict[str, str], values: dict[str, object]) -> None:
    set_parameters(twin, **values)
    run_tests(twin, offline)


def replaced(path: Path, *pairs: tuple[str, str]) -> None:
    """Replace texts of a file, each of which stands there once."""
    text = path.read_text(encoding="utf-8")
    for old, new in pairs:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    path.write_text(text, encoding="utf-8")


@pytest.fixture(scope="module")
def changed(generated: Path, offline: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trained project with an estimator, a metric, settings and a command of its own; not to be changed."""
    project = clone(generated, tmp_path_factory.mktemp("changed") / "twin")
    package = project / "src" / "myproj"
    (package / "model.py").write_text(LINEAR, encoding="utf-8")
    classification = "from mlkeel.tasks.classification import ACCURACY, LOG_LOSS, MACRO_F1\n"
    metrics = ("\nMETRICS = (ACCURACY, MACRO_F1, LOG_LOSS)\n", METRIC)
    replaced(package / "metrics.py", (classification, classification + METRIC_IMPORTS), metrics)
    replaced(
        package / "project.py",
        ("from mlkeel.project", "from mlkeel.config import ConfigModel, Settings\nfrom mlkeel.project"),
        ("project = Project(", SETTINGS),
        ("metrics=METRICS,\n", "metrics=METRICS,\n    commands=(hello,),\n    settings=OurSettings,\n"),
    )
    with (project / "conf" / "params.yaml").open("a", encoding="utf-8") as params:
        params.write("\nchurn:  # ours\n  days: 30\n")
    commit(project, "feat: do it our way", "--no-verify")
    assert "is current" in succeed("make", "train", cwd=project, env=offline)
    return project


@pytest.fixture(scope="module")
def adopted(changed: Path, offline: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A clone of it with a step of its own, trained and adopted anew; and what was printed by that."""
    project = clone(changed, tmp_path_factory.mktemp("adopted") / "twin")
    every_other = "split(table[table.index % 2 == 0], run)"
    replaced(project / "src" / "myproj" / "train.py", ("split(table, run)", every_other))
    succeed("make", "train", cwd=project, env=offline)
    words = ("DATA=data/penguins.csv", "TARGET=species", "OPTIONS=--yes --force")
    return project, succeed("make", "adopt", *words, cwd=project, env=offline)


def current(project: Path) -> Path:
    return project / "artifacts" / (project / "artifacts" / "current").read_text(encoding="utf-8").strip()


def metrics_of(version: Path) -> dict[str, dict[str, float]]:
    return dict(json.loads((version / "metrics.json").read_text(encoding="utf-8")))


def test_what_is_of_ones_own_turns_no_test_red(changed: Path, offline: dict[str, str]) -> None:
    """An estimator, a metric, settings and a command."""
    run_tests(changed, offline)
    succeed("make", "check", cwd=changed, env=offline)


def test_another_estimator_is_trained_judged_and_proved(changed: Path, offline: dict[str, str]) -> None:
    assert "planted faults were caught" in succeed("make", "prove", "ONLY=model", cwd=changed, env=offline)
    succeed("make", "predict", "IN=data/penguins.csv", "OUT=predictions/out.csv", cwd=changed, env=offline)


def test_a_metric_of_ones_own_stands_wherever_metrics_do(changed: Path, offline: dict[str, str]) -> None:
    assert "sureness" in succeed("make", "versions", cwd=changed, env=offline)
    assert "sureness" in succeed("make", "summary", cwd=changed, env=offline)
    succeed("make", "report", cwd=changed, env=offline)
    assert "sureness" in (changed / "reports" / "report.html").read_text(encoding="utf-8")
    assert 0 < metrics_of(current(changed))["model"]["sureness"] <= 1


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


def test_a_step_that_is_replaced_in_the_flow_is_replaced_everywhere(
    adopted: tuple[Path, str], offline: dict[str, str]
) -> None:
    """Training, evaluation and adoption deal rows as `train.py` says."""
    project, output = adopted
    rows = [metrics_of(path.parent)["rows"] for path in (project / "artifacts").glob("*/metrics.json")]
    assert [sum(parts.values()) for parts in rows] == [172, 172]
    assert f"evaluated on {rows[0]['test']} rows" in succeed("make", "evaluate", cwd=project, env=offline)
    assert re.search(rf"model +{rows[0]['test']} ", output)


def test_settings_and_commands_of_ones_own_are_kept_and_typed(
    changed: Path, adopted: tuple[Path, str], offline: dict[str, str]
) -> None:
    assert "hello from us" in succeed(".venv/bin/python", "-m", "myproj", "hello", cwd=changed, env=offline)
    saved = yaml.safe_load((current(changed) / "params.yaml").read_text(encoding="utf-8"))
    assert saved["churn"] == {"days": 30}
    project = adopted[0]
    replaced(project / "conf" / "params.yaml", ("churn:  # ours\n  days: 30\n", "churn:  # ours\n  days: many\n"))
    completed = command("make", "train", cwd=project, env=offline)
    assert completed.returncode != 0
    assert "churn.days" in completed.stderr
