"""Put rules of the contract, and numbers, into words."""

from typing import Any

from mlkeel.contract.suites import TYPE, Expectation

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
FIRST = 2  # shortcomings in a message


def rule(item: Expectation) -> str:
    """What an expectation asks, in words."""
    kind, kwargs = item["type"], item["kwargs"]
    bounds = " and ".join(
        f"{word} {plain(kwargs[name])}"
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
            f"{at:.0%} of the values must lie below one from {plain(low)} to {plain(high)}"
            for at, (low, high) in zip(quantiles, ranges, strict=True)
        ]
        return ", ".join(parts)
    shown = {name: listed(value) if isinstance(value, list) else value for name, value in kwargs.items()}
    if kind in RULES:
        return RULES[kind].format(**shown) + share
    others = ", ".join(f"{name} {plain(value)}" for name, value in shown.items() if name not in ("column", "mostly"))
    return f"{kind.removeprefix('expect_column_').removeprefix('expect_').replace('_', ' ')} ({others}){share}"


def shortened(said: list[str], rest: str) -> str:
    """The first of what is said as sentences of their own, and where the rest stands."""
    more = [f"And {len(said) - FIRST:,} more: {rest}"] if len(said) > FIRST else []
    return " ".join(f"{one[:1].upper()}{one[1:].rstrip('.')}." for one in said[:FIRST] + more)


def number(value: float, figures: int = 4) -> str:
    """A number as a person writes it, with as many figures or, where more stand before the point, with all of those."""
    return f"{value:,.0f}" if 10**figures - 0.5 <= abs(value) < 1e15 else f"{value:,.{figures}g}"


def listed(values: list[Any]) -> str:
    """Values in a row, as a person writes them."""
    return ", ".join(map(plain, values))


def plain(value: object) -> str:
    """A value as a person writes it."""
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return ", ".join(f"{name} {plain(part)}" for name, part in value.items())
    if isinstance(value, list | tuple):
        return f"({listed(list(value))})"
    return f"{value:g}" if isinstance(value, float) and abs(value) < 1e6 else str(value)
