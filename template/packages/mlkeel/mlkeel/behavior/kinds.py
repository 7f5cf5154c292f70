"""Which cases of behaviour a task has: of classes, or of a number."""

from typing import TYPE_CHECKING, Protocol

from mlkeel.behavior import class_cases, number_cases
from mlkeel.behavior.cases import Case
from mlkeel.contract.suites import Contract

if TYPE_CHECKING:
    import pandas as pd

    from mlkeel.inference.predictor import Predictor


class Cases(Protocol):
    """How cases of one kind of answer are judged and drafted; a module can be one."""

    KINDS: dict[str, str]  # what each kind of case asks
    KEYS: dict[str, set[str]]  # what each kind of case holds

    def expects(self, case: Case, answers: tuple[str, ...]) -> bool:
        """Whether a case expects something that can be answered."""

    def shortcoming(self, kind: str, case: Case, predictor: "Predictor", table: "pd.DataFrame", /) -> str | None:
        """What the model does instead of what `case` expects; None if it does as it should."""

    def drafts(self, table: "pd.DataFrame", predictor: "Predictor", /) -> dict[str, list[Case]]:
        """Draft cases that `predictor` meets on `table`, shape (n, columns)."""


def cases_of(contract: Contract, target: str) -> Cases:
    """Cases of classes if the contract lists them for `target`, else of a number."""
    return class_cases if contract.values(target) else number_cases


def misfit(kind: str, case: Case, predictor: "Predictor", table: "pd.DataFrame") -> str | None:
    """Why a case asks nothing that a model can be judged by, so that it would pass for ever; None if it does."""
    cases = cases_of(predictor.contract, predictor.target)
    features = {column.name for column in predictor.contract.columns}
    if kind not in cases.KEYS:
        return f"{kind} is no kind of case; there are {', '.join(cases.KEYS)}"
    if set(case) - {"draft"} != cases.KEYS[kind]:
        return f"a case of this kind holds {', '.join(sorted(cases.KEYS[kind]))}, and no other keys"
    if unknown := set(case.get("row", {})) - set(table.columns):
        return f"row names {', '.join(sorted(unknown))}, which the table does not have"
    if unknown := set(case.get("change", {})) - features:
        return f"change names {', '.join(sorted(unknown))}, which is no feature"
    if not cases.expects(case, predictor.answers):
        return "expect names what the model does not answer, or no direction"
    return None
