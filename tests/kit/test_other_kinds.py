"""What depends on the kind of project passes for each of the six, not only for the one of this run."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from .kinds import KIND, MODELS

HERE = Path(__file__).parent


def _names_the_kind(path: Path) -> bool:
    """Whether a file of tests asks for the kind, or for a project of that kind."""
    return (
        re.search(r"\bKIND\b|\b(trained_project|fruit_predictor|serve|client)\b", path.read_text("utf-8")) is not None
    )


ONCE_FOR_ALL = {"http_limits", "layers", "model_manager", "other_kinds", "tracking"}  # they need a project of any kind
NOT_OF_A_KIND = [
    path
    for path in sorted(HERE.glob("test_*.py"))
    if path.stem.removeprefix("test_") in ONCE_FOR_ALL or not _names_the_kind(path)
]
OF_A_FRAMEWORK = {"adopt", "cli", "gate", "predict", "prove", "torch_model", "train", "version", "versions"}
OF_A_NETWORK = {"torch_model", "train", "version"}
OTHERS = [f"{task}/{framework}" for task, framework in MODELS if (task, framework) != (KIND.task_name, KIND.framework)]


def ignored(kind: str) -> list[Path]:
    """What another kind has no say in.

    The framework matters until there is a graph, and not after; one task shows what it means for commands, and of the
    other two only the networks themselves differ.
    """
    if kind.endswith("/scikit-learn"):
        return NOT_OF_A_KIND
    relevant = OF_A_FRAMEWORK if kind.startswith("tabular-regression") else OF_A_NETWORK
    return [path for path in HERE.glob("test_*.py") if path.stem.removeprefix("test_") not in relevant]


@pytest.mark.parametrize("kind", OTHERS)
def test_the_same_holds_for_another_kind(kind: str) -> None:
    command = [sys.executable, "-m", "pytest", "-x", "-p", "no:cacheprovider", "-p", "no:schemathesis"]
    command += ["-n", "0", str(HERE)]
    command += [f"--ignore={path}" for path in ignored(kind)]
    variables = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    completed = subprocess.run(
        command, env=variables | {"KIND": kind}, cwd=HERE, capture_output=True, text=True, check=False
    )
    assert completed.returncode == 0, completed.stdout[-3000:]
    assert int(re.findall(r"(\d+) passed", completed.stdout)[-1]) >= 20
