"""Test the tests: plant one fault at a time, run the tests that should notice, and say which did.

Nothing on the disk is changed: data is broken in memory as it is loaded, code and model while the tests run.
"""

import contextlib
import importlib
import io
import pkgutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import data as loading
from .contract import read_contract
from .data import conform, load
from .faults import Plant, Scene, shuffled_labels
from .sabotage import SABOTAGES, described, replace
from .settings import InputError, read_settings
from .target_faults import BEYOND_THE_SUITES, FOR_THE_SUITES

if TYPE_CHECKING:
    import pandas as pd
    import pytest

# Plants a fault until the patch is undone; what goes wrong in the fault itself is added to the list.
Planting = Callable[["pytest.MonkeyPatch", list[str]], None]
SHOWN = 60  # characters of an error
PARTS = ("data", "code", "model")
CONTRACT, TRAINING = "tests/data/test_contract.py", "tests/model/test_training.py"


@dataclass(frozen=True)
class Proof:
    """What became of one fault.

    `caught_by` names a test, is empty if none noticed, and None if the fault was not planted: it does not apply to this
    table or, if there is a `crash`, it raised that exception itself.
    """

    fault: str
    place: str
    caught_by: str | None
    seconds: float
    crash: str | None = None


@dataclass(frozen=True)
class Attempt:
    """A fault that is ready to be planted; `plant` is None where the table has nothing that it could break."""

    fault: str
    place: str
    tests: tuple[str, ...]
    plant: "Planting | None"


@dataclass(eq=False)
class Watcher:
    """A plugin of pytest that remembers what went red, what only warned, and `crashes` of the planted fault itself."""

    crashes: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def pytest_runtest_logreport(self, report: "pytest.TestReport") -> None:
        """Note a test that failed, or what kept it from beginning."""
        if report.failed:
            crash = getattr(report.longrepr, "reprcrash", None)
            reason = crash.message.splitlines()[0] if crash and report.when == "setup" else None
            self.failures.append(reason.partition("Error: ")[2][:SHOWN] if reason else _called(report.nodeid))

    def pytest_collectreport(self, report: "pytest.CollectReport") -> None:
        """Note a module of tests that could not be read."""
        if report.failed:
            self.failures.append(report.nodeid)

    def pytest_warning_recorded(self, warning_message: Any, nodeid: str) -> None:  # noqa: ANN401
        """Note a breach that only warns."""
        if warning_message.category is UserWarning:
            self.warnings.append(_called(nodeid))


def _called(nodeid: str) -> str:
    """A test by its name; one of an expectation by that of the expectation."""
    name, _, case = nodeid.rpartition("::")[2].partition("[")
    return case.removesuffix("]") if name == "test_the_table_meets" else name


def attempts(root: Path, parts: tuple[str, ...]) -> Iterator[Attempt]:
    """All faults of these parts, one after the other, for the table of the project in `root`."""
    settings, contract = read_settings(root / "conf" / "params.yaml"), read_contract(root / "expectations")
    scene = Scene(contract, settings.data.target)
    if "data" in parts:
        table = load(root / settings.data.path, contract)
        for fault in (*FOR_THE_SUITES, *BEYOND_THE_SUITES):
            tests = (TRAINING if fault is shuffled_labels else CONTRACT,)
            plant = _broken_by(fault, table, scene)
            yield Attempt(fault.__name__.replace("_", " "), settings.data.path.name, tests, plant)
    for one in SABOTAGES:
        if one.part in parts:
            yield Attempt(one.fault, one.place, one.tests, one.plant if one.applies(contract) else None)


def needed(parts: tuple[str, ...]) -> list[str]:
    """The tests that should notice faults of these parts."""
    tests = [
        *((CONTRACT, TRAINING) if "data" in parts else ()),
        *(t for s in SABOTAGES if s.part in parts for t in s.tests),
    ]
    return list(dict.fromkeys(tests))


def _broken_by(fault: Plant, table: "pd.DataFrame", scene: Scene) -> Planting | None:
    """What lets `table` be loaded with `fault`; None where it does not apply."""
    try:
        broken = fault(table, scene)
    except Exception as error:  # of whatever kind: it is the fault that is wrong, and not the table
        crash = described(error)
        return lambda _patch, crashes: crashes.append(crash)
    if broken is None:
        return None
    return lambda patch, crashes: replace(
        patch, loading, "load", lambda _load, _path, contract: conform(broken, contract), crashes
    )


def prove(root: Path, parts: tuple[str, ...] = PARTS) -> Iterator[Proof]:
    """Plant each fault and run the tests that should notice it.

    Raises:
        InputError: pytest is not installed, the tests are not there, or they fail without any fault.
    """
    for module in pkgutil.iter_modules(sys.modules[__package__ or ""].__path__, f"{__package__}."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)  # all, so that none is imported while a fault is planted
    before = run(root, needed(parts))
    if before.failures:
        raise InputError(
            f"tests/: {', '.join(before.failures[:3])} fails without a fault, so nothing can be proved. Mend it first."
        )
    for one in attempts(root, parts):
        started = time.perf_counter()
        caught_by = crash = None
        if one.plant is not None:
            after = run(root, one.tests, one.plant)
            crash = after.crashes[0] if after.crashes else None
            caught_by = None if crash else _noticed(after, before)
        yield Proof(one.fault, one.place, caught_by, time.perf_counter() - started, crash)


def _plant(plant: Planting, patch: "pytest.MonkeyPatch", watcher: Watcher) -> None:
    try:
        plant(patch, watcher.crashes)
    except Exception as error:  # what it wants to change is not there, for instance
        watcher.crashes.append(described(error))


def _noticed(after: Watcher, before: Watcher) -> str:
    if after.failures:
        return after.failures[0]
    new = [warning for warning in after.warnings if warning not in before.warnings]
    return new[0] if new else ""


def run(root: Path, tests: Sequence[str], plant: Planting | None = None) -> Watcher:
    """Run `tests` of the project in `root` with a fault planted, up to the first failure, and give what was noticed.

    A fault that cannot be planted ends in a crash, and no test is run.

    Raises:
        InputError: pytest or the tests are not there.
    """
    try:
        import pytest
    except ModuleNotFoundError as error:
        raise InputError("prove needs pytest. Install the development tools with: make setup") from error
    if absent := [test for test in tests if not (root / test).exists()]:
        raise InputError(f"{root / absent[0]}: there are no such tests. Restore them with: git checkout -- tests")
    watcher, silence = Watcher(), io.StringIO()
    options = ["-x", "--rootdir", str(root), "-c", str(root / "pyproject.toml")]
    options += ["-p", "no:cacheprovider", "-p", "no:randomly"]
    with (
        pytest.MonkeyPatch.context() as patch,
        contextlib.redirect_stdout(silence),
        contextlib.redirect_stderr(silence),
    ):
        patch.delenv("PYTEST_ADDOPTS", raising=False)  # workers would not know of the fault
        if plant:
            _plant(plant, patch, watcher)
        if watcher.crashes:
            return watcher
        code = pytest.main([*options, *(str(root / test) for test in tests)], plugins=[watcher])
    if code not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.INTERRUPTED):
        raise InputError(f"tests/: pytest cannot run ({silence.getvalue().strip()[-500:]}). Mend that first.")
    for name, module in list(sys.modules.items()):
        if str(root / "tests") in str(getattr(module, "__file__", "")):
            del sys.modules[name]
    return watcher
