"""What the measurements share: medians, and a generated project to measure in."""

import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[1]
TOOLS = Path(sys.executable).parent


def seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def medians(*works: Callable[[], object], times: int = 5) -> list[float]:
    """The median seconds of each of `works`, which take turns, so that a slow minute slows them all."""
    taken = [[seconds(work) for work in works] for _ in range(times)]
    return [statistics.median(column) for column in zip(*taken, strict=True)]


@contextmanager
def generated_project() -> Iterator[Path]:
    """The default project of this checkout with its environment, in a temporary folder."""
    folder = Path(tempfile.mkdtemp())
    try:
        project = folder / "myproj"
        render = [TOOLS / "copier", "copy", "--quiet", "--defaults", "--vcs-ref", "HEAD", ROOT, project]
        subprocess.run(render, check=True, capture_output=True)
        subprocess.run(["git", "init", "--quiet"], cwd=project, check=True)
        subprocess.run(["make", "setup"], cwd=project, check=True, capture_output=True)
        yield project
    finally:
        shutil.rmtree(folder)
