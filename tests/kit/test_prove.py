"""What `make prove` says of a fault: it was caught, missed, does not apply, or could not be planted."""

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from mlkeel.cli.app import main
from mlkeel.config import SplitSettings, read_settings
from mlkeel.contract.suites import Contract, read_contract
from mlkeel.contract.validate import check
from mlkeel.data.split import Split, split
from mlkeel.data.tables import with_columns
from mlkeel.errors import InputError
from mlkeel.faults.derived import broken_derived_rule
from mlkeel.faults.tables import FaultContext
from mlkeel.faults.targets import faults_of
from mlkeel.features.derived import derived
from mlkeel.features.encoder import TABLES
from mlkeel.features.export import build_encoder
from mlkeel.features.values import Values
from mlkeel.models.model import Shape
from mlkeel.project import Project, Run
from mlkeel.testing import prove
from mlkeel.testing.code_faults import CODE_FAULTS, future_value_fault
from mlkeel.testing.prove import LOADING_TESTS, PARTS, FaultResult, PlannedFault

from .conftest import expectation
from .kinds import KIND
from .steps import prepare

TEMPLATE = Path(__file__).parents[2] / "template"
CONFTEST = f"""
from mlkeel.testing.planting import fixture_for
from {__name__} import DERIVING, KIND

project = fixture_for(DERIVING if {{deriving}} else KIND.project)
"""
CONTRACT = """
import warnings
from pathlib import Path

import pytest
import pandas as pd
from mlkeel.contract.suites import expectation_name, read_contract
from mlkeel.contract.validate import check
from mlkeel.features.export import build_encoder

SUITES = read_contract(Path(__file__).parents[2] / "expectations")
ITEMS = [item for suite in (SUITES.features, SUITES.dataset, SUITES.derived) if suite for item in suite["expectations"]]


@pytest.mark.parametrize("name", dict.fromkeys(map(expectation_name, ITEMS)))
def test_the_table_meets(project, table, contract, name):
    results = [*check(table, contract.features), *check(table, contract.dataset)]
    if contract.derived:
        derived = pd.DataFrame(build_encoder(contract, project.features).derive(table))
        results += check(derived, contract.derived)
    for result in results:
        if expectation_name(result.expectation) == name and not result.passed:
            if result.critical:
                pytest.fail(result.sentence)
            warnings.warn(result.sentence)
"""
TRAINING = """
def test_it_beats_the_baseline_by_the_margin(trained, settings):
    assert trained.evaluation.skill >= settings.gate.min_skill


def test_each_row_of_the_table_is_in_one_part(prepared, table):
    assert sorted(row for part in prepared.table.all_frames.values() for row in part.index) == list(table.index)
"""
INFERENCE = """
def test_it_is_served(predictor):
    assert predictor.output_names
"""
SMALL = {
    "conftest.py": CONFTEST.format(deriving=False),
    "code/test_data.py": (TEMPLATE / "tests" / "code" / "test_data.py").read_text(encoding="utf-8"),
    "data/test_contract.py": CONTRACT,
    "model/test_training.py": TRAINING,
    "model/test_inference.py": INFERENCE,
    "model/test_behavior.py": "",
}


@pytest.fixture
def tested(project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the made-up project that has a few tests."""
    options = '\n[tool.pytest.ini_options]\naddopts = "-p mlkeel.testing.plugin"\n'
    pyproject = project / "pyproject.toml"
    pyproject.write_text(pyproject.read_text(encoding="utf-8") + options, encoding="utf-8")
    for name, content in SMALL.items():
        (project / "tests" / name).parent.mkdir(parents=True, exist_ok=True)
        (project / "tests" / name).write_text(content, encoding="utf-8")
    monkeypatch.setattr(sys, "path", [*sys.path])  # to which pytest adds the folders of tests
    return project


@derived
def per_gram(weight_g: Values) -> Values:
    return 100 / weight_g


@derived
def heavy_and_red(weight_g: Values, colour: Values) -> dict[str, Values]:
    return {"heavy": weight_g > 300, "red": colour == "red"}


DERIVING = KIND.project if KIND.text else replace(KIND.project, features=TABLES.derive(per_gram, heavy_and_red))
RULES = [
    expectation("table_columns_to_match_set", column_set=["per_gram", "red"], exact_match=False),
    expectation("column_type_to_be", column="per_gram", type_="float64"),
    expectation("column_values_to_be_between", column="per_gram", min_value=0.3, max_value=50),
    expectation("column_type_to_be", column="red", type_="float64"),
    expectation("column_values_to_be_in_set", "warning", column="red", value_set=[0, 1]),
]
FAULTS_OF_DERIVED = ["broken derived rule", "derived column in another unit"]


def write_rules(root: Path, rules: list[dict[str, Any]]) -> Path:
    suite = {"name": "derived", "expectations": rules, "meta": {}}
    (root / "expectations" / "derived.json").write_text(json.dumps(suite), encoding="utf-8")
    return root


@pytest.fixture
def deriving(tested: Path) -> Path:
    """The same with derived columns and rules for two of them."""
    (tested / "tests" / "conftest.py").write_text(CONFTEST.format(deriving=True), encoding="utf-8")
    return write_rules(tested, RULES)


def planned_fault(root: Path, part: str, fault: str) -> PlannedFault:
    return next(planned for planned in prove.planned_faults(KIND.project, root, (part,)) if planned.fault == fault)


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc"}


class Odd:
    """A model that is unlike what faults expect of one."""

    def fit(self, *_: object) -> list[float]:
        return []

    def to_onnx(self) -> bytes:
        return b""

    def step(self, features: object, y_true: object) -> object:
        return features, y_true

    def predict(self, features: Any) -> Any:
        return 10 // features


def crashes_of(fault: str, call: Callable[[Any], object]) -> list[str]:
    """What is noted as gone wrong in the fault itself, when `call` runs into it."""
    crashes: list[str] = []
    (code_fault,) = [code_fault for code_fault in CODE_FAULTS if code_fault.name == fault]
    project = code_fault.plant(replace(KIND.project, build=lambda *_: Odd()), crashes)
    with pytest.raises(Exception):  # noqa: B017, PT011 - whatever a fault does
        call(project.build({"learning_rate": "adaptive"}, Shape((), 2), 7))
    return crashes


@pytest.mark.parametrize(
    ("fault", "call", "message"),
    [
        ("answers halved", lambda model: model.predict(features=2), "unexpected keyword argument 'features'"),
        ("trained on shuffled labels", lambda model: model.fit((1, 2)), "missing 2 required positional arguments"),
        ("frozen weights", lambda model: model.step(1, 2), "has no attribute 'loss'"),
        ("untrained", lambda model: model, "can't multiply sequence"),
    ],
    ids=["another signature", "another call", "another attribute", "another parameter"],
)
def test_a_fault_that_raises_in_itself_has_crashed(fault: str, call: Callable[[Any], object], message: str) -> None:
    (crash,) = crashes_of(fault, call)
    assert message in crash


def test_an_error_of_the_code_that_a_fault_calls_is_no_crash_of_the_fault() -> None:
    assert crashes_of("answers halved", lambda model: model.predict(0)) == []


@pytest.mark.parametrize(
    ("proof", "code", "message"),
    [
        (FaultResult("a fault", "a.b", "test_it", 0.1), 0, "All 1 planted faults were caught."),
        (FaultResult("a fault", "a.b", None, 0.1), 0, "All 0 planted faults were caught."),
        (FaultResult("a fault", "a.b", "", 0.1), 1, "1 of 1 planted faults were missed: a fault."),
        (FaultResult("a fault", "a.b", None, 0.1, "TypeError: no"), 1, "1 could not be planted"),
    ],
    ids=["caught", "does not apply", "missed", "crashed"],
)
def test_only_a_fault_that_was_caught_or_does_not_apply_is_well(
    project: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    proof: FaultResult,
    code: int,
    message: str,
) -> None:
    monkeypatch.setattr(prove, "prove", lambda *_: iter([proof]))
    with pytest.raises(SystemExit) as excinfo:
        main(KIND.project, ["--root", str(project), "prove"])
    assert excinfo.value.code == code
    captured = capsys.readouterr()
    assert message in " ".join((captured.out + captured.err).split())


def no_such_part(project: Project, _crashes: list[str]) -> Project:
    return replace(project, **{"no_such_part": 1})


def colorless(project: Project, _crashes: list[str]) -> Project:
    def load(path: Path, contract: Contract) -> pd.DataFrame:
        table = project.load(path, contract)
        return with_columns(table, {"colour": table["colour"].mask(np.full(len(table), True))})

    return replace(project, load=load)


def test_what_cannot_be_planted_is_told_from_what_is_caught(tested: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tests = ("tests/data/test_contract.py",)
    faults = ("further column", "duplicated rows", "repeated identifiers")
    planned_faults = [
        PlannedFault("another signature", "project", tests, no_such_part),
        PlannedFault("no colour", "project", tests, colorless),
        *(planned_fault(tested, "data", fault) for fault in faults),
    ]
    before = contents(tested)
    monkeypatch.setattr(prove, "planned_faults", lambda *_: iter(planned_faults))
    crashed, *proofs = prove.prove(KIND.project, tested, ("data",))
    assert crashed.caught_by is None
    assert "no_such_part" in str(crashed.crash)
    assert {proof.fault: proof.caught_by for proof in proofs} == {
        "no colour": "colour-values_to_not_be_null-warning",
        "further column": "table-columns_to_match_set",
        "duplicated rows": "",
        "repeated identifiers": None,
    }
    assert [proof.crash for proof in proofs] == [None] * 4
    assert contents(tested) == before


@pytest.mark.parametrize(
    ("part", "fault", "caught_by"),
    [
        ("code", "off-by-one split", "test_each_row_of_the_table_is_in_one_part"),
        ("model", "untrained", "test_it_beats_the_baseline_by_the_margin"),
        ("model", "answers halved", "The exported graph differs from the model"),
    ],
)
def test_what_the_tests_are_given_does_wrong_as_long_as_a_fault_is_planted(
    tested: Path, part: str, fault: str, caught_by: str
) -> None:
    planned = planned_fault(tested, part, fault)
    result = prove.run_tests(KIND.project, tested, planned.tests, planned.plant)
    assert result.failures[0].startswith(caught_by)
    assert result.crashes == []


def test_the_same_tests_pass_without_a_fault(tested: Path) -> None:
    files = [name for name in SMALL if "/" in name]
    assert prove.run_tests(KIND.project, tested, [f"tests/{name}" for name in files]).failures == []


def test_a_fault_that_cannot_break_this_table_has_crashed(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(table: pd.DataFrame, _: object) -> pd.DataFrame:
        return table[["no such column"]]

    faults = SimpleNamespace(CAUGHT_BY_CONTRACT=(wrong,), NOT_CAUGHT_BY_CONTRACT=())
    monkeypatch.setattr(prove, "faults_of", lambda *_: faults)
    (planned,) = prove.planned_faults(KIND.project, root, ("data",))
    (crash,) = prove.run_tests(KIND.project, root, (), planned.plant).crashes
    assert "no such column" in crash


def test_what_learns_all_at_once_has_no_steps_to_break(root: Path) -> None:
    from sklearn.dummy import DummyClassifier, DummyRegressor

    simple = DummyClassifier if KIND.classification else DummyRegressor
    project = replace(KIND.project, build=lambda *_: simple())
    planned_faults = prove.planned_faults(project, root, ("model",))
    inapplicable = {planned.fault for planned in planned_faults if planned.plant is None}
    assert inapplicable == {"frozen weights", "untrained", "stopped after one step"}


def test_tests_that_fail_without_a_fault_prove_nothing(tested: Path) -> None:
    (tested / "tests" / "data" / "test_contract.py").write_text("def test_it(): assert False", encoding="utf-8")
    with pytest.raises(InputError, match="test_it fails without a fault"):
        list(prove.prove(KIND.project, tested, ("data",)))


def test_tests_that_are_not_there_are_named(root: Path) -> None:
    with pytest.raises(InputError, match=r"test_contract.py: there are no such tests"):
        list(prove.prove(KIND.project, root, ("data",)))


def test_each_fault_in_the_code_has_tests_that_should_notice_it(root: Path) -> None:
    planned_faults = list(prove.planned_faults(KIND.project, root, PARTS))
    assert {fault.name for fault in CODE_FAULTS} < {planned.fault for planned in planned_faults}
    assert all(
        planned.tests and all((TEMPLATE / test).is_file() for test in planned.tests) for planned in planned_faults
    )


def test_a_project_without_derived_columns_is_not_asked_about_them(root: Path) -> None:
    faults = faults_of(read_contract(root / "expectations"), KIND.target)
    of_data = [fault.__name__ for fault in (*faults.CAUGHT_BY_CONTRACT, *faults.NOT_CAUGHT_BY_CONTRACT)]
    planned = [fault.fault for fault in prove.planned_faults(KIND.project, root, PARTS)]
    of_code = [*(fault.name for fault in CODE_FAULTS), future_value_fault(None).name]
    assert planned == [name.replace("_", " ") for name in of_data] + of_code


tabular = pytest.mark.skipif(KIND.text, reason="a model of texts reads words alone")


@tabular
def test_derived_columns_with_rules_have_faults_of_their_own(project: Path) -> None:
    before = [fault.fault for fault in prove.planned_faults(DERIVING, project, PARTS)]
    write_rules(project, RULES)
    planned = {fault.fault: fault for fault in prove.planned_faults(DERIVING, project, PARTS)}
    assert sorted(planned) == sorted([*before, *FAULTS_OF_DERIVED])
    assert all(planned[fault].plant for fault in FAULTS_OF_DERIVED)
    assert planned[FAULTS_OF_DERIVED[1]].place == "features.per_gram"


@tabular
def test_a_value_that_raw_rules_allow_breaks_a_derived_one(project: Path) -> None:
    contract = read_contract(write_rules(project, RULES) / "expectations")
    encoder = build_encoder(contract, DERIVING.features)
    table = KIND.project.load(project / "data" / "fruit.csv", contract)
    broken = broken_derived_rule(table, FaultContext(contract, KIND.target, encoder))
    assert broken is not None
    assert all(result.passed for suite in (contract.features, contract.dataset) for result in check(broken, suite))
    results = check(pd.DataFrame(encoder.derive(broken)), contract.derived or {})
    assert [result.column for result in results if not result.passed] == ["per_gram"]
    assert (broken["weight_g"] != table["weight_g"]).sum() == 1


@tabular
@pytest.mark.parametrize(
    ("rule", "rows"),
    [
        (expectation("column_values_to_be_between", column="per_gram", min_value=0.2, max_value=100), 0),
        (expectation("column_values_to_be_between", column="per_gram", max_value=50, mostly=0.9), 120),
        (expectation("column_values_to_be_in_set", column="heavy", value_set=[0]), 1),
        (expectation("column_values_to_not_be_null", column="per_gram"), 1),
    ],
    ids=["none that is allowed", "in most rows", "a flag", "a missing value"],
)
def test_such_a_value_is_searched_for(project: Path, rule: dict[str, Any], rows: int) -> None:
    contract = read_contract(write_rules(project, [rule]) / "expectations")
    table = KIND.project.load(project / "data" / "fruit.csv", contract)
    encoder = build_encoder(contract, DERIVING.features)
    broken = broken_derived_rule(table, FaultContext(contract, KIND.target, encoder))
    changed = 0 if broken is None else (broken["weight_g"] != table["weight_g"]).sum()
    assert changed == rows


@tabular
@pytest.mark.parametrize(
    ("raw", "rule"),
    [
        (
            expectation("column_max_to_be_between", column="weight_g", max_value=300),
            expectation("column_values_to_be_between", column="per_gram", min_value=0.3),
        ),
        (
            expectation("column_values_to_not_be_in_set", column="weight_g", value_set=[1], mostly=0.9),
            expectation("column_values_to_be_between", column="per_gram", max_value=90),
        ),
    ],
    ids=["of the whole table", "with exceptions"],
)
def test_a_value_that_a_raw_rule_forbids_is_not_planted(
    project: Path, raw: dict[str, Any], rule: dict[str, Any]
) -> None:
    contract = read_contract(write_rules(project, [rule]) / "expectations")
    rules = [*contract.features["expectations"], raw]
    contract = replace(contract, features=contract.features | {"expectations": rules})
    table = KIND.project.load(project / "data" / "fruit.csv", contract)
    encoder = build_encoder(contract, DERIVING.features)
    assert broken_derived_rule(table, FaultContext(contract, KIND.target, encoder)) is None


@tabular
def test_a_row_that_breaks_a_derived_rule_already_shows_nothing(project: Path) -> None:
    rule = expectation("column_values_to_not_be_null", column="per_gram", mostly=0.9)
    contract = read_contract(write_rules(project, [rule, *RULES]) / "expectations")
    table = KIND.project.load(project / "data" / "fruit.csv", contract)
    table = with_columns(table, {"weight_g": table["weight_g"].where(table.index > 0)})
    encoder = build_encoder(contract, DERIVING.features)
    broken = broken_derived_rule(table, FaultContext(contract, KIND.target, encoder))
    assert broken is not None
    changed = broken["weight_g"].fillna(0) != table["weight_g"].fillna(0)
    assert list(changed.to_numpy().nonzero()[0]) == [1]


@tabular
def test_faults_of_derived_columns_are_caught_by_their_rules(deriving: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    planned = [fault for fault in prove.planned_faults(DERIVING, deriving, PARTS) if fault.fault in FAULTS_OF_DERIVED]
    monkeypatch.setattr(prove, "planned_faults", lambda *_: iter(planned))
    proofs = list(prove.prove(DERIVING, deriving, ("code",)))
    assert [proof.caught_by for proof in proofs] == ["per_gram-values_to_be_between"] * 2


@tabular
def test_tests_of_derived_rules_must_pass_without_a_fault(deriving: Path) -> None:
    (deriving / "tests" / "data" / "test_contract.py").write_text("def test_it(): assert False", encoding="utf-8")
    with pytest.raises(InputError, match="test_it fails without a fault"):
        list(prove.prove(DERIVING, deriving, ("code",)))


UNITS = pd.DataFrame({"unit": [f"u{number % 30}" for number in range(90)], "year": [2000 + n // 3 for n in range(90)]})
BY_GROUP = {"by": "group", "group": "unit"}
BY_TIME = {"by": "time", "time": "year"}


@pytest.mark.parametrize(
    ("name", "by", "column"),
    [
        ("split at random", BY_GROUP, "unit"),
        ("split at random", BY_TIME, "year"),
        ("group on two sides", BY_GROUP, "unit"),
        ("later time in training", BY_TIME, "year"),
    ],
)
def test_a_faulty_split_shares_a_group_or_a_time_and_keeps_the_rows(
    project: Path, name: str, by: dict[str, Any], column: str
) -> None:
    (fault,) = [fault for fault in CODE_FAULTS if fault.name == name]
    settings = read_settings(project / "conf" / "params.yaml")
    split_settings = SplitSettings.model_validate({"train": 0.6, "validation": 0.2, "test": 0.2} | by)
    data = settings.data.model_copy(update={"split": split_settings})
    run = Run(project, settings.model_copy(update={"data": data}), read_contract(project / "expectations"))
    right = split(UNITS, split_settings)
    published: list[Split] = []

    def publish(prepared: Any, _trained: Any) -> Any:
        published.append(prepared.table)
        assert all((prepared.targets[name] == part.index).all() for name, part in prepared.table.frames.items())

    encoded = {name: np.zeros((len(frame), 2), np.float32) for name, frame in right.frames.items()}
    targets = {name: frame.index.to_numpy() for name, frame in right.frames.items()}
    made = replace(prepare(settings, run.contract, project), table=right, features=encoded, targets=targets)
    original = replace(KIND.project, train=lambda _, run: run.publish(made, None))
    faulty = fault.plant(original, [])
    faulty.train(faulty, replace(run, publish=publish))
    (wrong,) = published
    assert sorted(row for part in wrong.frames.values() for row in part.index) == list(UNITS.index)
    values = [set(part[column]) for part in wrong.frames.values()]
    assert sum(map(len, values)) > len(set.union(*values)) or wrong.train[column].max() > wrong.test[column].min()
    assert fault.applies_to_split(split_settings)
    assert not fault.applies_to_split(settings.data.split)


@pytest.fixture
def timed(tested: Path) -> Path:
    """The same with a day for each row, in no order, by which it is split."""
    path = tested / "data" / "fruit.csv"
    header, *lines = path.read_text(encoding="utf-8").splitlines()
    days = [f"2026-{number * 7 % 120 // 28 + 1:02d}-{number * 7 % 120 % 28 + 1:02d}" for number in range(len(lines))]
    rows = [f"{line},{day}" for line, day in zip(lines, days, strict=True)]
    path.write_text("\n".join([f"{header},day", *rows]) + "\n", encoding="utf-8")
    suite_path = tested / "expectations" / "dataset.json"
    suite = json.loads(suite_path.read_text(encoding="utf-8"))
    suite["expectations"][0]["kwargs"]["column_set"].append("day")
    suite_path.write_text(json.dumps(suite), encoding="utf-8")
    params = tested / "conf" / "params.yaml"
    text = params.read_text(encoding="utf-8")
    params.write_text(text.replace("split:\n", "split:\n    by: time\n    time: day\n"), encoding="utf-8")
    return tested


def test_a_future_value_in_a_feature_is_caught_where_time_counts(timed: Path) -> None:
    fault = future_value_fault("day")
    assert prove.run_tests(KIND.project, timed, (LOADING_TESTS,)).failures == []
    result = prove.run_tests(KIND.project, timed, (LOADING_TESTS,), fault.plant)
    assert result.failures == ["test_rows_that_come_later_change_no_feature_of_those_before"]
    assert result.crashes == []


def test_without_a_time_no_value_is_of_the_future(root: Path) -> None:
    split_settings = read_settings(root / "conf" / "params.yaml").data.split
    assert not future_value_fault(split_settings.time).applies_to_split(split_settings)
