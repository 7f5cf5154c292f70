from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mlkeel.contract.request import RowValidator, Violation, example
from mlkeel.contract.suites import Contract, Suite, read_contract
from mlkeel.contract.validate import check
from mlkeel.data.tables import coerce_dtypes
from mlkeel.errors import ContractError

VALUES = {
    "size": [None, 1, 1.5, 2, 9, 9.5, 10, -3, 0],
    "flag": [None, 0, 1, 1.0, 2],
    "kind": [None, "a", "b", "c", ""],
    "code": [None, "A1", "B22", "xA1", "a1", "A1 ", "bad A1", "A99999999"],
}


def expectation(kind: str, **kwargs: object) -> dict:
    return {"type": f"expect_column_{kind}", "kwargs": kwargs, "severity": kwargs.pop("severity", "critical")}


EVERY_RULE = [
    {"type": "expect_table_columns_to_match_set", "kwargs": {"column_set": list(VALUES), "exact_match": False}},
    {"type": "expect_table_row_count_to_be_between", "kwargs": {"min_value": 1}},
    *(expectation("type_to_be", column=name, type_="float64") for name in ("size", "flag")),
    *(expectation("type_to_be", column=name, type_="str") for name in ("kind", "code")),
    expectation("values_to_be_between", column="size", min_value=1, strict_min=True, max_value=9.5, mostly=0.6),
    expectation("values_to_be_between", column="size", min_value=0, max_value=10, strict_max=True, severity="warning"),
    expectation("values_to_not_be_null", column="size", mostly=0.5),
    expectation("values_to_be_in_set", column="flag", value_set=[0, 1]),
    expectation("values_to_be_in_set", column="kind", value_set=["a", "b"], mostly=0.5),
    expectation("values_to_not_be_in_set", column="kind", value_set=["c"]),
    expectation("values_to_not_be_null", column="kind"),
    expectation("values_to_match_regex", column="code", regex="[A-Z][0-9]+"),
    expectation("values_to_not_match_regex", column="code", regex="^bad"),
    expectation("value_lengths_to_be_between", column="code", min_value=2, max_value=6),
]
DATASET = {"name": "dataset", "expectations": [expectation("type_to_be", column="id", type_="str")], "meta": {}}
DATASET["expectations"].append(
    {"type": "expect_table_columns_to_match_set", "kwargs": {"column_set": ["id", *VALUES]}, "severity": "critical"}
)
ROW = st.fixed_dictionaries({name: st.sampled_from(values) for name, values in VALUES.items()})
FINE = {"size": 2, "flag": 1, "kind": "a", "code": "A1"}


def contract(*more: dict) -> Contract:
    return Contract({"name": "features", "expectations": [*EVERY_RULE, *more], "meta": {}}, DATASET)


@settings(max_examples=25, suppress_health_check=list(HealthCheck), derandomize=True, deadline=None)
@given(ROW)
def test_the_verdict_on_a_row_is_that_of_great_expectations_on_a_table_of_it(row: dict) -> None:
    import pandas as pd

    table = coerce_dtypes(pd.DataFrame([row], columns=list(VALUES)), contract())
    broken = [result for result in check(table, contract().features) if result.critical and not result.passed]
    messages = {violation.message for violation in RowValidator(contract()).violations([row])}
    assert len(messages) == len(broken), (messages, [result.sentence for result in broken])


@settings(deadline=None)
@given(st.lists(st.one_of(ROW, st.none(), st.just({"sise": 1})), min_size=1, max_size=6))
def test_the_verdict_on_a_row_does_not_depend_on_the_rows_beside_it(rows: list) -> None:
    validator = RowValidator(contract())
    together = validator.violations(rows)
    for number, row in enumerate(rows, start=1):
        alone = [replace(violation, row=number) for violation in validator.violations([row])]
        assert [violation for violation in together if violation.row == number] == alone


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"kind": "c"}, (1, "kind", "values_to_be_in_set", "c")),
        ({"size": 99}, (1, "size", "values_to_be_between", 99)),
        ({"size": None}, (1, "size", "values_to_not_be_null", None)),
        ({"size": "2"}, (1, "size", "type_to_be", "2")),
        ({"size": True}, (1, "size", "type_to_be", True)),
        ({"size": float("inf")}, (1, "size", "type_to_be", "inf")),
        ({"size": 10**400}, (1, "size", "type_to_be", "1" + "0" * 199 + "…")),
        ({"kind": 3}, (1, "kind", "type_to_be", 3)),
        ({"code": ["A1"]}, (1, "code", "type_to_be", "['A1']")),
        ({"code": "bad A1"}, (1, "code", "values_to_not_match_regex", "bad A1")),
        ({"code": "A1" * 400}, (1, "code", "value_lengths_to_be_between", "A1" * 100 + "…")),
        ({"sise": 1}, (1, None, "columns_to_match_set", "sise")),
    ],
)
def test_a_violation_names_row_column_rule_and_value(change: dict, expected: tuple) -> None:
    violation = RowValidator(contract()).violations([FINE | change])[0]
    assert (violation.row, violation.column, violation.rule, violation.value) == expected


def test_rows_are_counted_from_one_and_none_is_left_out() -> None:
    rows = [FINE, {**FINE, "code": "bad A1"}, FINE, {**FINE, "flag": 2}]
    assert [violation.row for violation in RowValidator(contract()).violations(rows)][-1] == 4
    assert {violation.row for violation in RowValidator(contract()).violations(rows)} == {2, 4}


@pytest.mark.parametrize("row", [None, 3, "text", [1], {}])
def test_what_is_no_row_is_refused(row: object) -> None:
    assert all(isinstance(violation, Violation) for violation in RowValidator(contract()).violations([row]))
    assert RowValidator(contract()).violations([row])


def test_too_few_and_too_many_rows_are_refused() -> None:
    most = {"type": "expect_table_row_count_to_be_between", "kwargs": {"max_value": 2}}
    for rows in ([], [FINE] * 3):
        assert [violation.rule for violation in RowValidator(contract(most)).violations(rows)] == [
            "row_count_to_be_between"
        ]
    assert RowValidator(contract(most)).violations([FINE] * 2) == []


def test_a_column_that_is_left_out_is_named_and_null_is_offered() -> None:
    violations = RowValidator(contract()).violations([{name: value for name, value in FINE.items() if name != "flag"}])
    assert [(violation.column, "send null" in violation.message) for violation in violations] == [("flag", True)]


def test_a_column_of_the_training_table_that_is_no_feature_is_not_looked_at() -> None:
    validator = RowValidator(contract())
    assert validator.violations([FINE | {"id": ["anything"]}]) == []


def test_an_answer_does_not_grow_with_what_is_wrong() -> None:
    assert len(RowValidator(contract()).violations([{**FINE, "kind": "c"}] * 5000)) == 100


def test_rules_that_need_a_whole_table_are_named_and_not_asked() -> None:
    mean = expectation("mean_to_be_between", column="size", min_value=100)
    partly = expectation("values_to_be_between", column="size", min_value=5, row_condition='kind=="a"')
    validator = RowValidator(contract(mean, partly))
    assert validator.unchecked == ["size-mean_to_be_between", "size-values_to_be_between"]
    assert validator.violations([FINE]) == []


def test_the_schema_says_what_a_row_may_hold() -> None:
    schema = RowValidator(contract()).schema()
    assert schema["required"] == list(VALUES)
    assert schema["properties"]["size"] == {"type": "number", "exclusiveMinimum": 1, "maximum": 9.5}
    assert schema["properties"]["flag"] == {"type": ["number", "null"], "enum": [0, 1, None]}
    assert schema["properties"]["code"]["pattern"] == "[A-Z][0-9]+"
    assert schema["additionalProperties"] is False


def test_the_schema_keeps_two_rules_of_one_kind() -> None:
    schema = RowValidator(contract(expectation("values_to_match_regex", column="code", regex="[0-9]$"))).schema()
    assert schema["properties"]["code"]["pattern"] == "[A-Z][0-9]+"
    assert {"pattern": "[0-9]$"} in schema["properties"]["code"]["allOf"]


def test_the_schema_takes_what_two_sets_of_values_have_in_common() -> None:
    truths = [item for item in EVERY_RULE if item["kwargs"].get("column") != "flag"]
    truths += [expectation("type_to_be", column="flag", type_="bool")]
    truths += [expectation("values_to_be_in_set", column="flag", value_set=[True])]
    validator = RowValidator(Contract({"name": "features", "expectations": truths, "meta": {}}, DATASET))
    assert validator.schema()["properties"]["flag"] == {"type": ["boolean", "null"], "enum": [True, None]}
    assert example(validator.schema())["flag"] is True


@pytest.mark.parametrize("key", [1, "\ud800"], ids=["number", "lone surrogate"])
def test_a_key_that_is_no_text_is_an_unknown_column(key: object) -> None:
    (violation,) = RowValidator(contract()).violations([FINE | {key: 1}])
    assert (violation.column, violation.rule) == (None, "columns_to_match_set")


def test_an_example_fits_the_contract_of_the_project(root: Path) -> None:
    validator = RowValidator(read_contract(root / "expectations"))
    assert validator.violations([example(validator.schema())]) == []
    assert validator.unchecked == []


def test_an_example_fits_numbers_and_categories(measured: Suite) -> None:
    validator = RowValidator(Contract(measured, DATASET))
    assert example(validator.schema()) == {"weight_g": 200.5, "colour": "green"}


def test_a_number_that_no_float_holds_is_refused() -> None:
    assert RowValidator(contract()).violations([FINE | {"size": 2**1024}])[0].rule == "type_to_be"


def test_values_on_a_bound_fit_and_beyond_do_not() -> None:
    validator = RowValidator(contract(expectation("values_to_be_between", column="flag", min_value=0, max_value=1)))
    assert validator.violations([FINE | {"flag": 0}, FINE | {"flag": 1, "size": 9.5}]) == []
    assert [violation.rule for violation in validator.violations([FINE | {"size": 1}])] == ["values_to_be_between"]


def test_a_rule_that_lets_some_rows_of_a_table_off_lets_none_of_a_request_off() -> None:
    assert [violation.row for violation in RowValidator(contract()).violations([FINE, FINE | {"size": None}])] == [2]


def test_a_violation_speaks_of_one_value_and_not_of_a_share() -> None:
    (violation,) = RowValidator(contract()).violations([FINE | {"size": 99}])
    assert "%" not in violation.message


def test_the_schema_knows_columns_that_are_not_looked_at() -> None:
    assert RowValidator(contract()).schema()["properties"]["id"] == {"description": "Not looked at."}


@pytest.mark.parametrize(
    "rule",
    [
        expectation("value_lengths_to_be_between", column="code", min_value=5, max_value=6),
        expectation("values_to_be_between", column="size", max_value=3),
        expectation("values_to_be_between", column="size", min_value=9, max_value=1e308),
    ],
)
def test_an_example_keeps_the_tightest_bounds(rule: dict) -> None:
    validator = RowValidator(contract(rule))
    row = example(validator.schema())
    assert not [violation for violation in validator.violations([row]) if violation.rule != "values_to_match_regex"]


@pytest.mark.parametrize(
    "rule",
    [
        expectation("values_to_match_regex", column="size", regex="^[0-9.]+$"),
        expectation("value_lengths_to_be_between", column="size", min_value=1),
        expectation("values_to_be_between", column="code", min_value=1),
    ],
)
def test_a_rule_about_another_kind_of_values_is_not_asked(rule: dict) -> None:
    validator = RowValidator(contract(rule))
    assert len(validator.unchecked) == 1
    assert validator.violations([FINE]) == []


def test_a_rule_that_cannot_be_read_is_named() -> None:
    with pytest.raises(ContractError, match="code-values_to_match_regex"):
        RowValidator(contract(expectation("values_to_match_regex", column="code", regex="((")))


def test_whole_numbers_and_truths_are_asked_for_where_the_contract_does() -> None:
    types = [expectation("type_to_be", column=name, type_=kind) for name, kind in (("size", "int64"), ("flag", "bool"))]
    others = [item for item in EVERY_RULE if item["kwargs"].get("column") not in ("size", "flag")]
    validator = RowValidator(Contract({"name": "features", "expectations": [*others, *types], "meta": {}}, DATASET))
    assert validator.violations([FINE | {"size": 2, "flag": True}]) == []
    assert validator.schema()["properties"]["flag"]["enum"] == [False, True, None]
    violations = validator.violations([FINE | {"size": 2.5, "flag": 1}])
    assert [violation.column for violation in violations] == ["size", "flag"]
