"""The six pairs of task and framework, and an environment for each.

PyTorch is copied from the environment of the tests or installed by pip, which finds a small CPU build where uv would
fetch one of several gigabytes; the project's own Makefile then has nothing left to install.
"""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from importlib.metadata import distribution
from pathlib import Path

from copier import run_copy

from ..conftest import commit, succeed

TORCH = "torch==2.13.0"
PYTHON = "3.11"


@dataclass(frozen=True)
class Variant:
    """A task, a framework, and what its example predicts from which table."""

    task: str
    framework: str
    table: str
    target: str
    faults: int

    def __str__(self) -> str:
        return f"{self.task}-{self.framework}"

    @property
    def answers(self) -> dict[str, str]:
        return {"task": self.task, "framework": self.framework}


VARIANTS = [
    Variant(task, framework, table, target, faults)
    for task, table, target, faults in (
        ("tabular-classification", "data/penguins.csv", "species", 33),
        ("tabular-regression", "data/penguins.csv", "body_mass_g", 34),
        ("text-classification", "data/messages.csv", "topic", 27),
    )
    for framework in ("scikit-learn", "pytorch")
]


# Each task and each framework once; what the others would only repeat is for `make test-slow`.
FEW = [VARIANTS[0], VARIANTS[3], VARIANTS[4]]


def generate(variant: Variant, snapshot: Path, folder: Path, environment: dict[str, str]) -> Path:
    """A project of this variant with its environment and hooks, committed."""
    project = folder / "myproj"
    answers = variant.answers | ({"python_version": PYTHON} if variant.framework == "pytorch" else {})
    run_copy(str(snapshot), project, data=answers, defaults=True, quiet=True, vcs_ref="HEAD")
    succeed("git", "init", "--quiet", cwd=project)
    if variant.framework == "pytorch":
        install_torch(project, environment)
    succeed("make", "setup", cwd=project, env=environment)
    commit(project, "feat: begin with the example", "--no-verify")
    return project


def install_torch(project: Path, environment: dict[str, str]) -> None:
    """Make `.venv` as `make setup` would, but for PyTorch's build."""
    path = [folder for folder in environment["PATH"].split(os.pathsep) if not folder.endswith("shims")]
    python = succeed("uv", "python", "find", "--no-project", PYTHON, cwd=project.parent, env=environment).strip()
    subprocess.run([python, "-m", "venv", ".venv"], cwd=project, check=True)
    local = environment | {"PATH": os.pathsep.join(path)}
    if not copy_torch(next((project / ".venv").glob("lib/python3*/site-packages"))):
        succeed(".venv/bin/pip", "install", "--quiet", "--no-compile", TORCH, cwd=project, env=local)
    rest = ("--editable", ".", "--group", "dev")
    succeed("uv", "pip", "install", "--quiet", "--python", ".venv", *rest, cwd=project, env=environment)
    succeed("uv", "lock", "--quiet", "--python", PYTHON, cwd=project, env=environment)
    (project / ".venv" / "ready").write_text(f"{project.resolve()}\n", encoding="utf-8")


def copy_torch(packages: Path) -> bool:
    """Copy PyTorch of this very process into other packages; whether it is the same for the same Python."""
    torch = distribution("torch")
    own_python = f"{sys.version_info.major}.{sys.version_info.minor}"
    if (own_python, f"torch=={torch.version.partition('+')[0]}") != (PYTHON, TORCH):
        return False
    for folder in {file.parts[0] for file in torch.files or () if len(file.parts) > 1} - {".."}:
        shutil.copytree(torch.locate_file(folder), packages / folder, symlinks=True)
    return True
