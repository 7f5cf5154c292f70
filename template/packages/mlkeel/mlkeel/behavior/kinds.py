"""Choose the behaviour cases of a task: for classification or for regression."""

from typing import TYPE_CHECKING, Protocol

from mlkeel.behavior import class_cases, number_cases
from mlkeel.behavior.cases import Case
from mlkeel.contract.suites import Contract

if TYPE_CHECKING:
    import pandas as pd

    from mlkeel.inference.predictor import Predictor


class CaseType(Protocol):
    """Check and draft cases for one type of output; a module can implement it."""

    KINDS: dict[str, str]  # what each kind of case asserts
    KEYS: dict[str, set[str]]  # the keys of each kind of case

    def is_answerable(self, case: Case, output_names: tuple[str, ...]) -> bool:
        """Whether a model with these `output_names` can give what a case expects."""

    def failure(self, kind: str, case: Case, predictor: "Predictor", table: "pd.DataFrame", /) -> str | None:
        """Return what the model does instead of what `case` expects; None if it does what is expected."""

    def draft_cases(self, table: "pd.DataFrame", predictor: "Predictor", /) -> dict[str, list[Case]]:
        """Draft cases that `predictor` passes on `table`, shape (n, columns), by their kinds."""


def case_type_of(contract: Contract, target: str) -> CaseType:
    """Return the cases for classification if the contract lists classes for `target`, else those for regression."""
    return class_cases if contract.values(target) else number_cases


def why_unfit(kind: str, case: Case, predictor: "Predictor", table: "pd.DataFrame") -> str | None:
    """Return what makes a case invalid, so that it could not test a model; None if it is valid."""
    cases = case_type_of(predictor.contract, predictor.target)
    features = {column.name for column in predictor.contract.columns}
    if kind not in cases.KEYS:
        return f"{kind} is no kind of case; there are {', '.join(cases.KEYS)}"
    if set(case) - {"draft"} != cases.KEYS[kind]:
        return f"a case of this kind holds {', '.join(sorted(cases.KEYS[kind]))}, and no other keys"
    if unknown := set(case.get("row") or {}) - set(table.columns):
        return f"row names {', '.join(sorted(unknown))}, which the table does not have"
    if unknown := set(case.get("change") or {}) - features:
        return f"change names {', '.join(sorted(unknown))}, which is no feature"
    if not cases.is_answerable(case, predictor.output_names):
        return "expect names what the model does not answer, or no direction"
    return None
