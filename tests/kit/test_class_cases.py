from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from mlkeel.behavior.class_cases import draft_cases, failure, is_answerable
from mlkeel.contract.suites import Contract
from mlkeel.data.tables import load
from mlkeel.inference.predictor import Predictor

from .kinds import KIND

APPLE = {"note": "a crisp and sour one for a pie"} if KIND.text else {"weight_g": 150, "colour": "red"}
TO_CHERRY = (
    {"note": {"crisp": "sweet", "sour": "dark", "for a pie": "with a stone"}} if KIND.text else {"weight_g": -142}
)
A_LITTLE = {"note": "upper case"} if KIND.text else {"weight_g": 0.01}
NOTHING = {"note": {"durian": "melon"}} if KIND.text else {"colour": "red", "weight_g": 0}
ROW = {"row": APPLE}
CHANGE = {"change": TO_CHERRY}


@pytest.fixture(scope="module")
def table(trained_project: Path, fruit_contract: Contract) -> pd.DataFrame:
    return load(trained_project / "data" / "fruit.csv", fruit_contract)


@pytest.mark.parametrize(
    ("kind", "case", "message"),
    [
        ("invariance", {"change": A_LITTLE, "share": 0.9}, None),
        ("invariance", {**CHANGE, "share": 0.9}, "of the rows that it reaches keep their class"),
        ("directional", {**ROW, **CHANGE, "expect": {"apple": "falls", "cherry": "rises"}}, None),
        ("directional", {**ROW, **CHANGE, "expect": {"apple": "rises"}}, "the probability of apple went from"),
        ("minimum_functionality", {**ROW, "expect": "apple"}, None),
        ("minimum_functionality", {**ROW, "expect": "cherry"}, "it answers apple"),
    ],
)
def test_a_failure_is_said(
    fruit_predictor: Predictor, table: pd.DataFrame, kind: str, case: dict[str, Any], message: str | None
) -> None:
    sentence = failure(kind, case, fruit_predictor, table)
    assert sentence is None if message is None else message in str(sentence)


def test_a_change_that_reaches_no_row_is_a_failure(fruit_predictor: Predictor, table: pd.DataFrame) -> None:
    rows = table[table["colour"] == "red"]
    sentence = failure("invariance", {"change": NOTHING, "share": 0.5}, fruit_predictor, rows)
    assert sentence == "no row holds what it changes"


def test_drafts_are_met_by_the_model_they_were_made_for(fruit_predictor: Predictor, table: pd.DataFrame) -> None:
    drafted = draft_cases(table, fruit_predictor)
    assert drafted["invariance"]
    assert drafted["minimum_functionality"]
    failures = [failure(kind, case, fruit_predictor, table) for kind, cases in drafted.items() for case in cases]
    assert set(failures) == {None}
    assert all(is_answerable(case, fruit_predictor.output_names) for cases in drafted.values() for case in cases)


@pytest.mark.parametrize("expect", ["pear", {"pear": "falls"}, {"apple": "sinks"}])
def test_what_cannot_be_expected_is_told(expect: object) -> None:
    assert not is_answerable({"expect": expect}, ("apple", "cherry"))
