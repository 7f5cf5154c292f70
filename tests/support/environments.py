"""Environments for generated projects: one a framework, installed once a run, and lent to as many projects as need one.

What is lent is a virtual environment of the project's own, made in milliseconds: its `src` and its kit come first on
the path, and behind them the packages of the lender. Another project's `.venv` as a symbolic link would run that
project's code. The bytecode of the kit is lent, too; Python takes it where its source is the same.
"""

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


def lend(lender: Path, project: Path) -> Path:
    """Make `.venv` of `project` out of the environment `lender`; to make it is as if `make setup` had made it."""
    own = project / ".venv"
    project = project.resolve()
    packages = next(lender.glob("lib/python3*/site-packages"))
    shutil.rmtree(own, ignore_errors=True)
    (own / "bin").mkdir(parents=True)
    for program in (lender / "bin").iterdir():
        _lend_program(program, own / "bin" / program.name, {str(lender): str(project / ".venv")})
    shutil.copy(lender / "pyvenv.cfg", own)
    (own / packages.relative_to(lender)).mkdir(parents=True)
    own_code = "\n".join(str(project / folder) for folder in ("src", "packages/mlkeel"))
    path = f"{own_code}\nimport site; site.addsitedir({str(packages)!r})\n"
    (own / packages.relative_to(lender) / "lent.pth").write_text(path, encoding="utf-8")
    (own / "ready").write_text(f"{project}\n", encoding="utf-8")
    for cache in lender.parent.glob("packages/**/__pycache__"):
        if (project / cache.parent.relative_to(lender.parent)).is_dir():
            shutil.copytree(cache, project / cache.relative_to(lender.parent), dirs_exist_ok=True)
    return project


def _lend_program(program: Path, destination: Path, paths: dict[str, str]) -> None:
    if program.is_symlink():
        destination.symlink_to(program.readlink())
    elif program.read_bytes()[:2] == b"#!":
        text = program.read_text(encoding="utf-8")
        for old, new in paths.items():
            text = text.replace(old, new)
        destination.write_text(text, encoding="utf-8")
        shutil.copymode(program, destination)
    else:
        destination.symlink_to(program)


def once(folder: Path, make: Callable[[Path], None]) -> Path:
    """`folder`, which `make` fills the first time that any worker of this run asks for it."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    done = folder.with_name(f"{folder.name}.done")
    with locked(folder.with_name(f"{folder.name}.lock")):
        if not done.exists():
            shutil.rmtree(folder, ignore_errors=True)
            make(folder)
            done.touch()
    return folder


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Wait until no other process of the tests is in a block with this lock."""
    with path.open("w", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def run_folder(base: Path) -> Path:
    """A folder that all workers of a run share, from a worker's `tmp_path_factory.getbasetemp()`."""
    return base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base
