"""Which faults of the target a table can have: those of classes, or those of numbers."""

from typing import Protocol

from mlkeel.contract.suites import Contract
from mlkeel.faults import class_targets, number_targets
from mlkeel.faults.tables import Plant, duplicated_rows, further_column, missing_labels, truncated_table


class Faults(Protocol):
    """Faults of a table whose target is of one kind; a module can be one."""

    OF_THE_TARGET: tuple[Plant, ...]
    FOR_THE_SUITES: tuple[Plant, ...]  # all that the contract should notice
    BEYOND_THE_SUITES: tuple[Plant, ...]  # these need tests that look at rows or train


def faults_of(contract: Contract, target: str) -> Faults:
    """Faults of classes if the contract lists them for `target`, else of numbers."""
    return class_targets if contract.values(target) else number_targets


def whole_table_faults(contract: Contract, target: str) -> tuple[Plant, ...]:
    """Those that break any table, whatever its features hold."""
    return (
        *(further_column, truncated_table, duplicated_rows, missing_labels),
        *faults_of(contract, target).OF_THE_TARGET,
    )
