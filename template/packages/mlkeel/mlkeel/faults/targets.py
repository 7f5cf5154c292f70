"""Choose the faults of a table by its target: of classes or of numbers."""

from typing import Protocol

from mlkeel.contract.suites import Contract
from mlkeel.faults import class_targets, number_targets
from mlkeel.faults.tables import DataFault, duplicated_rows, further_column, missing_labels, truncated_table


class Faults(Protocol):
    """Faults of a table for one type of target; a module can implement it."""

    TARGET_FAULTS: tuple[DataFault, ...]
    CAUGHT_BY_CONTRACT: tuple[DataFault, ...]  # all that the contract should catch
    NOT_CAUGHT_BY_CONTRACT: tuple[DataFault, ...]  # these need tests that look at rows or train


def faults_of(contract: Contract, target: str) -> Faults:
    """Return the faults for classes if the contract lists them for `target`, else those for numbers."""
    return class_targets if contract.values(target) else number_targets


def whole_table_faults(contract: Contract, target: str) -> tuple[DataFault, ...]:
    """Return the faults that break any table, of whatever type its features are."""
    return (
        *(further_column, truncated_table, duplicated_rows, missing_labels),
        *faults_of(contract, target).TARGET_FAULTS,
    )
