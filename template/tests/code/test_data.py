"""The table is loaded as the contract reads it, or not at all."""

from pathlib import Path

import pandas as pd
import pytest
from mlkeel.config import Settings
from mlkeel.contract.suites import Contract
from mlkeel.errors import DataError
from mlkeel.project import Project


def test_every_column_of_the_contract_is_loaded(table: pd.DataFrame, contract: Contract) -> None:
    assert set(contract.all_columns) <= set(table.columns)


def test_a_feature_has_the_type_that_its_contract_names(table: pd.DataFrame, contract: Contract) -> None:
    for column in contract.columns:
        assert str(table[column.name].dtype) == contract.types[column.name], column.name


def test_every_row_has_a_target(table: pd.DataFrame, settings: Settings) -> None:
    assert table[settings.data.target].notna().all()


def test_loading_twice_gives_the_same_table(
    project: Project, table: pd.DataFrame, settings: Settings, contract: Contract, root: Path
) -> None:
    pd.testing.assert_frame_equal(project.load(root / settings.data.path, contract), table)


def test_rows_that_come_later_change_no_feature_of_those_before(
    earlier_tables: list[tuple[pd.DataFrame, pd.DataFrame]], contract: Contract
) -> None:
    names = [column.name for column in contract.columns]
    for earlier, same_rows in earlier_tables:  # there are none where time does not count
        pd.testing.assert_frame_equal(earlier[names], same_rows[names])


@pytest.mark.parametrize(
    ("name", "content"),
    [("absent.csv", None), ("empty.csv", b""), ("no_rows.csv", b"a,b\n"), ("no_text.csv", b"a,b\n1,\xff\n")],
)
def test_a_file_that_is_no_table_is_refused_in_a_sentence(
    project: Project, contract: Contract, tmp_path: Path, name: str, content: bytes | None
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=name):
        project.load(tmp_path / name, contract)
