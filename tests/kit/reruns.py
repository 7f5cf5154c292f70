"""Runs tests of the kit again, in a process of their own: as another kind, or with a fault in the kit.

What such processes import, pandas, Great Expectations and the like, takes most of their time. So each is forked from
one that has imported it, and nothing of these tests, which read KIND and MUTANT when they are imported.
"""

import multiprocessing
import os
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
IMPORTED_BEFORE = ["great_expectations", "onnxruntime", "pandas", "skl2onnx", "sklearn.ensemble", "spox"]
OPTIONS = ("-x", "-n", "0", "-p", "no:cacheprovider", "-p", "no:schemathesis")


def rerun(output: Path, *arguments: str, **variables: str) -> int:
    """Run pytest with `arguments` and `variables`, and return its exit code; the file `output` has what it printed."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(IMPORTED_BEFORE)
    process = context.Process(target=_run, args=(str(output), arguments, variables))
    process.start()
    process.join()
    assert process.exitcode is not None
    return process.exitcode


def _run(output: str, arguments: tuple[str, ...], variables: dict[str, str]) -> None:
    for name in [name for name in os.environ if name.startswith("PYTEST_")]:
        del os.environ[name]
    os.environ.update(variables)
    os.chdir(HERE)
    file = os.open(output, os.O_WRONLY | os.O_CREAT)
    os.dup2(file, 1)
    os.dup2(file, 2)
    sys.exit(pytest.main([*OPTIONS, *arguments]))
