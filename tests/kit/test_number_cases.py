from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from mlkeel.behavior.number_cases import draft_cases, failure, is_answerable
from mlkeel.contract.suites import Contract
from mlkeel.data.tables import load
from mlkeel.inference.predictor import Predictor

ROW = {"row": {"weight_g": 150, "colour": "red"}}
CHANGE = {"change": {"weight_g": -142}}


@pytest.fixture(scope="module")
def table(trained_project: Path, fruit_contract: Contract) -> pd.DataFrame:
    return load(trained_project / "data" / "fruit.csv", fruit_contract)


@pytest.mark.parametrize(
    ("kind", "case", "message"),
    [
        ("invariance", {"change": {"weight_g": 0.01}, "within": 5, "share": 0.9}, None),
        ("invariance", {**CHANGE, "within": 5, "share": 0.9}, "of the rows that it reaches stay within 5"),
        ("directional", {**ROW, **CHANGE, "expect": "falls"}, None),
        ("directional", {**ROW, **CHANGE, "expect": "rises"}, "the estimate went from"),
        ("minimum_functionality", {**ROW, "expect": 85, "within": 20}, None),
        ("minimum_functionality", {**ROW, "expect": 15, "within": 20}, "it estimates"),
    ],
)
def test_a_failure_is_said(
    fruit_predictor: Predictor, table: pd.DataFrame, kind: str, case: dict[str, Any], message: str | None
) -> None:
    sentence = failure(kind, case, fruit_predictor, table)
    assert sentence is None if message is None else message in str(sentence)


def test_a_change_that_reaches_no_row_is_a_failure(fruit_predictor: Predictor, table: pd.DataFrame) -> None:
    nothing = {"change": {"colour": "red", "weight_g": 0}, "within": 5, "share": 0.5}
    rows = table[table["colour"] == "red"]
    assert failure("invariance", nothing, fruit_predictor, rows) == "no row holds what it changes"


def test_drafts_are_met_by_the_model_they_were_made_for(fruit_predictor: Predictor, table: pd.DataFrame) -> None:
    drafted = draft_cases(table, fruit_predictor)
    assert drafted["invariance"]
    assert drafted["minimum_functionality"]
    failures = [failure(kind, case, fruit_predictor, table) for kind, cases in drafted.items() for case in cases]
    assert set(failures) == {None}
    assert all(is_answerable(case, fruit_predictor.output_names) for cases in drafted.values() for case in cases)


@pytest.mark.parametrize(
    "case", [{"row": {}, "change": {}, "expect": "sinks"}, {"row": {}, "expect": "large", "within": 1}]
)
def test_what_cannot_be_expected_is_told(case: dict[str, Any]) -> None:
    assert not is_answerable(case, ())
