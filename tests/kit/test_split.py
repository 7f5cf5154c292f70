"""Each kind of split: a partition, nothing on two sides that must not be, the shares, and what later rows change."""

import itertools
import logging
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from mlkeel.config import SplitSettings, checked
from mlkeel.data.split import Split, split
from mlkeel.errors import DataError, InputError

SHARES = {"train": 0.6, "validation": 0.2, "test": 0.2}
ORDER = {"train": 0, "validation": 1, "test": 2}
KINDS: dict[str, dict[str, Any]] = {
    "random": {},
    "keyed": {"by": "random", "key": ("group",)},
    "stratified": {"by": "stratified"},
    "group": {"by": "group", "group": "group"},
    "time": {"by": "time", "time": "time"},
    "time with a gap": {"by": "time", "time": "time", "gap": 2},
    "group_time": {"by": "group_time", "group": "group", "time": "time"},
    "given": {"by": "given", "given": "side"},
}
EXAMPLES = ["weight", "color"]


def settings_of(kind: str) -> SplitSettings:
    return SplitSettings(**(SHARES | KINDS[kind]))


def sides(splits: Split) -> dict[int, str]:
    return {row: name for name, rows in splits.frames.items() for row in rows.index}


def split_fruit(table: pd.DataFrame, kind: str) -> Split:
    """Split `table`, of any size; what cannot be split is no example."""
    try:
        return split(table, settings_of(kind), EXAMPLES, "fruit")
    except DataError:
        assume(False)
        raise


@st.composite
def fruit(draw: st.DrawFn, min_rows: int = 30) -> pd.DataFrame:
    """Rows of fruit, many of which repeat: their values, class, group, time and given side."""
    seed = draw(st.integers(0, 2**32 - 1))
    rows = draw(st.integers(min_rows, 150))
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "weight": rng.integers(0, draw(st.integers(40, 400)), rows) / 4,
            "color": rng.choice(["red", "green", None], rows),
            "fruit": rng.choice(["apple", "cherry", "pear"], rows, p=[0.6, 0.3, 0.1]),
            "group": rng.choice([f"tree {number}" for number in range(draw(st.integers(8, 60)))], rows),
            "time": rng.integers(0, draw(st.integers(8, 60)), rows),
            "side": rng.choice(list(ORDER), rows),
        }
    )


any_kind = pytest.mark.parametrize("kind", KINDS)


@any_kind
@settings(max_examples=40)
@given(table=fruit())
def test_each_row_is_in_one_split_or_excluded(kind: str, table: pd.DataFrame) -> None:
    splits = split_fruit(table, kind)
    assert sorted(row for rows in splits.all_frames.values() for row in rows.index) == list(table.index)
    assert splits.excluded is not None
    assert splits.description.excluded_rows == len(splits.excluded)
    assert splits.excluded.empty or kind in ("time with a gap", "group_time")
    assert all(not rows.empty for rows in splits.frames.values())


@any_kind
@settings(max_examples=40)
@given(table=fruit())
def test_no_value_stands_on_two_sides_that_must_not(kind: str, table: pd.DataFrame) -> None:
    splits = split_fruit(table, kind)
    assume(splits.disjoint or kind == "given")  # no class is split singly
    expected = {"random": ("weight", "color"), "keyed": ("group",), "group": ("group",)}
    expected |= {"stratified": ("weight", "color"), "group_time": ("group", "time")}
    expected |= {"time": ("time",), "time with a gap": ("time",), "given": ()}
    assert {name for columns in splits.disjoint for name in columns} == set(expected[kind])
    side = sides(splits)
    rows = table.loc[list(side)]
    for columns in splits.disjoint:
        on_sides = rows.groupby(list(columns), dropna=False).apply(lambda group: group.index.map(side).nunique())
        assert on_sides.eq(1).all()


@settings(max_examples=40)
@given(table=fruit())
def test_all_training_is_before_all_testing(table: pd.DataFrame) -> None:
    for kind, gap in {"time": 0, "time with a gap": 2, "group_time": 0}.items():
        frames = split_fruit(table, kind).frames
        assert frames["train"]["time"].max() + gap < frames["validation"]["time"].min()
        assert frames["validation"]["time"].max() + gap < frames["test"]["time"].min()


@settings(max_examples=40)
@given(table=fruit())
def test_a_gap_leaves_out_what_is_soon_after_a_boundary_and_no_more(table: pd.DataFrame) -> None:
    whole = split_fruit(table, "time").frames
    splits = split_fruit(table, "time with a gap")
    ends = [whole[name]["time"].max() for name in ("train", "validation")]
    assert splits.excluded is not None
    assert set(splits.excluded.index) == {
        row for row, time in table["time"].items() if any(end < time <= end + 2 for end in ends)
    }


@settings(max_examples=40)
@given(table=fruit())
def test_a_group_keeps_all_its_rows_in_one_window(table: pd.DataFrame) -> None:
    """And short-lived groups lose nothing."""
    window = sides(split_fruit(table, "time"))
    splits = split_fruit(table, "group_time")
    side = sides(splits)
    assert all(window[row] == name for row, name in side.items())
    for _, rows in table.groupby("group"):
        kept = {row for row in rows.index if row in side}
        assert kept
        assert kept == {row for row in rows.index if window[row] == side[min(kept)]}


def later_rows(table: pd.DataFrame, further: pd.DataFrame, kind: str) -> pd.DataFrame:
    """The rows of `further`, which come after those of `table` where a split is by time."""
    shift = int(table["time"].max()) if "time" in kind else 0
    return further.assign(time=further["time"] + shift)


@any_kind
@settings(max_examples=60)
@given(table=fruit(), further=fruit(min_rows=1))
def test_later_rows_change_no_more_than_is_promised(kind: str, table: pd.DataFrame, further: pd.DataFrame) -> None:
    splits = split_fruit(table, kind)
    grown_splits = split_fruit(pd.concat([table, later_rows(table, further, kind)], ignore_index=True), kind)
    assume(splits.disjoint == grown_splits.disjoint)  # no class came to be or ceased to be split singly
    before = sides(splits)
    after = sides(grown_splits)
    if "time" in kind:
        common = before.keys() & after.keys()
        assert all(ORDER[after[row]] <= ORDER[before[row]] for row in common)
    elif kind != "stratified":
        assert before.items() <= after.items()


@settings(max_examples=60)
@given(table=fruit(), further=fruit(min_rows=1))
def test_of_stratified_rows_only_those_at_a_cut_move(table: pd.DataFrame, further: pd.DataFrame) -> None:
    """The classes without further rows keep their sides, and rows never pass one another."""
    table = table.drop_duplicates(EXAMPLES).reset_index(drop=True)
    further = further[further["fruit"] == "apple"]
    grown = pd.concat([table, further], ignore_index=True).drop_duplicates(EXAMPLES).reset_index(drop=True)
    before = sides(split_fruit(table, "stratified"))
    after = sides(split_fruit(grown, "stratified"))
    for fruit_name, rows in table.groupby("fruit"):
        if fruit_name != "apple":
            assert all(before[row] == after[row] for row in rows.index)
    apples = table.index[table["fruit"] == "apple"]
    for name, later_name in itertools.combinations(ORDER, 2):
        first = [ORDER[after[row]] for row in apples if before[row] == name]
        later = [ORDER[after[row]] for row in apples if before[row] == later_name]
        assert not first or not later or max(first) <= min(later)


@settings(max_examples=40)
@given(table=fruit(min_rows=60))
def test_stratified_keeps_the_share_of_each_class_as_far_as_duplicates_allow(table: pd.DataFrame) -> None:
    table = table.assign(weight=table["weight"] + table["fruit"].map({"apple": 0.0, "cherry": 0.1, "pear": 0.2}))
    splits = split_fruit(table, "stratified")
    assume(len(splits.disjoint) == 1)
    for fruit_name, rows in table.groupby("fruit"):
        most_copies = rows.groupby(EXAMPLES, dropna=False).size().max()
        if rows.drop_duplicates(EXAMPLES).shape[0] < 10:
            continue  # so few that an example for each split is more than its share
        for name, share in SHARES.items():
            taken = (splits.frames[name]["fruit"] == fruit_name).sum()
            assert abs(taken - share * len(rows)) <= most_copies


@settings(max_examples=40)
@given(table=fruit(min_rows=60))
def test_a_split_by_time_has_its_shares_as_far_as_equal_times_allow(table: pd.DataFrame) -> None:
    assume(table["time"].nunique() >= 10)
    most_at_once = table["time"].value_counts().max()
    assume(most_at_once < 0.2 * len(table))
    for name, rows in split_fruit(table, "time").frames.items():
        assert abs(len(rows) - SHARES[name] * len(table)) <= most_at_once


@pytest.mark.parametrize("kind", ["random", "keyed", "stratified", "group", "time"])
def test_the_splits_have_about_their_shares(kind: str) -> None:
    numbers = range(5000)
    table = pd.DataFrame({"weight": numbers, "color": "red", "group": numbers, "time": numbers})
    table = table.assign(fruit=table["weight"].mod(7).map(lambda rest: "apple" if rest else "cherry"))
    splits = split_fruit(table, kind)
    assert [len(rows) / 5000 for rows in splits.frames.values()] == pytest.approx([0.6, 0.2, 0.2], abs=0.03)


@settings(max_examples=25)
@given(values=st.lists(st.integers(0, 50), min_size=20, max_size=80))
def test_the_splits_hold_each_row_once_and_duplicates_on_one_side(values: list[int]) -> None:
    table = pd.DataFrame({"value": values})
    assume(table["value"].nunique() > 8)
    try:
        splits = split(table, settings_of("random"))
    except DataError:
        assume(False)
    side = sides(splits)
    assert sorted(side) == list(table.index)
    assert table.groupby("value").apply(lambda group: group.index.map(side).nunique()).eq(1).all()


def test_a_row_keeps_its_side_when_the_table_grows() -> None:
    table = pd.DataFrame({"value": range(300)})
    before = sides(split(table.head(100), settings_of("random")))
    after = sides(split(table, settings_of("random")))
    assert before.items() <= after.items()


def test_rows_stay_where_earlier_releases_put_them() -> None:
    table = pd.DataFrame({"text": list("abcdefghij"), "number": [value / 2 for value in range(10)]})
    side = sides(split(table, settings_of("random")))
    assert "".join(name[:2] for _, name in sorted(side.items())) == "trtrtrtrvatetetrtrtr"


def test_only_the_key_counts() -> None:
    table = pd.DataFrame({"value": [1, 2, 3, 4] * 50, "note": range(200)})
    side = sides(split(table, SplitSettings(train=0.5, validation=0.25, test=0.25, key=("value",))))
    assert all(side[row] == side[row % 4] for row in table.index)


@pytest.mark.parametrize("kind", ["random", "group", "group_time"])
def test_the_type_of_equal_values_does_not_count(kind: str) -> None:
    """A column of whole numbers becomes one of fractions as soon as a value is missing."""
    table = pd.DataFrame({"weight": [0, *range(1, 80)], "color": "red", "fruit": "apple"})
    table = table.assign(group=table["weight"] % 40, time=table["weight"] % 20)
    others = table.astype({"weight": "float64", "group": "Int64", "time": "float64"})
    others["weight"] = others["weight"].replace(0.0, -0.0)
    assert sides(split_fruit(table, kind)) == sides(split_fruit(others, kind))


TIMES = {
    "dates": [f"2026-{month:02d}-{day:02d}" for month in range(1, 11) for day in range(1, 11)],
    "moments": [f"2026-01-{day:02d}T{hour:02d}:30:00Z" for day in range(1, 11) for hour in range(10)],
    "years": [1900 + number for number in range(100)],
    "pandas": list(pd.date_range("2026-01-01", periods=100, tz="Europe/Vienna")),
}


@pytest.mark.parametrize("form", TIMES)
def test_times_may_be_dates_or_numbers_in_any_order(form: str) -> None:
    table = pd.DataFrame({"time": TIMES[form]})
    shuffled = table.sample(frac=1, random_state=7)
    side = sides(split(shuffled, settings_of("time")))
    assert [side[row] for row in range(100)] == ["train"] * 60 + ["validation"] * 20 + ["test"] * 20


@pytest.mark.parametrize(("gap", "excluded"), [("2 days", 4), ("36 hours", 2), ("1 week", 14)])
def test_a_gap_in_dates_is_a_duration(gap: str, excluded: int) -> None:
    table = pd.DataFrame({"time": pd.date_range("2026-01-01", periods=100).strftime("%Y-%m-%d")})
    splits = split(table, SplitSettings(**SHARES, by="time", time="time", gap=gap))
    assert splits.description.excluded_rows == excluded


def test_rows_without_a_group_are_groups_of_their_own(caplog: pytest.LogCaptureFixture) -> None:
    table = pd.DataFrame({"weight": range(300), "group": ["a", "b", None] * 100})
    with caplog.at_level(logging.WARNING):
        splits = split(table, settings_of("group"), ["weight"])
    ungrouped = pd.Series(sides(splits))[table["group"].isna()]
    assert set(ungrouped) == set(ORDER)
    assert "100 rows without a value of group, each a group of its own" in splits.description.sentence
    assert "100 rows without a value of group" in caplog.text


def test_rows_of_no_group_stay_in_their_window() -> None:
    table = pd.DataFrame({"time": range(100), "group": None})
    splits = split(table, settings_of("group_time"))
    assert splits.description.excluded_rows == 0


def test_a_class_of_few_different_rows_is_split_singly(caplog: pytest.LogCaptureFixture) -> None:
    table = pd.DataFrame({"weight": [*range(300), *[7.5] * 200], "fruit": ["apple"] * 300 + ["cherry"] * 200})
    for kind in ("random", "stratified"):
        with caplog.at_level(logging.WARNING):
            splits = split(table, settings_of(kind), ["weight"], "fruit")
        assert all(set(rows["fruit"]) == {"apple", "cherry"} for rows in splits.frames.values())
        assert "equal rows of cherry (1 different in 200 rows) on several sides" in splits.description.sentence
        assert splits.disjoint == ()
        assert "equal rows of cherry" in caplog.text
    before = sides(split(table.head(450), settings_of("random"), ["weight"], "fruit"))
    assert before.items() <= sides(split(table, settings_of("random"), ["weight"], "fruit")).items()


def test_a_class_that_is_only_rare_keeps_its_duplicates_together() -> None:
    table = pd.DataFrame({"weight": [*range(300), 7.5, 8.5], "fruit": ["apple"] * 300 + ["cherry"] * 2})
    assert split(table, settings_of("random"), ["weight"], "fruit").disjoint == (("weight",),)


def test_a_table_of_few_different_rows_is_split_singly() -> None:
    rng = np.random.default_rng(7)
    table = pd.DataFrame({"color": rng.choice(["red", "green"], 500), "fruit": rng.choice(["apple", "cherry"], 500)})
    splits = split(table, settings_of("random"), ["color"], "fruit")
    assert "only 2 of 500 rows differ, so equal ones are on several sides" in splits.description.sentence
    assert [len(rows) / 500 for rows in splits.frames.values()] == pytest.approx([0.6, 0.2, 0.2], abs=0.06)


@pytest.mark.parametrize(
    ("kind", "sentence", "short"),
    [
        ("random", "rows dealt by a hash of their values", "random"),
        ("keyed", "rows dealt by a hash of group", "random: group"),
        ("stratified", "rows dealt by a hash of their values, each class in its share", "stratified"),
        ("group", "by group: group", "group: group"),
        ("time", "by time: trained until 59, tested from 80", "time: time"),
        (
            "time with a gap",
            "by time: trained until 59, tested from 82, with a gap of 2; 4 rows in no split",
            "time: time",
        ),
        ("given", "as given by the column side", "given: side"),
    ],
)
def test_a_split_says_what_it_was_by(kind: str, sentence: str, short: str) -> None:
    numbers = range(100)
    table = pd.DataFrame({"weight": numbers, "color": "red", "fruit": "apple", "group": numbers, "time": numbers})
    description = split_fruit(table.assign(side=["train", "validation", "test", "train"] * 25), kind).description
    assert description.sentence == sentence
    assert description.short == short


def test_rows_without_a_key_are_dealt_by_their_values() -> None:
    table = pd.DataFrame({"weight": range(400), "id": [*range(100), *[None] * 300]})
    splits = split(table, SplitSettings(**SHARES, key=("id",)), ["weight"])
    assert len(splits.test) == pytest.approx(80, abs=20)
    assert splits.description.sentence == "rows dealt by a hash of id, or of their values where it is missing"
    by_values = sides(split(table, settings_of("random"), ["weight"]))
    of_keyless = sides(splits).items()
    assert all(by_values[row] == side for row, side in of_keyless if row >= 100)


@pytest.mark.parametrize(("groups", "warned"), [([0] * 380 + [*range(1, 21)], True), ([*range(40)] * 10, False)])
def test_a_split_that_a_large_group_makes_small_is_warned_of(
    groups: list[int], warned: bool, caplog: pytest.LogCaptureFixture
) -> None:
    split(pd.DataFrame({"group": groups}), settings_of("group"))
    assert ("rows with the same group share a split" in caplog.text) == warned


def test_a_split_without_rows_is_refused() -> None:
    with pytest.raises(DataError, match="1 different rows cannot be dealt"):
        split(pd.DataFrame({"value": [1, 1, 1]}), settings_of("random"))


@pytest.mark.parametrize(
    ("change", "by", "message"),
    [
        ({"group": "a"}, {"by": "group", "group": "group"}, "1 different values of group cannot be dealt"),
        ({"time": 3}, {"by": "time", "time": "time"}, "holds 1 different, and at least 3 are needed"),
        ({"time": [None, "2026-01-01"] * 50}, {"by": "time", "time": "time"}, "50 of 100 rows have no value of time"),
        ({"time": ["soon", "2026-01-01"] * 50}, {"by": "time", "time": "time"}, '50 of 100 values of time.*"soon"'),
        ({}, {"by": "time", "time": "time", "gap": 500}, "in the gap of 500"),
        ({}, {"by": "group_time", "group": "group", "time": "time", "gap": 50}, "in the gap of 50"),
        (
            {"group": "a"},
            {"by": "group_time", "group": "group", "time": "time", "gap": 5},
            "1 different values of group",
        ),
        ({"group": "a"}, {"key": ("group",)}, "1 different values of group cannot be dealt"),
        ({}, {"by": "time", "time": "time", "gap": "7 days"}, '"7 days", and time holds numbers'),
        ({"time": TIMES["dates"]}, {"by": "time", "time": "time", "gap": 7}, "time holds dates. Write a duration"),
        ({"side": ["train", "dev"] * 50}, {"by": "given", "given": "side"}, 'side, .* says "dev" in 50 rows'),
        ({"side": ["train", None] * 50}, {"by": "given", "given": "side"}, "says nothing in 50 rows"),
        ({"side": ["train", "test"] * 50}, {"by": "given", "given": "side"}, "no row of side says validation"),
        ({}, {"by": "group", "group": "tree"}, "data.split.group in conf/params.yaml names tree, which is no column"),
        ({}, {"key": ("id", "time")}, "data.split.key in conf/params.yaml names id, which is no column"),
        ({}, {"by": "stratified"}, "the target holds numbers. Use by: random"),
    ],
)
def test_what_cannot_be_split_so_is_refused(change: dict[str, Any], by: dict[str, Any], message: str) -> None:
    table = pd.DataFrame({"time": range(100), "group": range(100), "side": "train"}).assign(**change)
    with pytest.raises(DataError, match=message):
        split(table, SplitSettings(**(SHARES | by)))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"by": "group"}, "by: group needs group, which is not set"),
        ({"by": "group_time", "time": "day"}, "by: group_time needs group"),
        ({"group": "tree"}, "by: random takes no group; choose by: group or group_time"),
        ({"by": "stratified", "gap": 2}, "by: stratified takes no gap; choose by: time or group_time"),
        ({"by": "given", "given": "side", "key": ["id"]}, "by: given takes no key; choose by: random or stratified"),
        ({"by": "time", "time": "day", "gap": "7 moons"}, '"7 moons" is no duration'),
        ({"by": "time", "time": "day", "gap": 0}, "gap must be greater than 0"),
        ({"by": "group_time", "time": "day", "group": "day"}, "must name different columns"),
        ({"by": "weekly"}, "by: it must be 'random', 'stratified'"),
        ({"key": "id"}, "key must be a list"),
        ({"test": None}, "must all be set"),
    ],
)
def test_settings_that_do_not_fit_together_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        checked(SplitSettings, SHARES | values, "here")


def test_what_is_given_needs_no_shares() -> None:
    assert checked(SplitSettings, {"by": "given", "given": "side"}, "here").columns == ("side",)
