"""Validate feedback: the true target values of predicted rows, which clients send later."""

from typing import Any

from mlkeel.contract.request import NOT_NULL, RowValidator, Violation
from mlkeel.contract.suites import COLUMNS, TYPE, Contract
from mlkeel.tasks.output_types import output_type_of

MAX_ID_CHARACTERS = 64
MAX_ROW_NUMBER = 2**31 - 1  # more than any request has
KEYS = {"request_id", "row", "truth"}
MESSAGES = {
    "request_id": f"request_id: it must be what came as X-Request-ID, a string of 1 to {MAX_ID_CHARACTERS} characters",
    "row": "row: it must be the number of a row of that request, from 1",
}


class FeedbackValidator:
    """Validates true target values: any that outputs can be scored by, even outside the range of the training table."""

    def __init__(self, contract: Contract, target: str) -> None:
        """Read from the contract what the values of `target` must satisfy.

        Raises:
            ContractError: it does not describe `target`, or a rule cannot be applied to single values.
        """
        output_type = output_type_of(contract, target)
        expectations = [
            {"type": COLUMNS, "kwargs": {"column_set": [target]}},
            {"type": TYPE, "kwargs": {"column": target, "type_": output_type.TYPE}},
            {"type": NOT_NULL, "kwargs": {"column": target}},
            *output_type.target_expectations(contract, target),
        ]
        suite = {"name": "truths", "expectations": expectations}
        self._target = target
        self._validator = RowValidator(Contract(suite, contract.dataset))

    def violations(self, entries: list[Any]) -> list[Violation]:
        """Return the violations of `entries`; they can be recorded if there are none."""
        malformed = [
            violation for row, entry in enumerate(entries, start=1) for violation in _shape_violations(row, entry)
        ]
        return malformed or self._validator.violations([{self._target: entry["truth"]} for entry in entries])

    def read(self, entries: list[dict[str, Any]]) -> list[tuple[str, int, Any]]:
        """Return the request, the row and the true value of each of `entries`, which have no violations."""
        return [(entry["request_id"], int(entry.get("row", 1)), entry["truth"]) for entry in entries]

    def schema(self) -> dict[str, Any]:
        """Return the JSON schema of one entry."""
        return {
            "title": "Feedback",
            "type": "object",
            "properties": {
                "request_id": {"type": "string", "minLength": 1, "maxLength": MAX_ID_CHARACTERS},
                "row": {"type": "integer", "minimum": 1, "maximum": MAX_ROW_NUMBER, "default": 1},
                "truth": self._validator.schema()["properties"][self._target],
            },
            "required": ["request_id", "truth"],
            "additionalProperties": False,
        }


def _shape_violations(number: int, entry: object) -> list[Violation]:
    if not isinstance(entry, dict) or set(entry) - KEYS or not {"request_id", "truth"} <= set(entry):
        message = "feedback is an object of request_id, truth and, if it is not the first, row"
        return [Violation(number, None, "feedback", None, message)]
    request = entry["request_id"]
    row = entry.get("row", 1)
    is_valid = {
        "request_id": isinstance(request, str) and 0 < len(request) <= MAX_ID_CHARACTERS,
        "row": type(row) in (int, float) and 1 <= row <= MAX_ROW_NUMBER and row == int(row),
    }
    return [Violation(number, None, "feedback", None, MESSAGES[name]) for name, valid in is_valid.items() if not valid]
