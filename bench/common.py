"""What the measurements share: medians, and a generated project to measure in."""

import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from unittest import mock

ROOT = Path(__file__).parents[1]
TOOLS = Path(sys.executable).parent


def seconds(function: Callable[[], object]) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def medians(*functions: Callable[[], object], times: int = 5) -> list[float]:
    """Return the median seconds of each of `functions`, which take turns, so that a slow minute slows them all."""
    rounds = [[seconds(function) for function in functions] for _ in range(times)]
    return [statistics.median(column) for column in zip(*rounds, strict=True)]


def render(project: Path, checkout: Path = ROOT, **answers: str) -> Path:
    """Render a project of a checkout, by default this one, without an environment, and return its folder."""
    command = [TOOLS / "copier", "copy", "--quiet", "--defaults", "--vcs-ref", "HEAD"]
    data = [part for name, value in answers.items() for part in ("--data", f"{name}={value}")]
    subprocess.run([*command, *data, checkout, project], check=True, capture_output=True)
    subprocess.run(["git", "init", "--quiet"], cwd=project, check=True)
    return project


def skip_draft_check() -> AbstractContextManager[object]:
    """Let `adopt` do without the check of the drafted contract, most of its time, which has no say in any score."""
    from mlkeel.drafts.draft_check import DraftCheck

    return mock.patch("mlkeel.adopt.adopt.check_draft", return_value=DraftCheck(0, [], 0, []))


@contextmanager
def generated_project(checkout: Path = ROOT) -> Iterator[Path]:
    """Yield the default project of a checkout, by default this one, with its environment, in a temporary folder."""
    folder = Path(tempfile.mkdtemp())
    try:
        project = render(folder / "myproj", checkout)
        subprocess.run(["make", "setup"], cwd=project, check=True, capture_output=True)
        yield project
    finally:
        shutil.rmtree(folder)
