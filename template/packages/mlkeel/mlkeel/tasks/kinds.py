"""Which kind of answers a contract asks for."""

from mlkeel.contract.suites import Contract
from mlkeel.tasks import classes, numbers
from mlkeel.tasks.answers import AnswerKind


def kind_of(contract: Contract, target: str) -> AnswerKind:
    """Classes if the contract lists them for `target`, else numbers."""
    return classes if contract.values(target) else numbers
