"""The contract holds on the current table: one test an expectation, so that a red one names the column."""

import warnings
from pathlib import Path

import pandas as pd
import pytest
from mlkeel.config import Settings
from mlkeel.contract.suites import Contract, expectation_name, read_contract, read_suite
from mlkeel.contract.validate import ExpectationResult, check
from mlkeel.drafts.leaks import leaks_target
from mlkeel.features.export import build_encoder
from mlkeel.project import Project

EXPECTATIONS = Path(__file__).parents[2] / "expectations"
SUITES = [name for name in ("features", "dataset", "derived") if (EXPECTATIONS / f"{name}.json").is_file()]
CASES = [
    pytest.param(name, index, id=f"{name}-{expectation_name(expectation)}")
    for name in SUITES
    for index, expectation in enumerate(read_suite(EXPECTATIONS / f"{name}.json")["expectations"])
]


@pytest.fixture(scope="session")
def results(project: Project, table: pd.DataFrame, contract: Contract) -> dict[str, list[ExpectationResult]]:
    results = {"features": check(table, contract.features), "dataset": check(table, contract.dataset)}
    if contract.derived:
        derived = pd.DataFrame(build_encoder(contract, project.features).derive(table))
        results["derived"] = check(derived, contract.derived)
    return results


@pytest.mark.parametrize(("suite", "index"), CASES)
def test_the_table_meets(results: dict[str, list[ExpectationResult]], suite: str, index: int) -> None:
    result = results[suite][index]
    if not result.passed and not result.critical:
        warnings.warn(result.sentence, stacklevel=1)
        return
    if not result.passed:
        pytest.fail(result.sentence, pytrace=False)


@pytest.mark.parametrize("name", [column.name for column in read_contract(EXPECTATIONS).columns])
def test_a_feature_does_not_give_the_target_away(
    project: Project, table: pd.DataFrame, settings: Settings, name: str
) -> None:
    """Those that may are named under data.allow_leaky in conf/params.yaml."""
    leaks = leaks_target(project.task, table[name], table[settings.data.target])
    assert not leaks or name in settings.data.allow_leaky, f"{name} alone tells {settings.data.target}"


def test_every_expectation_says_how_severe_a_violation_is(contract: Contract) -> None:
    derived = contract.derived["expectations"] if contract.derived else []
    for expectation in [*contract.features["expectations"], *contract.dataset["expectations"], *derived]:
        assert expectation.get("severity") in ("critical", "warning", "info"), expectation_name(expectation)
