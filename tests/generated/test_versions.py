"""A project keeps a history of its models: they are trained, shown, chosen and taken back by typing `make`."""

import json
import re
import sqlite3
from pathlib import Path

import pytest

from ..conftest import command, commit, succeed


def current(project: Path) -> str:
    return (project / "artifacts" / "current").read_text(encoding="utf-8").strip()


def test_models_are_shown_chosen_and_taken_back(trained: Path, offline: dict[str, str]) -> None:
    def make(*words: str) -> str:
        return succeed("make", *words, cwd=trained, env=offline)

    first = current(trained)
    assert re.search(rf"the same as the [\d.]+ of {first}", make("train"))
    second = current(trained)
    head = succeed("git", "rev-parse", "--short=7", "HEAD", cwd=trained).strip()
    output = make("versions")
    assert re.search(rf"{second} .* {head} +passed +yes", output)
    assert re.search(rf"{first} .* {head} +passed +until ", output)
    make("promote", f"VERSION={first}")
    assert current(trained) == first
    make("rollback")
    assert current(trained) == second
    listed = json.loads(succeed("make", "--silent", "versions", "OPTIONS=--json", cwd=trained, env=offline))
    assert [(version["version"], version["is_current"]) for version in listed] == [(second, True), (first, False)]
    assert succeed("git", "status", "--porcelain", cwd=trained) == ""


def test_a_model_that_is_worse_or_misbehaves_does_not_become_current_until_a_person_decides(
    trained: Path, offline: dict[str, str]
) -> None:
    good = current(trained)
    params = trained / "conf" / "params.yaml"
    behavior = trained / "tests" / "model" / "behavior.yaml"
    params.write_text(re.sub(r"rounds: \d+", "rounds: 12", params.read_text("utf-8")), encoding="utf-8")
    typical = re.search(r"  - name: a typical Adelie\n.*\n    expect: Adelie\n", behavior.read_text("utf-8"))
    assert typical is not None
    changed = behavior.read_text("utf-8").replace(typical[0], typical[0].replace("expect: Adelie", "expect: Gentoo"))
    behavior.write_text(changed, encoding="utf-8")
    completed = command("make", "train", cwd=trained, env=offline)
    assert completed.returncode != 0
    assert re.search(
        rf"its log loss is \d+\.\d% ± \d+\.\d% more than the [\d.]+ of {good}, and 2.0% more is accepted",
        completed.stderr,
    )
    assert 'Behaviour "a typical Adelie": it answers Adelie' in completed.stderr
    assert current(trained) == good
    (overrule,) = re.findall(r"make promote VERSION=(\S+)", completed.stderr)
    assert "did not pass the gate" in succeed("make", "promote", f"VERSION={overrule}", cwd=trained, env=offline)
    assert current(trained) == overrule
    listed = json.loads(succeed("make", "--silent", "versions", "OPTIONS=--json", cwd=trained, env=offline))
    assert listed[0]["commit"].endswith("-dirty")


@pytest.fixture
def tracked(twin: Path) -> Path:
    """A twin whose settings ask for MLflow."""
    with (twin / "conf" / "params.yaml").open("a", encoding="utf-8") as params:
        params.write("\ntracking:\n  mlflow: true\n")
    commit(twin, "feat: note trainings")
    return twin


def test_mlflow_comes_when_the_settings_ask_for_it(tracked: Path, environment: dict[str, str]) -> None:
    output = succeed("make", "train", cwd=tracked, env=environment)
    assert output.count("MLflow") == 1, output  # that it is being noted, and no warning
    with sqlite3.connect(tracked / "mlflow.db") as store:
        assert store.execute("select name, status from runs").fetchall() == [(current(tracked), "FINISHED")]
        tags = dict(store.execute("select key, value from tags").fetchall())
        assert store.execute("select count(*) from metrics where key = 'validation_loss'").fetchone()[0] > 10
    assert (tags["version"], tags["gate"]) == (current(tracked), "passed")
    assert tags["commit"] == succeed("git", "rev-parse", "HEAD", cwd=tracked).strip()
    assert len(list((tracked / "mlruns").rglob("MODEL_CARD.md"))) == 1
    assert succeed("git", "status", "--porcelain", cwd=tracked) == ""


def test_without_mlflow_a_training_counts_all_the_same(tracked: Path, offline: dict[str, str], tmp_path: Path) -> None:
    nothing = {"UV_CACHE_DIR": str(tmp_path / "cache")}
    output = succeed("make", "train", cwd=tracked, env=offline | nothing)
    assert "To get it: uv sync --inexact --group tracking" in output
    assert current(tracked)
