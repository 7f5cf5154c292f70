from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mlkeel.contract.suites import Contract
from mlkeel.data.tables import coerce_dtypes, load
from mlkeel.errors import DataError

ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "weight_g": st.integers(0, 99) | st.sampled_from([None, 1.5, "heavy", "7"]),
            "colour": st.sampled_from(["red", "", "007", 7, None, "grün"]),
        }
    ),
    min_size=1,
)


def test_a_table_is_read_with_the_types_of_the_contract(project: Path, fruit_contract: Contract) -> None:
    table = load(project / "data" / "fruit.csv", fruit_contract)
    assert table.shape == (120, 6)
    assert {name: str(table[name].dtype) for name in fruit_contract.types} == fruit_contract.types


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty"),
        (b"id,fruit,price,note,weight_g,colour\n", "no row below it"),
        (b"id,fruit,price,note,weight_g,colour\n1,apple,5,n,150,gr\xfcn\n", "line 2 is not UTF-8"),
        (b"id,fruit\n1,apple\n2,apple,3,4\n", "line 3 has 4 fields, and the header has 2"),
        (b"\x1f\x8b\x08\x00", "compressed"),
        ("id;fruit".encode("utf-16"), "UTF-16"),
    ],
    ids=["empty", "header only", "latin-1", "ragged", "compressed", "utf-16"],
)
def test_a_file_that_is_no_table_is_refused(
    tmp_path: Path, fruit_contract: Contract, content: bytes, message: str
) -> None:
    path = tmp_path / "fruit.csv"
    path.write_bytes(content)
    with pytest.raises(DataError, match=f"fruit.csv.*{message}"):
        load(path, fruit_contract)


def test_a_missing_file_is_refused(tmp_path: Path, fruit_contract: Contract) -> None:
    with pytest.raises(DataError, match="there is no such file"):
        load(tmp_path / "fruit.csv", fruit_contract)


@pytest.mark.parametrize(("known", "read"), [(["green", "red"], None), (["NA", "green", "red"], "NA")])
def test_a_spelling_of_missing_is_a_category_where_the_contract_knows_it(
    tmp_path: Path, fruit_contract: Contract, known: list[str], read: str | None
) -> None:
    path = tmp_path / "fruit.csv"
    path.write_text("id,fruit,price,note,weight_g,colour\n1,apple,5,n,NA,NA\n2,apple,5,n,3,red\n", encoding="utf-8")
    items = [
        item | {"kwargs": item["kwargs"] | {"value_set": known}} if "value_set" in item["kwargs"] else item
        for item in fruit_contract.features["expectations"]
    ]
    contract = Contract(fruit_contract.features | {"expectations": items}, fruit_contract.dataset)
    table = load(path, contract)
    assert pd.isna(table["weight_g"][0])
    assert (None if pd.isna(table["colour"][0]) else table["colour"][0]) == read


def test_whole_numbers_become_numbers(fruit_contract: Contract) -> None:
    assert coerce_dtypes(pd.DataFrame({"weight_g": [1, 2]}), fruit_contract)["weight_g"].dtype == "float64"


def test_text_among_numbers_is_left_for_the_contract_to_name(fruit_contract: Contract) -> None:
    table = pd.DataFrame({"weight_g": ["1", "heavy"]})
    assert coerce_dtypes(table, fruit_contract)["weight_g"].tolist() == ["1", "heavy"]


def test_codes_with_leading_zeros_stay_text(tmp_path: Path, fruit_contract: Contract) -> None:
    path = tmp_path / "fruit.csv"
    path.write_text("id,fruit,price,note,weight_g,colour\n1,apple,5,n,150,007\n", encoding="utf-8")
    assert load(path, fruit_contract)["colour"].tolist() == ["007"]


@settings(max_examples=25)
@given(rows=ROWS)
def test_coercing_twice_changes_nothing(fruit_contract: Contract, rows: list[dict[str, object]]) -> None:
    coerced = coerce_dtypes(pd.DataFrame(rows), fruit_contract)
    pd.testing.assert_frame_equal(coerce_dtypes(coerced, fruit_contract), coerced)
