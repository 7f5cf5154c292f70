"""What turned out to be true of rows that were answered, as clients tell it."""

from typing import Any

from mlkeel.contract.request import NOT_NULL, Refusal, Rules
from mlkeel.contract.suites import COLUMNS, TYPE, Contract
from mlkeel.tasks.kinds import kind_of

LONGEST_ID, MOST_ROWS = 64, 2**31 - 1  # characters; more than any request had
KEYS = {"request_id", "row", "truth"}
ASKED = {
    "request_id": f"request_id: it must be what came as X-Request-ID, a string of 1 to {LONGEST_ID} characters",
    "row": "row: it must be the number of a row of that request, from 1",
}


class Truths:
    """Reads what is told about the target: any truth that the answers can be compared with, even one never seen."""

    def __init__(self, contract: Contract, target: str) -> None:
        """Take from the contract what a truth about `target` may be.

        Raises:
            ContractError: it does not say so.
        """
        kind = kind_of(contract, target)
        asked = [
            {"type": COLUMNS, "kwargs": {"column_set": [target]}},
            {"type": TYPE, "kwargs": {"column": target, "type_": kind.TYPE}},
            {"type": NOT_NULL, "kwargs": {"column": target}},
            *kind.truths(contract, target),
        ]
        suite = {"name": "truths", "expectations": asked}
        self._target, self._rules = target, Rules(Contract(suite, contract.dataset))

    def refusals(self, told: list[Any]) -> list[Refusal]:
        """What is wrong with `told`: nothing, if it can be recorded."""
        shapeless = [refusal for number, one in enumerate(told, start=1) for refusal in _shape(number, one)]
        return shapeless or self._rules.refusals([{self._target: one["truth"]} for one in told])

    def read(self, told: list[dict[str, Any]]) -> list[tuple[str, int, Any]]:
        """Request, row and truth of each that `refusals` finds nothing wrong with."""
        return [(one["request_id"], int(one.get("row", 1)), one["truth"]) for one in told]

    def schema(self) -> dict[str, Any]:
        """The JSON schema of one truth."""
        return {
            "title": "Feedback",
            "type": "object",
            "properties": {
                "request_id": {"type": "string", "minLength": 1, "maxLength": LONGEST_ID},
                "row": {"type": "integer", "minimum": 1, "maximum": MOST_ROWS, "default": 1},
                "truth": self._rules.schema()["properties"][self._target],
            },
            "required": ["request_id", "truth"],
            "additionalProperties": False,
        }


def _shape(number: int, told: object) -> list[Refusal]:
    if not isinstance(told, dict) or set(told) - KEYS or not {"request_id", "truth"} <= set(told):
        said = "feedback is an object of request_id, truth and, if it is not the first, row"
        return [Refusal(number, None, "feedback", None, said)]
    request, row = told["request_id"], told.get("row", 1)
    fine = {
        "request_id": isinstance(request, str) and 0 < len(request) <= LONGEST_ID,
        "row": type(row) in (int, float) and 1 <= row <= MOST_ROWS and row == int(row),
    }
    return [Refusal(number, None, "feedback", None, ASKED[name]) for name, good in fine.items() if not good]
