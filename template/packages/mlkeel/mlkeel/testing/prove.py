"""Test the tests: plant one fault at a time, run the tests that should notice, and say which did.

Nothing on the disk is changed: the tests are handed a project of which one part does wrong.
"""

import contextlib
import io
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlkeel.config import Settings, read_settings
from mlkeel.contract.suites import Contract, read_contract
from mlkeel.data.tables import conform
from mlkeel.errors import Hint, InputError
from mlkeel.faults.tables import Plant, Scene, shuffled_labels
from mlkeel.faults.targets import faults_of
from mlkeel.project import Project, Run
from mlkeel.testing.planting import planted
from mlkeel.testing.project_faults import PROJECT_FAULTS, applies, described
from mlkeel.training.again import run_flow

if TYPE_CHECKING:
    import pandas as pd
    import pytest

# Gives a project with a fault; what goes wrong in the fault itself is added to the list.
Planting = Callable[[Project, list[str]], Project]
SHOWN = 60  # characters of an error
PARTS = ("data", "code", "model")
CONTRACT, TRAINING = "tests/data/test_contract.py", "tests/model/test_training.py"
MODEL = tuple(f"tests/model/test_{name}.py" for name in ("training", "inference", "behavior"))
TESTS = {"data": (CONTRACT, TRAINING), "code": MODEL, "model": MODEL}


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


def attempts(project: Project, root: Path, parts: tuple[str, ...]) -> Iterator[Attempt]:
    """All faults of these parts, one after the other, for the table of the `project` in `root`."""
    settings = read_settings(root / "conf" / "params.yaml", project.settings)
    contract = read_contract(root / "expectations")
    if "data" in parts:
        yield from _data_attempts(project, root, settings, contract)
    if set(parts) - {"data"}:
        run = Run(root, settings, contract)
        prepared, _ = run_flow(project, run)
        for one in PROJECT_FAULTS:
            if one.part in parts:
                fits = applies(one, project, prepared, run)
                yield Attempt(one.name, one.place, TESTS[one.part], one.plant if fits else None)


def _data_attempts(project: Project, root: Path, settings: Settings, contract: Contract) -> Iterator[Attempt]:
    scene = Scene(contract, settings.data.target)
    table, faults = project.load(root / settings.data.path, contract), faults_of(contract, settings.data.target)
    for fault in (*faults.FOR_THE_SUITES, *faults.BEYOND_THE_SUITES):
        tests = (TRAINING if fault is shuffled_labels else CONTRACT,)
        plant = _broken_by(fault, table, scene)
        yield Attempt(fault.__name__.replace("_", " "), settings.data.path.name, tests, plant)


def _broken_by(fault: Plant, table: "pd.DataFrame", scene: Scene) -> Planting | None:
    """What lets `table` be loaded with `fault`; None where it does not apply."""
    try:
        broken = fault(table, scene)
    except Exception as error:  # of whatever kind: it is the fault that is wrong, and not the table
        crash = described(error)

        def fail(project: Project, crashes: list[str]) -> Project:
            crashes.append(crash)
            return project

        return fail
    if broken is None:
        return None
    return lambda project, _crashes: replace(project, load=lambda _path, contract: conform(broken, contract))


def prove(project: Project, root: Path, parts: tuple[str, ...] = PARTS) -> Iterator[Proof]:
    """Plant each fault and run the tests of the `project` in `root` that should notice it.

    Raises:
        InputError: pytest is not installed, the tests are not there, or they fail without any fault.
    """
    needed = list(dict.fromkeys(test for part in parts for test in TESTS[part]))
    before = run_tests(project, root, needed)
    if before.failures:
        raise InputError(
            f"tests/: {', '.join(before.failures[:3])} fails without a fault, so nothing can be proved. Mend it first."
        )
    for one in attempts(project, root, parts):
        started = time.perf_counter()
        caught_by = crash = None
        if one.plant is not None:
            after = run_tests(project, root, one.tests, one.plant)
            crash = after.crashes[0] if after.crashes else None
            caught_by = None if crash else _noticed(after, before)
        yield Proof(one.fault, one.place, caught_by, time.perf_counter() - started, crash)


def _noticed(after: Watcher, before: Watcher) -> str:
    if after.failures:
        return after.failures[0]
    new = [warning for warning in after.warnings if warning not in before.warnings]
    return new[0] if new else ""


def run_tests(project: Project, root: Path, tests: Sequence[str], plant: Planting | None = None) -> Watcher:
    """Run `tests` of the project in `root` with a fault planted, up to the first failure, and give what was noticed.

    A fault that cannot be planted ends in a crash, and no test is run.

    Raises:
        InputError: pytest or the tests are not there.
    """
    try:
        import pytest
    except ModuleNotFoundError as error:
        raise InputError("prove needs pytest, which is not installed.", Hint.SETUP) from error
    if absent := [test for test in tests if not (root / test).exists()]:
        raise InputError(f"{root / absent[0]}: there are no such tests. Restore them with: git checkout -- tests")
    watcher, silence = Watcher(), io.StringIO()
    options = ["-x", "--rootdir", str(root), "-c", str(root / "pyproject.toml")]
    options += ["-p", "no:cacheprovider", "-p", "no:randomly"]
    if plant is not None:
        try:
            plant(project, watcher.crashes)
        except Exception as error:  # what it wants to change is not there, for instance
            watcher.crashes.append(described(error))
        if watcher.crashes:
            return watcher
    give = None if plant is None else lambda found: plant(found, watcher.crashes)
    with (
        pytest.MonkeyPatch.context() as patch,
        planted(give),
        contextlib.redirect_stdout(silence),
        contextlib.redirect_stderr(silence),
    ):
        patch.delenv("PYTEST_ADDOPTS", raising=False)  # workers would not know of the fault
        code = pytest.main([*options, *(str(root / test) for test in tests)], plugins=[watcher])
    if code not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.INTERRUPTED):
        raise InputError(f"tests/: pytest cannot run ({silence.getvalue().strip()[-500:]}). Mend that first.")
    for name, module in list(sys.modules.items()):
        if str(root / "tests") in str(getattr(module, "__file__", "")):
            del sys.modules[name]
    return watcher
