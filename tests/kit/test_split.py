import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from mlkeel.config import SplitFractions
from mlkeel.data.split import Split, split
from mlkeel.errors import DataError

FRACTIONS = SplitFractions(train=0.6, validation=0.2, test=0.2)


def sides(splits: Split) -> dict[int, str]:
    return {row: name for name, rows in vars(splits).items() for row in rows.index}


@settings(max_examples=25)
@given(values=st.lists(st.integers(0, 50), min_size=20, max_size=80))
def test_the_splits_hold_each_row_once_and_duplicates_on_one_side(values: list[int]) -> None:
    table = pd.DataFrame({"value": values})
    try:
        splits = split(table, FRACTIONS)
    except DataError:
        assume(False)
    side = sides(splits)
    assert sorted(side) == list(table.index)
    assert table.groupby("value").apply(lambda group: group.index.map(side).nunique()).eq(1).all()


def test_a_row_keeps_its_side_when_the_table_grows() -> None:
    table = pd.DataFrame({"value": range(300)})
    before = sides(split(table.head(100), FRACTIONS))
    after = sides(split(table, FRACTIONS))
    assert before.items() <= after.items()


def test_the_splits_have_about_their_shares() -> None:
    splits = split(pd.DataFrame({"value": range(5000)}), FRACTIONS)
    assert [len(rows) / 5000 for rows in vars(splits).values()] == pytest.approx([0.6, 0.2, 0.2], abs=0.03)


def test_rows_stay_where_earlier_releases_put_them() -> None:
    table = pd.DataFrame({"text": list("abcdefghij"), "number": [value / 2 for value in range(10)]})
    assert "".join(side[:2] for _, side in sorted(sides(split(table, FRACTIONS)).items())) == "trtrtrtrvatetetrtrtr"


def test_only_the_key_counts() -> None:
    table = pd.DataFrame({"value": [1, 2, 3, 4] * 50, "note": range(200)})
    side = sides(split(table, SplitFractions(train=0.5, validation=0.25, test=0.25), key=["value"]))
    assert all(side[row] == side[row % 4] for row in table.index)


def test_a_split_without_rows_is_refused() -> None:
    with pytest.raises(DataError, match="part of the table is empty"):
        split(pd.DataFrame({"value": [1, 1, 1]}), FRACTIONS)
