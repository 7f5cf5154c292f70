"""A generated project is used as a person would, from the first `make` to a commit."""

import json
import os
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest

from ..conftest import FEW_TESTS, Render, command, succeed


def current(project: Path) -> Path:
    return project / "artifacts" / (project / "artifacts" / "current").read_text(encoding="utf-8").strip()


@pytest.mark.parametrize("part", ["code", pytest.param("data", marks=pytest.mark.slow), "model"])  # test_ci.py: data
def test_each_part_of_the_tests_runs_alone(generated: Path, offline: dict[str, str], part: str) -> None:
    output = succeed("make", f"test-{part}", cwd=generated, env=offline)
    assert " passed" in output
    assert "warning" not in output


def test_cleaning_twice_removes_leftovers_and_nothing_else(twin: Path, offline: dict[str, str]) -> None:
    leftovers = [
        *("src/__pycache__/x.pyc", ".pytest_cache/x", ".mypy_cache/x", ".ruff_cache/x", ".hypothesis/x", ".DS_Store"),
        *(
            "src/a folder/.DS_Store",
            "notes/.ipynb_checkpoints/x",
            ".trash/x",
            "htmlcov/x",
            "build/x",
            "dist/x",
            ".coverage",
        ),
    ]
    kept = ["data/build/x", "data/.trash/x", "artifacts/v1/model.onnx", "uv.lock", "src/a folder/kept", "notes/dist/x"]
    for name in leftovers + kept:
        (twin / name).parent.mkdir(parents=True, exist_ok=True)
        if not (twin / name).exists():
            (twin / name).write_text("x", encoding="utf-8")
    for _ in range(2):
        succeed("make", "clean", cwd=twin, env=offline)
        assert [name for name in leftovers if (twin / name).exists()] == []
        assert [name for name in kept if not (twin / name).exists()] == []
    assert " passed" in succeed("make", "test-data", cwd=twin, env=offline | FEW_TESTS)


def test_cleaning_formats_first(twin: Path, offline: dict[str, str]) -> None:
    (twin / "src" / "myproj" / "late.py").write_text('"""Late."""\nimport sys, os\nx = [os,\n sys]\n', encoding="utf-8")
    succeed("make", "clean", cwd=twin, env=offline)
    assert (twin / "src" / "myproj" / "late.py").read_text(encoding="utf-8") == (
        '"""Late."""\n\nimport os\nimport sys\n\nx = [os, sys]\n'
    )


def test_training_leaves_a_complete_artifact_that_predicts(twin: Path, offline: dict[str, str]) -> None:
    output = succeed("make", "train", cwd=twin, env=offline)
    assert "is current." in output
    assert "baseline" in output
    metrics = json.loads((current(twin) / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["model"]["accuracy"] > metrics["baseline"]["accuracy"] + 0.3
    succeed("make", "evaluate", cwd=twin, env=offline)
    succeed("make", "predict", "IN=data/penguins.csv", 'OUT=predictions/the $answers "1".csv', cwd=twin, env=offline)
    predictions = twin / "predictions" / 'the $answers "1".csv'
    assert len(predictions.read_text(encoding="utf-8").splitlines()) == 345
    assert succeed("git", "status", "--porcelain", cwd=twin) == ""
    assert "IN=rows.csv OUT=answers.csv" in command("make", "predict", cwd=twin, env=offline).stderr


@pytest.mark.parametrize("kills", [1, pytest.param(12, marks=pytest.mark.slow)])
def test_a_kill_at_any_moment_of_training_leaves_the_current_version(
    trained: Path, offline: dict[str, str], kills: int
) -> None:
    started = time.monotonic()
    succeed("make", "train", cwd=trained, env=offline)
    duration_s = time.monotonic() - started
    names = {path.name for path in current(trained).iterdir()}
    rng = random.Random(7)
    for _ in range(kills):
        # Most of a run is imports; the last third is where something is written.
        delay_s = duration_s * rng.uniform(0.6, 1.05)
        training = subprocess.Popen(
            ["make", "train"],
            cwd=trained,
            env=offline,
            start_new_session=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            training.wait(timeout=delay_s)
        except subprocess.TimeoutExpired:
            os.killpg(training.pid, signal.SIGKILL)
            training.wait()
        for folder in (trained / "artifacts").glob("[!.]*/"):
            assert {path.name for path in folder.iterdir()} == names
        succeed("make", "evaluate", cwd=trained, env=offline)


def test_bad_input_ends_in_one_paragraph(twin: Path, offline: dict[str, str]) -> None:
    """What else is wrong with a table is in tests/kit/test_cli.py."""
    path = twin / "data" / "penguins.csv"
    path.write_bytes(path.read_bytes().replace(b",3750,", b",heavy,"))
    reason = 'body_mass_g: its type must be float64; seen: str, for example "heavy" in row 1'
    completed = command("make", "train", cwd=twin, env=offline)
    message = [line for line in completed.stderr.splitlines() if not line.startswith("make")]
    assert completed.returncode != 0
    assert "Error 2" in completed.stderr
    assert len(message) == 1
    assert message[0].startswith("data/penguins.csv")
    assert reason in message[0]
    assert not (twin / "artifacts").exists()


def test_the_logs_of_a_container_are_json(twin: Path, offline: dict[str, str]) -> None:
    output = command("make", "--silent", "train", cwd=twin, env=offline | {"LOG_FORMAT": "json"}).stdout
    records = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    assert records[-1]["level"] == "INFO"
    assert records[-1]["message"].endswith("is current.")
    assert not (twin / "logs").exists()


@pytest.mark.project
@pytest.mark.parametrize(
    ("version", "target"),
    [
        ("3.13", "test-model"),
        pytest.param("3.13", "test", marks=pytest.mark.slow),
        pytest.param("3.11", "test", marks=pytest.mark.slow),
    ],
)
def test_it_works_with_each_python(render: Render, environment: dict[str, str], version: str, target: str) -> None:
    project = render(python_version=version)
    output = succeed("make", target, cwd=project, env=environment)
    assert " passed" in output
    assert f"Python {version}." in succeed(project / ".venv" / "bin" / "python", "--version", cwd=project)


@pytest.mark.project
@pytest.mark.slow
def test_where_the_wanted_python_is_not_to_be_had_another_is_taken(render: Render, offline: dict[str, str]) -> None:
    """Without network and pyenv, only the system's Python is left."""
    project = render(python_version="3.13")
    folders = [folder for folder in offline["PATH"].split(os.pathsep) if not (Path(folder) / "python3.13").exists()]
    poor = offline | {"PATH": os.pathsep.join(folders), "UV_PYTHON_DOWNLOADS": "never"}
    completed = command("make", "setup", cwd=project, env=poor)
    lines = [line for line in (completed.stdout + completed.stderr).splitlines() if "Python 3.13 is not here" in line]
    assert len(lines) == 1
    assert "uv python install 3.13" in lines[0]


@pytest.mark.project
@pytest.mark.slow
def test_a_broken_environment_is_made_anew(render: Render, environment: dict[str, str]) -> None:
    project = render()
    (project / ".venv").mkdir()
    (project / ".venv" / "ready").touch()
    (project / ".venv" / "rubble").touch()
    succeed("make", "setup", cwd=project, env=environment | {"UV_PROJECT_ENVIRONMENT": "elsewhere"})
    assert (project / ".venv" / "bin" / "python").exists()
    assert not (project / "elsewhere").exists()


def test_cleaning_goes_on_where_style_cannot_mend(twin: Path, offline: dict[str, str]) -> None:
    (twin / "src" / "myproj" / "late.py").write_text("def broken(:\n", encoding="utf-8")
    (twin / ".trash").mkdir()
    succeed("make", "clean", cwd=twin, env=offline)
    assert not (twin / ".trash").exists()
    assert command("make", "check", cwd=twin, env=offline).returncode != 0


def test_where_there_is_no_python_make_stops_with_one_line(render: Render, offline: dict[str, str]) -> None:
    project = render()
    pyproject = project / "pyproject.toml"
    text = pyproject.read_text(encoding="utf-8")
    pyproject.write_text(text.replace('">=3.11"', '">=3.99"'), encoding="utf-8")
    (project / ".python-version").write_text("3.99\n", encoding="utf-8")
    completed = command("make", "setup", cwd=project, env=offline | {"UV_PYTHON_DOWNLOADS": "never"})
    assert completed.returncode != 0
    assert "No Python that pyproject.toml allows (>=3.99)" in completed.stdout
    assert "uv python install 3.99" in completed.stdout
