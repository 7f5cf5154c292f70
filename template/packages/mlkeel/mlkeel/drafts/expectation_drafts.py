"""Draft the expectations of one column, by its role.

Each bound has a tolerance for sampling error: see `tolerance.py`.
"""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from mlkeel.config import Role
from mlkeel.contract.dates import ISO_DATE
from mlkeel.contract.suites import Expectation
from mlkeel.data.column_types import IDENTIFIER_NAME
from mlkeel.drafts.tolerance import SMALLEST, bounds, floor_share, present, quantile_range, tolerance

if TYPE_CHECKING:
    import pandas as pd

REPLACEMENT_CHARACTER = "\N{REPLACEMENT CHARACTER}"  # in place of a character that was lost in a wrong encoding
MIN_KEY_ROWS = 500  # with so many rows, texts are not unique by chance


def expectation(kind: str, severity: str = "critical", **kwargs: object) -> Expectation:
    """Build an expectation; `kind` is its type without `expect_`."""
    return {"type": f"expect_{kind}", "kwargs": kwargs, "severity": severity}


def value_expectations(values: "pd.Series[Any]", role: Role) -> Iterator[Expectation]:
    """Draft what each value of a column of numbers, categories or texts must satisfy."""
    if role == "time":
        yield from times(values)
        yield expectation("column_values_to_not_be_null", "warning", column=values.name, mostly=present(values))
    elif role == "text":
        yield from _texts(values)
    elif str(values.dtype) == "float64":
        yield from numbers(values, role)
    else:
        yield from _categories(values)


def column_expectations(values: "pd.Series[Any]", role: Role) -> Iterator[Expectation]:
    """Draft what the column of a training table must satisfy as a whole: its share of values and its distribution."""
    min_share = max(present(values) / 2, 2 / len(values))
    yield expectation("column_values_to_not_be_null", column=values.name, mostly=floor_share(min_share))
    if role == "time":
        yield from time_range(values)
    elif role == "text":
        yield from _lengths_and_repeats(values.dropna())
    elif str(values.dtype) == "float64":
        yield quantiles(values.dropna())
    else:
        yield shares(values.dropna())


def numbers(values: "pd.Series[float]", role: Role = "numeric") -> Iterator[Expectation]:
    """Draft the type of a column of numbers, its share of values, and wide bounds."""
    name = values.name
    yield expectation("column_type_to_be", column=name, type_="float64")
    yield expectation("column_values_to_not_be_null", "warning", column=name, mostly=present(values))
    if role == "boolean":
        yield expectation("column_values_to_be_in_set", column=name, value_set=[0, 1])
        return
    floor, ceiling = bounds(values)
    mostly = floor_share(1 - tolerance(0, int(values.notna().sum())))
    yield expectation("column_values_to_be_between", column=name, min_value=floor, max_value=ceiling, mostly=mostly)
    yield expectation("column_values_to_be_between", "warning", column=name, min_value=floor, max_value=ceiling)


def _categories(values: "pd.Series[str]") -> Iterator[Expectation]:
    name = values.name
    counts = values.value_counts()
    categories = sorted(counts.index)
    yield expectation("column_type_to_be", column=name, type_="str")
    yield expectation("column_values_to_not_be_null", "warning", column=name, mostly=present(values))
    # The share of values in unseen categories is about that of values in categories seen once (Good 1953, "The
    # Population Frequencies of Species and the Estimation of Population Parameters"), so that many are only a warning.
    total = int(counts.sum())
    singletons = int((counts == 1).sum())
    unseen_share = min(singletons / total + tolerance(singletons / total, total), 0.5)
    mostly = floor_share(1 - unseen_share)
    yield expectation("column_values_to_be_in_set", column=name, value_set=categories, mostly=mostly)
    yield expectation("column_values_to_be_in_set", "warning", column=name, value_set=categories)


def _texts(values: "pd.Series[str]") -> Iterator[Expectation]:
    name = values.name
    texts = values.dropna()
    yield expectation("column_type_to_be", column=name, type_="str")
    yield expectation("column_values_to_not_be_null", "warning", column=name, mostly=present(values))
    damaged_share = float(texts.str.contains(REPLACEMENT_CHARACTER, regex=False).mean())
    mostly = floor_share(max(1 - damaged_share - tolerance(damaged_share, len(texts)), 0.001))
    yield expectation("column_values_to_not_match_regex", column=name, regex=REPLACEMENT_CHARACTER, mostly=mostly)
    rule = "column_value_lengths_to_be_between"
    max_length = max(10 * int(texts.str.len().max()), 1000)
    mostly = floor_share(1 - tolerance(0, len(texts)))
    yield expectation(rule, column=name, min_value=1, max_value=max_length, mostly=mostly)
    yield expectation(rule, "warning", column=name, min_value=1, max_value=max_length)


def _lengths_and_repeats(texts: "pd.Series[str]") -> Iterator[Expectation]:
    text_lengths = texts.str.len()
    min_length = int(text_lengths.quantile(0.25))
    share = float((text_lengths >= min_length).mean())
    if min_length > 1 and (min_share := share - tolerance(share, len(texts))) > 0:
        yield expectation(
            "column_value_lengths_to_be_between",
            column=texts.name,
            min_value=min_length,
            mostly=floor_share(min_share),
        )
    if (distinct_share := texts.nunique() / len(texts)) > 0.5:
        yield expectation(
            "column_proportion_of_unique_values_to_be_between",
            "warning",
            column=texts.name,
            min_value=floor_share(distinct_share / 2),
        )


def quantiles(values: "pd.Series[float]") -> Expectation:
    """Draft the ranges of the quartiles."""
    ranges = [quantile_range(values, share) for share in (0.25, 0.5, 0.75)]
    return expectation(
        "column_quantile_values_to_be_between",
        column=values.name,
        quantile_ranges={"quantiles": [0.25, 0.5, 0.75], "value_ranges": ranges},
    )


def shares(values: "pd.Series[str]") -> Expectation:
    """Draft how far the frequencies of values may be from those of `values`, by their Kullback-Leibler divergence.

    2 n KL is approximately chi-square distributed (Kullback 1959, "Information Theory and Statistics").
    """
    from scipy.stats import chi2

    frequencies = values.value_counts(normalize=True).sort_index()
    limit = float(chi2.ppf(1 - 1e-3, max(len(frequencies) - 1, 1)) * (1 + SMALLEST) / (2 * len(values)))
    weights = frequencies.round(6)
    weights.iloc[int(weights.argmax())] += 1 - weights.sum()
    partition = {
        "values": list(frequencies.index),
        "weights": [round(float(weight), 6) for weight in weights],
    }
    return expectation(
        "column_kl_divergence_to_be_less_than",
        "warning",
        column=values.name,
        partition_object=partition,
        threshold=round(max(limit, 0.05), 3),
    )


def weights(values: "pd.Series[float]") -> Iterator[Expectation]:
    """Draft what the weights of rows must be: numbers from 0 up, none missing."""
    yield expectation("column_type_to_be", column=values.name, type_="float64")
    yield expectation("column_values_to_not_be_null", column=values.name)
    yield expectation("column_values_to_be_between", column=values.name, min_value=0)


def identifiers(values: "pd.Series[str]") -> Iterator[Expectation]:
    """Draft that identifiers are complete and unique if they are in `values`, and share the pattern of `values`."""
    name = values.name
    non_null = values.dropna()
    complete = len(non_null) == len(values)
    yield expectation("column_type_to_be", column=name, type_="str")
    if complete:
        yield expectation("column_values_to_not_be_null", column=name)
    if complete and non_null.is_unique:
        is_key = len(non_null) >= MIN_KEY_ROWS or IDENTIFIER_NAME.search(str(name))
        yield expectation("column_values_to_be_unique", "critical" if is_key else "warning", column=name)
    if pattern := common_pattern(non_null):
        yield expectation("column_values_to_match_regex", "warning", column=name, regex=pattern)
    else:
        yield from lengths(values)


def common_pattern(texts: "pd.Series[str]") -> str | None:
    """Return the regular expression that matches all `texts`, with digits and letters in runs of any length."""
    patterns = {re.sub(r"\d+", "9", re.sub(r"[a-z]+", "a", re.sub(r"[A-Z]+", "A", text))) for text in texts.head(1000)}
    if len(patterns) != 1 or len(shape := patterns.pop()) > 40:
        return None
    classes = {"9": "[0-9]+", "a": "[a-z]+", "A": "[A-Z]+"}
    special = r"\.^$*+?{}[]|()"
    pattern = "".join(classes.get(char, re.escape(char) if char in special else char) for char in shape)
    return f"^{pattern}$" if texts.str.fullmatch(pattern).all() else None


def lengths(values: "pd.Series[str]") -> Iterator[Expectation]:
    """Draft that no text is more than twice as long as the longest of `values`."""
    text_lengths = values.dropna().str.len()
    if len(text_lengths):
        max_length = int(text_lengths.max()) * 2
        yield expectation(
            "column_value_lengths_to_be_between", "warning", column=values.name, min_value=1, max_value=max_length
        )


def times(values: "pd.Series[Any]") -> Iterator[Expectation]:
    """Draft the type and the form of each value of a column of times, which may be numbers as well, such as years."""
    is_numeric = str(values.dtype) == "float64"
    yield expectation("column_type_to_be", column=values.name, type_="float64" if is_numeric else "str")
    if not is_numeric:
        yield expectation("column_values_to_match_regex", column=values.name, regex=ISO_DATE)


def time_range(values: "pd.Series[Any]") -> Iterator[Expectation]:
    """Draft the range of a column of times."""
    import pandas as pd

    name = values.name
    if str(values.dtype) == "float64":
        floor, ceiling = bounds(values)
        yield expectation("column_min_to_be_between", column=name, min_value=floor)
        yield expectation("column_max_to_be_between", column=name, max_value=ceiling)
        return
    timestamps = pd.to_datetime(values.dropna(), format="ISO8601", utc=True)
    span = max(timestamps.max() - timestamps.min(), pd.Timedelta(days=1))
    first = _shifted_day(timestamps.min(), -3 * span)
    last = _shifted_day(timestamps.max(), 3 * span)
    yield expectation("column_min_to_be_between", column=name, min_value=first)
    yield expectation("column_max_to_be_between", column=name, max_value=last)


def _shifted_day(timestamp: "pd.Timestamp", shift: "pd.Timedelta") -> str:
    """Return the day of `timestamp` + `shift`, clipped to years of four digits."""
    year = timestamp.year + shift.days / 365.25
    return "0001-01-01" if year < 1 else "9999-12-31" if year > 9999 else f"{(timestamp + shift).isoformat()[:10]}"
