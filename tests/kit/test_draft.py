import copy
from typing import Any

import numpy as np
import pandas as pd
import pytest
from mlkeel.config import Role
from mlkeel.contract.suites import Contract
from mlkeel.drafts import draft_check as checking
from mlkeel.drafts.draft import draft, draft_types, merge_own_expectations
from mlkeel.drafts.draft_check import DraftCheck, failed_expectations
from mlkeel.drafts.expectation_drafts import common_pattern
from mlkeel.drafts.tolerance import bounds, present, tolerance
from mlkeel.faults import tables as faults
from mlkeel.faults.tables import FaultContext
from mlkeel.faults.targets import faults_of

from .kinds import KIND

N = 400
RNG = np.random.default_rng(7)
TABLE = pd.DataFrame(
    {
        "key": [f"K-{place:04d}" for place in range(N)],
        "day": [f"2021-{1 + place % 12:02d}-{1 + place % 28:02d}" for place in range(N)],
        "weight": RNG.gamma(9, 10, N),
        "size": RNG.normal(3, 1, N),
        "colour": RNG.choice(["red", "green", "blue"], N),
        "note": [f"a remark of {RNG.integers(2, 9)} words about number {place}" for place in range(N)],
        "label": (RNG.choice(["good", "bad"], N) if KIND.classification else RNG.normal(50, 9, N)),
    }
)
ROLES: dict[str, Role] = {
    **{"key": "identifier", "day": "time", "weight": "numeric", "size": "numeric"},
    **{"colour": "categorical", "note": "text", "label": "target"},
}
FEATURES = KIND.project.features
CONTEXT = FaultContext(draft(TABLE, ROLES, FEATURES), "label")
OF_THE_KIND = faults_of(CONTEXT.contract, "label")
ALL_FAULTS = (*OF_THE_KIND.CAUGHT_BY_CONTRACT, *OF_THE_KIND.NOT_CAUGHT_BY_CONTRACT)
FAULTS = [fault for fault in ALL_FAULTS if fault(TABLE, CONTEXT) is not None]


@pytest.fixture(scope="module")
def contract() -> Contract:
    return CONTEXT.contract


def expectation(contract: Contract, kind: str, column: str | None) -> dict[str, Any]:
    expectations = contract.dataset["expectations"] + contract.features["expectations"]
    return next(
        item["kwargs"]
        for item in expectations
        if item["type"] == f"expect_{kind}" and item["kwargs"].get("column") == column
    )


def test_the_table_meets_its_own_draft(contract: Contract) -> None:
    assert failed_expectations(TABLE, contract) == []


def test_another_sample_of_the_same_data_meets_it() -> None:
    contract = draft(TABLE.iloc[::2].reset_index(drop=True), ROLES, FEATURES)
    others = TABLE.iloc[1::2].reset_index(drop=True)
    assert [result.sentence for result in failed_expectations(others, contract) if result.critical] == []


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_a_fault_breaks_a_copy_and_leaves_the_table(fault: faults.DataFault) -> None:
    before = TABLE.copy()
    broken = fault(TABLE, CONTEXT)
    assert broken is not None
    assert not broken.equals(TABLE)
    pd.testing.assert_frame_equal(TABLE, before)


def test_most_faults_have_something_to_break_here() -> None:
    assert len(FAULTS) == (19 if KIND.text else (27 if KIND.classification else 28))


def test_a_fault_without_anything_to_break_says_so() -> None:
    table = TABLE[["colour", "note", "label"]]
    context = FaultContext(
        draft(table, {"colour": "categorical", "note": "text", "label": "target"}, FEATURES), "label"
    )
    for fault in (faults.another_unit, faults.stale_dates, faults.repeated_identifiers, faults.swapped_columns):
        assert fault(table, context) is None


def test_bounds_leave_room_and_keep_the_sign() -> None:
    low, high = bounds(pd.Series([2.0, 5.0, 8.0, 11.0] * 10))
    assert (low, high) == (0, 20)
    assert bounds(pd.Series([-4.0, 4.0] * 10)) == (-12, 12)


def test_a_long_tail_gets_more_room() -> None:
    tail = pd.Series([1.0, 1.1, 1.2] * 30 + [70.0, 80.0, 90.0])
    assert bounds(tail)[1] >= 900


def test_a_lonely_value_gets_none() -> None:
    """It may be a mistake, and must not take the guard away from the rest."""
    assert bounds(pd.Series([30.0, 40.0, 50.0] * 30 + [9000.0]))[1] <= 100


def test_a_bound_never_cuts_what_was_seen() -> None:
    near = pd.Series([1700000000009.0, 1700000000010.0, 1700000000011.0] * 20)
    low, high = bounds(near)
    assert low <= near.min()
    assert high >= near.max()


def test_the_tolerance_shrinks_with_the_rows_and_is_never_nothing() -> None:
    assert tolerance(0.5, 100) > tolerance(0.5, 10_000) > 0
    assert tolerance(0, 1000) > 0


def test_a_column_that_is_often_missing_may_go_on_being_so() -> None:
    values = pd.Series([1.0, np.nan] * 100)
    assert 0.1 < present(values) < 0.5


def test_few_unseen_categories_are_let_through_and_more_are_not(contract: Contract) -> None:
    few = TABLE.assign(colour=TABLE["colour"].where(TABLE.index > 0, "new"))
    assert {result.critical for result in failed_expectations(few, contract)} == {False}
    many = TABLE.assign(colour=TABLE["colour"].where(TABLE.index % 3 > 0, "new"))
    assert any(result.critical for result in failed_expectations(many, contract))


def test_rows_that_repeat_by_nature_are_counted_instead() -> None:
    few = pd.DataFrame({"colour": TABLE["colour"], "label": TABLE["label"].iloc[np.arange(N) % 9].to_numpy()})
    drafted = draft(few, {"colour": "categorical", "label": "target"}, FEATURES)
    twice = pd.concat([few, few], ignore_index=True)
    assert [result.expectation["type"] for result in failed_expectations(twice, drafted)] == [
        "expect_table_row_count_to_be_between"
    ]


@pytest.mark.parametrize(
    ("texts", "pattern"),
    [
        (["AB12", "XYZ7"], "^[A-Z]+[0-9]+$"),
        (["a.1", "b.22"], r"^[a-z]+\.[0-9]+$"),
        (["a1", "1a"], None),
    ],
)
def test_identifiers_share_a_pattern_if_they_have_one_form(texts: list[str], pattern: str | None) -> None:
    assert common_pattern(pd.Series(texts)) == pattern


def test_a_third_of_the_rows_is_enough_and_a_quarter_is_not(contract: Contract) -> None:
    fewest = expectation(contract, "table_row_count_to_be_between", None)["min_value"]
    assert N // 4 < fewest <= N // 3


def test_what_a_person_changed_or_added_stays(contract: Contract) -> None:
    before = copy.deepcopy(contract)
    changed = next(item for item in before.features["expectations"] if item["kwargs"].get("max_value"))
    changed["kwargs"]["max_value"] = 7
    added = {
        "type": "expect_column_mean_to_be_between",
        "kwargs": {"column": "size", "min_value": 0},
        "severity": "info",
    }
    gone = {"type": "expect_column_mean_to_be_between", "kwargs": {"column": "gone"}, "severity": "info"}
    before.features["expectations"] += [added, gone]
    merged = merge_own_expectations(contract, before, set(ROLES)).features["expectations"]
    assert changed in merged
    assert added in merged
    assert gone not in merged
    assert len(merged) == len(contract.features["expectations"]) + 1
    assert (
        merge_own_expectations(contract, contract, set(ROLES)).features["expectations"]
        == contract.features["expectations"]
    )


def test_dates_may_lie_in_any_year() -> None:
    for first in ("0001-01-01", "1500-06-30", "9998-12-31"):
        table = TABLE.assign(day=TABLE["day"].where(TABLE.index % 3 > 0, first))
        assert failed_expectations(table, draft(table, ROLES, FEATURES)) == []


@pytest.mark.parametrize("rows", [20, 60])
def test_a_column_with_few_values_leaves_room_for_others(rows: int) -> None:
    table = TABLE.assign(size=TABLE["size"].where(TABLE.index < rows))
    lowest = expectation(draft(table, ROLES, FEATURES), "column_quantile_values_to_be_between", "size")
    assert lowest["quantile_ranges"]["value_ranges"][0][0] <= table["size"].min()


def test_a_draft_check_names_what_it_refused_and_what_it_missed() -> None:
    sentence = DraftCheck(10, ["x-rule"], 20, ["lost class"]).sentence
    assert "rejected 1 of 10 held-out samples (x-rule)" in sentence
    assert "noticed 19 of 20 planted faults (not: lost class)" in sentence


def test_a_draft_check_counts_each_fault_that_a_weak_draft_misses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(OF_THE_KIND, "CAUGHT_BY_CONTRACT", (faults.lost_column, lambda table, _: table.copy()))
    result = checking.check_draft(TABLE, ROLES, "label", FEATURES, times=1)
    assert (result.samples, result.rejected, result.planted) == (1, [], 2)
    assert len(result.missed) == 1


def test_the_types_alone_say_how_to_read(contract: Contract) -> None:
    plain = draft_types(ROLES, {"weight", "size"}, FEATURES, KIND.task.output_type.TYPE)
    assert plain.types == contract.types
    assert plain.all_columns == contract.all_columns
