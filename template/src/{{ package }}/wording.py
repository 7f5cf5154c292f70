"""Put a rule of the contract, and what was seen where it is broken, into one sentence."""

import json
from typing import TYPE_CHECKING, Any

from .contract import TYPE, Expectation

if TYPE_CHECKING:
    import pandas as pd

RULES = {
    TYPE: "its type must be {type_}",
    "expect_column_values_to_be_in_set": "values must be one of {value_set}",
    "expect_column_values_to_be_unique": "values must be unique",
    "expect_column_distinct_values_to_equal_set": "each of {value_set} must occur, and nothing else",
    "expect_column_kl_divergence_to_be_less_than": "its distribution must stay (divergence under {threshold})",
    "expect_table_columns_to_match_set": "the columns must be {column_set}",
    "expect_column_values_to_match_regex": "values must match {regex}",
    "expect_column_values_to_not_match_regex": "values must not match {regex}",
    "expect_compound_columns_to_be_unique": "no two rows may have the same {column_list}",
}
BOUNDED = {
    "expect_table_row_count_to_be_between": "the number of rows must be {}",
    "expect_column_min_to_be_between": "the least value must be {}",
    "expect_column_max_to_be_between": "the greatest value must be {}",
    "expect_column_value_lengths_to_be_between": "the number of characters must be {}",
    "expect_column_proportion_of_unique_values_to_be_between": "the share of different values must be {}",
}
SHOWN, LONGEST = 3, 60  # examples; characters of each
FIRST = 2  # shortcomings in a message


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
        return f"{said}; " + ", ".join(f"{kind}: {_listed(mismatched[kind])}" for kind in wrong if kind in mismatched)
    if "unexpected_count" in seen:
        count = seen["unexpected_count"]
        return f"{said}, but {count:,} {'does' if count == 1 else 'do'} not{_examples(seen)}"
    observed = seen.get("observed_value", "values of a type that this rule cannot judge")
    return said if observed is None else f"{said}; seen: {_plain(observed)}"


def rule(item: Expectation) -> str:
    """What an expectation asks, in words."""
    kind, kwargs = item["type"], item["kwargs"]
    bounds = " and ".join(
        f"{word} {_plain(kwargs[name])}"
        for name, word in (("min_value", "at least"), ("max_value", "at most"))
        if kwargs.get(name) is not None
    )
    share = f" in at least {kwargs['mostly']:.1%} of rows" if "mostly" in kwargs else ""
    if kind == "expect_column_values_to_not_be_null":
        return f"a value must be there{share or ' in every row'}"
    if kind == "expect_column_values_to_be_between":
        return f"values must be {bounds}{share}"
    if kind in BOUNDED:
        return BOUNDED[kind].format(bounds) + share
    if kind == "expect_column_quantile_values_to_be_between":
        quantiles, ranges = kwargs["quantile_ranges"]["quantiles"], kwargs["quantile_ranges"]["value_ranges"]
        parts = [
            f"{at:.0%} of the values must lie below one from {_plain(low)} to {_plain(high)}"
            for at, (low, high) in zip(quantiles, ranges, strict=True)
        ]
        return ", ".join(parts)
    shown = {name: _listed(value) if isinstance(value, list) else value for name, value in kwargs.items()}
    if kind in RULES:
        return RULES[kind].format(**shown) + share
    others = ", ".join(f"{name} {_plain(value)}" for name, value in shown.items() if name not in ("column", "mostly"))
    return f"{kind.removeprefix('expect_column_').removeprefix('expect_').replace('_', ' ')} ({others}){share}"


def shortened(said: list[str], rest: str) -> str:
    """The first of what is said as sentences of their own, and where the rest stands."""
    more = [f"And {len(said) - FIRST:,} more: {rest}"] if len(said) > FIRST else []
    return " ".join(f"{one[:1].upper()}{one[1:].rstrip('.')}." for one in said[:FIRST] + more)


def number(value: float, figures: int = 4) -> str:
    """A number as a person writes it, with as many figures or, where more stand before the point, with all of those."""
    return f"{value:,.0f}" if 10**figures - 0.5 <= abs(value) < 1e15 else f"{value:,.{figures}g}"


def _examples(seen: dict[str, Any]) -> str:
    """Some of the values that broke a rule, with their rows counted from 1."""
    values, places = seen.get("partial_unexpected_list", []), seen.get("partial_unexpected_index_list") or []
    rows = [f" in row {place + 1}" if isinstance(place, int) else "" for place in places]
    rows += [""] * (len(values) - len(rows))
    shown = dict.fromkeys(f"{_quoted(value)}{row}" for value, row in zip(values, rows, strict=False))
    return f", for example {_listed(list(shown)[:SHOWN])}" if shown else ""


def _not_numbers(values: "pd.Series[Any]") -> str:
    import pandas as pd

    if pd.api.types.is_numeric_dtype(values):
        return ""
    odd = (pd.to_numeric(values, errors="coerce").isna() & values.notna()).to_numpy().nonzero()[0][:SHOWN]
    shown = [f"{_quoted(values.iloc[place])} in row {place + 1}" for place in odd]
    return f", for example {_listed(shown)}" if shown else ""


def _listed(values: list[Any]) -> str:
    return ", ".join(map(_plain, values))


def _quoted(value: object) -> str:
    """A value as it stands in a table: text in quotes, since spaces count, and no longer than one reads."""
    if not isinstance(value, str):
        return _plain(value)
    return json.dumps(value if len(value) <= LONGEST else f"{value[:LONGEST]}…", ensure_ascii=False)


def _plain(value: object) -> str:
    """A value as a person writes it."""
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return ", ".join(f"{name} {_plain(part)}" for name, part in value.items())
    if isinstance(value, list | tuple):
        return f"({_listed(list(value))})"
    return f"{value:g}" if isinstance(value, float) and abs(value) < 1e6 else str(value)
