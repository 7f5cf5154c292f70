"""Test the tests: plant one fault at a time, run the tests that should catch it, and say which did.

Nothing on the disk is changed: the tests get a project in which one part is faulty.
"""

import contextlib
import io
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mlkeel.config import Settings, read_settings
from mlkeel.contract.suites import TYPE, Contract, Suite, read_contract
from mlkeel.data.tables import coerce_dtypes
from mlkeel.errors import Hint, InputError
from mlkeel.faults.derived import broken_derived_rule
from mlkeel.faults.tables import DataFault, FaultContext, shuffled_labels
from mlkeel.faults.targets import faults_of
from mlkeel.features.export import build_encoder
from mlkeel.project import Prepared, Project, Run
from mlkeel.testing.code_faults import CODE_FAULTS, applies, derived_fault, describe, future_value_fault
from mlkeel.testing.planting import planted
from mlkeel.training.reevaluate import run_flow

if TYPE_CHECKING:
    import pandas as pd
    import pytest

# Returns a project with a fault, and appends to the list each exception that the fault itself raises.
Planting = Callable[[Project, list[str]], Project]
MAX_REASON_CHARS = 60
PARTS = ("data", "code", "model")
CONTRACT_TESTS = "tests/data/test_contract.py"
LOADING_TESTS = "tests/code/test_data.py"
TRAINING_TESTS = "tests/model/test_training.py"
MODEL_TESTS = tuple(f"tests/model/test_{name}.py" for name in ("training", "inference", "behavior"))
TESTS_BY_PART = {"data": (CONTRACT_TESTS, TRAINING_TESTS), "code": MODEL_TESTS, "model": MODEL_TESTS}
FURTHER_TESTS = {"code": (LOADING_TESTS,)}  # of faults that say by which tests they are caught


@dataclass(frozen=True)
class FaultResult:
    """The result of one fault.

    `caught_by` names a test, is empty if none caught the fault, and None if it was not planted: it does not apply to
    this project or, if there is a `crash`, it raised that exception itself.
    """

    fault: str
    place: str
    caught_by: str | None
    seconds: float
    crash: str | None = None


@dataclass(frozen=True)
class PlannedFault:
    """A fault and the tests that should catch it; `plant` is None if it does not apply to this project."""

    fault: str
    place: str
    tests: tuple[str, ...]
    plant: "Planting | None"


@dataclass(eq=False)
class PytestRecorder:
    """A pytest plugin that records failures, warnings, and `crashes` of the planted fault itself."""

    crashes: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def pytest_runtest_logreport(self, report: "pytest.TestReport") -> None:
        """Record a test that failed, or the reason why its setup failed."""
        if report.failed:
            crash = getattr(report.longrepr, "reprcrash", None)
            reason = crash.message.splitlines()[0] if crash and report.when == "setup" else None
            failure = reason.partition("Error: ")[2][:MAX_REASON_CHARS] if reason else _test_name(report.nodeid)
            self.failures.append(failure)

    def pytest_collectreport(self, report: "pytest.CollectReport") -> None:
        """Record a test module that could not be collected."""
        if report.failed:
            self.failures.append(report.nodeid)

    def pytest_warning_recorded(self, warning_message: Any, nodeid: str) -> None:  # noqa: ANN401
        """Record a violation that only warns."""
        if warning_message.category is UserWarning:
            self.warnings.append(_test_name(nodeid))


def _test_name(nodeid: str) -> str:
    """Return the name of a test or, for a test of an expectation, the name of the expectation."""
    name, _, case = nodeid.rpartition("::")[2].partition("[")
    return case.removesuffix("]") if name == "test_the_table_meets" else name


def planned_faults(project: Project, root: Path, parts: tuple[str, ...]) -> Iterator[PlannedFault]:
    """Yield all faults of these parts, for the table of the `project` in `root`."""
    settings = read_settings(root / "conf" / "params.yaml", project.settings)
    contract = read_contract(root / "expectations")
    if "data" in parts:
        yield from _data_attempts(project, root, settings, contract)
    if set(parts) - {"data"}:
        run = Run(root, settings, contract)
        prepared, _ = run_flow(project, run)
        for fault in CODE_FAULTS:
            if fault.part in parts:
                plant = fault.plant if applies(fault, project, prepared, run) else None
                yield PlannedFault(fault.name, fault.place, TESTS_BY_PART[fault.part], plant)
        if "code" in parts:
            fault = future_value_fault(settings.data.split.time)
            plant = fault.plant if applies(fault, project, prepared, run) else None
            yield PlannedFault(fault.name, fault.place, (LOADING_TESTS,), plant)
        if "code" in parts and contract.derived is not None:
            yield from _derived_attempts(prepared, contract.derived)


def _data_attempts(project: Project, root: Path, settings: Settings, contract: Contract) -> Iterator[PlannedFault]:
    encoder = None if contract.derived is None else build_encoder(contract, project.features)
    context = FaultContext(contract, settings.data.target, encoder)
    table = project.load(root / settings.data.path, contract)
    faults = faults_of(contract, settings.data.target)
    faults_of_derived = () if contract.derived is None else (broken_derived_rule,)
    for fault in (*faults.CAUGHT_BY_CONTRACT, *faults_of_derived, *faults.NOT_CAUGHT_BY_CONTRACT):
        tests = (TRAINING_TESTS if fault is shuffled_labels else CONTRACT_TESTS,)
        plant = _data_planting(fault, table, context)
        yield PlannedFault(fault.__name__.replace("_", " "), settings.data.path.name, tests, plant)


def _derived_attempts(prepared: Prepared, rules: Suite) -> Iterator[PlannedFault]:
    """Yield a fault of the function that gives the derived column with rules that has the most values, if any."""
    columns = prepared.encoder.derived_columns(prepared.features["train"])
    with_rules = {item["kwargs"].get("column") for item in rules["expectations"] if item["type"] != TYPE}
    of_python = prepared.encoder.layout.python
    counts = {name: np.unique(columns[name]).size for name in columns if name in with_rules and name not in of_python}
    column = max(counts, key=lambda name: counts[name], default=None)
    if column is not None and counts[column] > 1:
        fault = derived_fault(column)
        yield PlannedFault(fault.name, fault.place, (CONTRACT_TESTS,), fault.plant)


def _data_planting(fault: DataFault, table: "pd.DataFrame", context: FaultContext) -> Planting | None:
    """Return a function that makes a project load `table` with `fault`; None if the fault does not apply."""
    try:
        broken = fault(table, context)
    except Exception as error:  # any exception here is a bug of the fault, and not of the table
        crash = describe(error)

        def report_crash(project: Project, crashes: list[str]) -> Project:
            crashes.append(crash)
            return project

        return report_crash
    if broken is None:
        return None
    return lambda project, _crashes: replace(project, load=lambda _path, contract: coerce_dtypes(broken, contract))


def prove(project: Project, root: Path, parts: tuple[str, ...] = PARTS) -> Iterator[FaultResult]:
    """Plant each fault and run the tests of the `project` in `root` that should catch it.

    Raises:
        InputError: pytest is not installed, a test file is missing, or tests fail without any fault.
    """
    tests = list(dict.fromkeys(test for part in parts for test in (*TESTS_BY_PART[part], *FURTHER_TESTS.get(part, ()))))
    if CONTRACT_TESTS not in tests and "code" in parts and read_contract(root / "expectations").derived is not None:
        tests.append(CONTRACT_TESTS)  # for a fault of a function that derives a column
    reference = run_tests(project, root, tests)
    if reference.failures:
        failing = ", ".join(reference.failures[:3])
        raise InputError(f"tests/: {failing} fails without a fault, so nothing can be proved. Mend it first.")
    for planned in planned_faults(project, root, parts):
        start = time.perf_counter()
        caught_by = None
        crash = None
        if planned.plant is not None:
            recorder = run_tests(project, root, planned.tests, planned.plant)
            crash = recorder.crashes[0] if recorder.crashes else None
            caught_by = None if crash else _caught_by(recorder, reference)
        yield FaultResult(planned.fault, planned.place, caught_by, time.perf_counter() - start, crash)


def _caught_by(recorder: PytestRecorder, reference: PytestRecorder) -> str:
    """Return the first failure or new warning since the `reference` run without a fault; empty if there is none."""
    if recorder.failures:
        return recorder.failures[0]
    new_warnings = [warning for warning in recorder.warnings if warning not in reference.warnings]
    return new_warnings[0] if new_warnings else ""


def run_tests(project: Project, root: Path, tests: Sequence[str], plant: Planting | None = None) -> PytestRecorder:
    """Run `tests` of the project in `root` with a fault planted, up to the first failure, and return their results.

    A fault that cannot be planted is recorded as a crash, and no test is run.

    Raises:
        InputError: pytest is not installed, pytest cannot run, or a test file is missing.
    """
    try:
        import pytest
    except ModuleNotFoundError as error:
        raise InputError("prove needs pytest, which is not installed.", Hint.SETUP) from error
    if missing := [test for test in tests if not (root / test).exists()]:
        raise InputError(f"{root / missing[0]}: there are no such tests. Restore them with: git checkout -- tests")
    recorder = PytestRecorder()
    output = io.StringIO()
    options = ["-x", "--rootdir", str(root), "-c", str(root / "pyproject.toml")]
    options += ["-p", "no:cacheprovider", "-p", "no:randomly"]
    if plant is not None:
        try:
            plant(project, recorder.crashes)
        except Exception as error:  # what it changes may be missing, for instance
            recorder.crashes.append(describe(error))
        if recorder.crashes:
            return recorder
    plant_and_record = None if plant is None else lambda original: plant(original, recorder.crashes)
    with (
        pytest.MonkeyPatch.context() as patch,
        planted(plant_and_record),
        contextlib.redirect_stdout(output),
        contextlib.redirect_stderr(output),
    ):
        patch.delenv("PYTEST_ADDOPTS", raising=False)  # it may ask for workers, which would not get the fault
        code = pytest.main([*options, *(str(root / test) for test in tests)], plugins=[recorder])
    if code not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.INTERRUPTED):
        raise InputError(f"tests/: pytest cannot run ({output.getvalue().strip()[-500:]}). Mend that first.")
    for name, module in list(sys.modules.items()):
        if str(root / "tests") in str(getattr(module, "__file__", "")):
            del sys.modules[name]
    return recorder
