"""Choose the type of outputs for a contract: probabilities of classes, or a number."""

from mlkeel.contract.suites import Contract
from mlkeel.tasks import class_outputs, number_outputs
from mlkeel.tasks.outputs import OutputType


def output_type_of(contract: Contract, target: str) -> OutputType:
    """Return the output type: classes if the contract lists them for `target`, else numbers."""
    return class_outputs if contract.values(target) else number_outputs
