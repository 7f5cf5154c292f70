from pathlib import Path

import pandas as pd
import pytest
from mlkeel.contract.suites import Suite
from mlkeel.contract.validate import check, enforce
from mlkeel.errors import ContractError

GOOD = pd.DataFrame({"weight_g": [150.0, 8.0], "colour": pd.Series(["red", None], dtype="str")})


def test_a_good_table_breaks_nothing(measured: Suite) -> None:
    assert enforce(GOOD, measured, Path("fruit.csv")) == []


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (GOOD.drop(columns="colour"), "missing: colour"),
        (GOOD.assign(weight_g=["heavy", "8"]), 'weight_g: its type must be float64; seen: .* "heavy" in row 1'),
        (GOOD.assign(weight_g=[150.0, 8000.0]), "weight_g: .* at most 400, but 1 does not, for example 8000 in row 2"),
        (GOOD.assign(colour=["red", "blue"]), 'colour: values must be one of green, red, .* "blue" in row 2'),
    ],
    ids=["missing column", "wrong type", "out of range", "unknown category"],
)
def test_a_broken_table_is_refused_with_column_and_value(measured: Suite, table: pd.DataFrame, message: str) -> None:
    with pytest.raises(ContractError, match=f"^fruit.csv breaks the contract: .*{message}") as excinfo:
        enforce(table, measured, Path("fruit.csv"))
    assert "\n" not in str(excinfo.value)


def test_a_column_of_the_wrong_type_is_named_once(measured: Suite) -> None:
    with pytest.raises(ContractError) as excinfo:
        enforce(GOOD.assign(weight_g=["heavy", "8"]), measured, Path("fruit.csv"))
    assert str(excinfo.value).count("weight_g") == 1


def test_a_violation_of_lower_severity_only_warns(measured: Suite, caplog: pytest.LogCaptureFixture) -> None:
    table = GOOD.assign(colour=pd.Series([None, None], dtype="str"))
    assert len(enforce(table, measured, Path("fruit.csv"))) == 1
    assert "colour: a value must be there in at least 50.0% of rows" in caplog.text


def test_results_stand_in_the_order_of_the_suite(measured: Suite) -> None:
    results = check(GOOD, measured)
    assert [result.expectation for result in results] == measured["expectations"]


def test_checking_is_silent_and_leaves_no_files(
    measured: Suite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    check(GOOD, measured)
    assert capfd.readouterr() == ("", "")
    assert list(tmp_path.iterdir()) == []


def test_a_rule_for_some_rows_may_speak_of_other_columns() -> None:
    rule = {
        "type": "expect_column_values_to_be_between",
        "kwargs": {
            "column": "weight_g",
            "max_value": 100,
            "row_condition": {"type": "comparison", "column": {"name": "colour"}, "operator": "==", "parameter": "red"},
        },
    }
    (result,) = check(GOOD, {"name": "features", "expectations": [rule]})
    assert not result.passed


def test_no_table_is_fingerprinted(measured: Suite, monkeypatch: pytest.MonkeyPatch) -> None:
    """The threshold that switches this off is a private name of Great Expectations: here one learns when it is gone."""
    from great_expectations.execution_engine import pandas_execution_engine

    monkeypatch.setattr(pandas_execution_engine, "hash_pandas_dataframe", lambda _: pytest.fail("fingerprinted"))
    check(GOOD, measured)
