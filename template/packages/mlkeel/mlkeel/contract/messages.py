"""Describe expectations of the contract, values and numbers in words."""

from typing import Any

from mlkeel.contract.suites import TYPE, Expectation

RULE_TEMPLATES = {
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
BOUNDS_TEMPLATES = {
    "expect_table_row_count_to_be_between": "the number of rows must be {}",
    "expect_column_min_to_be_between": "the least value must be {}",
    "expect_column_max_to_be_between": "the greatest value must be {}",
    "expect_column_value_lengths_to_be_between": "the number of characters must be {}",
    "expect_column_proportion_of_unique_values_to_be_between": "the share of different values must be {}",
}
MAX_MESSAGES = 2  # of a summary


def describe_rule(item: Expectation) -> str:
    """Describe in words what an expectation demands."""
    kind = item["type"]
    kwargs = item["kwargs"]
    bounds = " and ".join(
        f"{word} {format_value(kwargs[name])}"
        for name, word in (("min_value", "at least"), ("max_value", "at most"))
        if kwargs.get(name) is not None
    )
    share = f" in at least {kwargs['mostly']:.1%} of rows" if "mostly" in kwargs else ""
    if kind == "expect_column_values_to_not_be_null":
        return f"a value must be there{share or ' in every row'}"
    if kind == "expect_column_values_to_be_between":
        return f"values must be {bounds}{share}"
    if kind in BOUNDS_TEMPLATES:
        return BOUNDS_TEMPLATES[kind].format(bounds) + share
    if kind == "expect_column_quantile_values_to_be_between":
        quantiles = kwargs["quantile_ranges"]["quantiles"]
        ranges = kwargs["quantile_ranges"]["value_ranges"]
        clauses = [
            f"{quantile:.0%} of the values must lie below one from {format_value(low)} to {format_value(high)}"
            for quantile, (low, high) in zip(quantiles, ranges, strict=True)
        ]
        return ", ".join(clauses)
    formatted = {name: format_list(value) if isinstance(value, list) else value for name, value in kwargs.items()}
    if kind in RULE_TEMPLATES:
        return RULE_TEMPLATES[kind].format(**formatted) + share
    arguments = ", ".join(
        f"{name} {format_value(value)}" for name, value in formatted.items() if name not in ("column", "mostly")
    )
    return f"{kind.removeprefix('expect_column_').removeprefix('expect_').replace('_', ' ')} ({arguments}){share}"


def summarize(messages: list[str], rest: str) -> str:
    """Join the first messages as sentences; `rest` says where to find the others."""
    others = [f"And {len(messages) - MAX_MESSAGES:,} more: {rest}"] if len(messages) > MAX_MESSAGES else []
    return " ".join(f"{message[:1].upper()}{message[1:].rstrip('.')}." for message in messages[:MAX_MESSAGES] + others)


def number(value: float, figures: int = 4) -> str:
    """Format a number with so many significant figures, or with all that stand before the decimal point."""
    return f"{value:,.0f}" if 10**figures - 0.5 <= abs(value) < 1e15 else f"{value:,.{figures}g}"


def format_list(values: list[Any]) -> str:
    """Format values as a list with commas."""
    return ", ".join(map(format_value, values))


def format_value(value: object) -> str:
    """Format a value for a message."""
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return ", ".join(f"{name} {format_value(item)}" for name, item in value.items())
    if isinstance(value, list | tuple):
        return f"({format_list(list(value))})"
    return f"{value:g}" if isinstance(value, float) and abs(value) < 1e6 else str(value)
