"""The kit's modules import only what stands below them, and answering reaches neither pandas nor what trains."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

KIT = Path(__file__).parents[2] / "template" / "packages" / "mlkeel"
LINT = Path(sys.executable).with_name("lint-imports")


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    variables = {"PYTHONPATH": str(folder), "PATH": "/usr/bin:/bin"}
    return subprocess.run([LINT, "--no-cache"], cwd=folder, env=variables, capture_output=True, text=True, check=False)


def test_every_import_keeps_to_the_layers() -> None:
    completed = lint(KIT)
    assert completed.returncode == 0, completed.stdout


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("inference/predictor.py", "def late() -> None:\n    import pandas\n"),
        ("contract/messages.py", "from mlkeel.data import tables\n"),
        ("serve/app.py", "def late() -> None:\n    from mlkeel.monitor import checks\n"),
    ],
)
def test_an_import_against_them_is_found_also_within_a_function(tmp_path: Path, module: str, line: str) -> None:
    shutil.copytree(KIT, tmp_path / "kit", ignore=shutil.ignore_patterns("__pycache__", ".*"))
    with (tmp_path / "kit" / "mlkeel" / module).open("a", encoding="utf-8") as file:
        file.write(line)
    completed = lint(tmp_path / "kit")
    assert completed.returncode != 0
    assert "BROKEN" in completed.stdout


def test_the_kit_is_typed() -> None:
    command = [sys.executable, "-m", "mypy", "--python-executable", sys.executable]
    completed = subprocess.run(command, cwd=KIT, capture_output=True, text=True, check=False)
    assert completed.returncode == 0, completed.stdout
