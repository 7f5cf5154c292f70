"""The contract holds on the table in use: one test an expectation, so that a red one names the column."""

import warnings
from pathlib import Path

import pandas as pd
import pytest
from mlkeel.config import Settings
from mlkeel.contract.suites import Contract, name_of, read_contract, read_suite
from mlkeel.contract.validate import Finding, check
from mlkeel.drafts.leaks import tells_the_target
from mlkeel.project import Project

EXPECTATIONS = Path(__file__).parents[2] / "expectations"
CASES = [
    pytest.param(name, index, id=f"{name}-{name_of(expectation)}")
    for name in ("features", "dataset")
    for index, expectation in enumerate(read_suite(EXPECTATIONS / f"{name}.json")["expectations"])
]


@pytest.fixture(scope="session")
def findings(table: pd.DataFrame, contract: Contract) -> dict[str, list[Finding]]:
    return {"features": check(table, contract.features), "dataset": check(table, contract.dataset)}


@pytest.mark.parametrize(("suite", "index"), CASES)
def test_the_table_meets(findings: dict[str, list[Finding]], suite: str, index: int) -> None:
    finding = findings[suite][index]
    if not finding.passed and not finding.critical:
        warnings.warn(finding.sentence, stacklevel=1)
        return
    if not finding.passed:
        pytest.fail(finding.sentence, pytrace=False)


@pytest.mark.parametrize("name", [column.name for column in read_contract(EXPECTATIONS).columns])
def test_a_feature_does_not_give_the_target_away(
    project: Project, table: pd.DataFrame, settings: Settings, name: str
) -> None:
    """Those that may are named under data.trusted in conf/params.yaml."""
    leaks = tells_the_target(project.task, table[name], table[settings.data.target])
    assert not leaks or name in settings.data.trusted, f"{name} alone tells {settings.data.target}"


def test_every_expectation_says_how_severe_a_breach_is(contract: Contract) -> None:
    for expectation in contract.features["expectations"] + contract.dataset["expectations"]:
        assert expectation.get("severity") in ("critical", "warning", "info"), name_of(expectation)
