"""Each fault that is planted into the current table breaks the contract: the suites would notice."""

from pathlib import Path

import pandas as pd
import pytest
from mlkeel.config import Settings, read_version_settings
from mlkeel.contract.suites import Contract, read_contract
from mlkeel.contract.validate import violates
from mlkeel.data.tables import with_columns
from mlkeel.faults.columns import ColumnFault, column_faults
from mlkeel.faults.tables import DataFault, FaultContext
from mlkeel.faults.targets import whole_table_faults

ROOT = Path(__file__).parents[2]
CONTRACT = read_contract(ROOT / "expectations")
TARGET = read_version_settings(ROOT / "conf").data.target
FAULTS = [
    pytest.param(column.name, spoil, id=f"{column.name}-{fault}")
    for column in CONTRACT.columns
    for fault, spoil in column_faults(column).items()
]


@pytest.mark.parametrize(("name", "spoil"), FAULTS)
def test_a_fault_in_a_feature_is_noticed(
    table: pd.DataFrame, contract: Contract, name: str, spoil: ColumnFault
) -> None:
    assert violates(with_columns(table, {name: spoil(table[name])}), contract.features, name)


@pytest.mark.parametrize("name", [column.name for column in CONTRACT.columns])
def test_a_missing_column_is_noticed(table: pd.DataFrame, contract: Contract, name: str) -> None:
    assert violates(table.drop(columns=name), contract.features)


@pytest.mark.parametrize("fault", whole_table_faults(CONTRACT, TARGET), ids=lambda fault: fault.__name__)
def test_a_fault_of_the_whole_table_is_noticed(
    table: pd.DataFrame, contract: Contract, settings: Settings, fault: DataFault
) -> None:
    target = settings.data.target
    broken = fault(table, FaultContext(contract, target))
    assert violates(broken, contract.dataset, target) or violates(broken, contract.dataset)
