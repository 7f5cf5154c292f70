"""Describe a rule of the contract, and the values of a table that violate it, in one sentence."""

import json
from typing import TYPE_CHECKING, Any

from mlkeel.contract.messages import describe_rule, format_list, format_value
from mlkeel.contract.suites import TYPE, Expectation

if TYPE_CHECKING:
    import pandas as pd

MAX_EXAMPLES = 3
MAX_EXAMPLE_CHARS = 60  # of each


def describe(item: Expectation, result: dict[str, Any] | None, table: "pd.DataFrame") -> str:
    """Describe the rule and, if Great Expectations gave a `result` for it, what it observed in `table`."""
    column = item["kwargs"].get("column")
    message = describe_rule(item) if column is None else f"{column}: {describe_rule(item)}"
    if result is None:
        return message
    outcome = result["result"]
    if item["type"] == TYPE:
        return f"{message}; seen: {table[column].dtype}{_not_numbers(table[column])}"
    if mismatched := outcome.get("details", {}).get("mismatched"):
        groups = ("missing",) if item["kwargs"].get("exact_match") is False else ("missing", "unexpected")
        return f"{message}; " + ", ".join(
            f"{group}: {format_list(mismatched[group])}" for group in groups if group in mismatched
        )
    if "unexpected_count" in outcome:
        count = outcome["unexpected_count"]
        return f"{message}, but {count:,} {'does' if count == 1 else 'do'} not{_examples(outcome)}"
    observed = outcome.get("observed_value", "values of a type that this rule cannot judge")
    return message if observed is None else f"{message}; seen: {format_value(observed)}"


def _examples(outcome: dict[str, Any]) -> str:
    """Some of the values that violate a rule, with their rows counted from 1."""
    values = outcome.get("partial_unexpected_list", [])
    indices = outcome.get("partial_unexpected_index_list") or []
    rows = [f" in row {index + 1}" if isinstance(index, int) else "" for index in indices]
    rows += [""] * (len(values) - len(rows))
    examples = dict.fromkeys(f"{_quoted(value)}{row}" for value, row in zip(values, rows, strict=False))
    return f", for example {format_list(list(examples)[:MAX_EXAMPLES])}" if examples else ""


def _not_numbers(values: "pd.Series[Any]") -> str:
    import pandas as pd

    if pd.api.types.is_numeric_dtype(values):
        return ""
    is_invalid = (pd.to_numeric(values, errors="coerce").isna() & values.notna()).to_numpy()
    indices = is_invalid.nonzero()[0][:MAX_EXAMPLES]
    examples = [f"{_quoted(values.iloc[index])} in row {index + 1}" for index in indices]
    return f", for example {format_list(examples)}" if examples else ""


def _quoted(value: object) -> str:
    """Quote a text, since spaces count, and shorten it; format any other value."""
    if not isinstance(value, str):
        return format_value(value)
    return json.dumps(value if len(value) <= MAX_EXAMPLE_CHARS else f"{value[:MAX_EXAMPLE_CHARS]}…", ensure_ascii=False)
