"""Put a rule of the contract, and what was seen in a table that breaks it, into one sentence."""

import json
from typing import TYPE_CHECKING, Any

from mlkeel.contract.suites import TYPE, Expectation
from mlkeel.contract.wording import listed, plain, rule

if TYPE_CHECKING:
    import pandas as pd

SHOWN, LONGEST = 3, 60  # examples; characters of each


def sentence(item: Expectation, result: dict[str, Any] | None, table: "pd.DataFrame") -> str:
    """Say the rule and, if Great Expectations gave a `result` for it, what was seen in `table`, shape (n, columns)."""
    column = item["kwargs"].get("column")
    said = rule(item) if column is None else f"{column}: {rule(item)}"
    if result is None:
        return said
    seen = result["result"]
    if item["type"] == TYPE:
        return f"{said}; seen: {table[column].dtype}{_not_numbers(table[column])}"
    if mismatched := seen.get("details", {}).get("mismatched"):
        wrong = ("missing",) if item["kwargs"].get("exact_match") is False else ("missing", "unexpected")
        return f"{said}; " + ", ".join(f"{kind}: {listed(mismatched[kind])}" for kind in wrong if kind in mismatched)
    if "unexpected_count" in seen:
        count = seen["unexpected_count"]
        return f"{said}, but {count:,} {'does' if count == 1 else 'do'} not{_examples(seen)}"
    observed = seen.get("observed_value", "values of a type that this rule cannot judge")
    return said if observed is None else f"{said}; seen: {plain(observed)}"


def _examples(seen: dict[str, Any]) -> str:
    """Some of the values that broke a rule, with their rows counted from 1."""
    values, places = seen.get("partial_unexpected_list", []), seen.get("partial_unexpected_index_list") or []
    rows = [f" in row {place + 1}" if isinstance(place, int) else "" for place in places]
    rows += [""] * (len(values) - len(rows))
    shown = dict.fromkeys(f"{_quoted(value)}{row}" for value, row in zip(values, rows, strict=False))
    return f", for example {listed(list(shown)[:SHOWN])}" if shown else ""


def _not_numbers(values: "pd.Series[Any]") -> str:
    import pandas as pd

    if pd.api.types.is_numeric_dtype(values):
        return ""
    odd = (pd.to_numeric(values, errors="coerce").isna() & values.notna()).to_numpy().nonzero()[0][:SHOWN]
    shown = [f"{_quoted(values.iloc[place])} in row {place + 1}" for place in odd]
    return f", for example {listed(shown)}" if shown else ""


def _quoted(value: object) -> str:
    """A value as it stands in a table: text in quotes, since spaces count, and no longer than one reads."""
    if not isinstance(value, str):
        return plain(value)
    return json.dumps(value if len(value) <= LONGEST else f"{value[:LONGEST]}…", ensure_ascii=False)
