"""Draft both suites of the contract from a table and the roles of its columns.

Each bound leaves room for sampling error: a new sample of the same data, a quarter as large or larger, must pass.
Single values out of range or of an unknown category are reported, more of them than chance explains are refused.
"""

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from .contract import Contract, Expectation, Suite
from .settings import FEATURE_ROLES, Role

if TYPE_CHECKING:
    import pandas as pd

Z = 4.0  # standard errors; 1 in 16,000 samples is further away
SMALLEST = 4  # a sample may be so many times smaller than the table
SURE = 20  # rows of a class, below which a sample may lack it
TAIL = 20  # so many times longer than half of the values are wide, a tail has no end that one could see
TEXTS = ("target", "identifier", "time", "text", "personal")
DATES = r"^\d{4}-\d\d-\d\d(?:T\d\d:\d\d:\d\dZ)?$"


def draft(table: "pd.DataFrame", roles: Mapping[str, Role]) -> Contract:
    """Draft from `table`, shape (n, columns), whose columns have the types of `types_only`."""
    names = [name for name, role in roles.items() if role in FEATURE_ROLES]
    rows = len(table)
    features: list[Expectation] = [
        _rule("table_columns_to_match_set", column_set=names, exact_match=False),
        _rule("table_row_count_to_be_between", min_value=1),
    ]
    dataset: list[Expectation] = [
        _rule("table_columns_to_match_set", column_set=list(roles)),
        _rule("table_row_count_to_be_between", min_value=rows // 3),
        *_no_row_twice(table, roles),
    ]
    for name, role in roles.items():
        values = table[name]
        if role in FEATURE_ROLES:
            numeric = str(values.dtype) == "float64"
            features += _numbers(values, role) if numeric else _categories(values)
            dataset += _column(values, numeric)
        elif role == "target":
            dataset += _target(values)
        elif role in ("identifier", "time"):
            dataset += _identifier(values) if role == "identifier" else _moments(values)
        elif role in ("text", "personal"):
            dataset += [_rule("column_type_to_be", column=name, type_="str"), *_lengths(values)]
    return Contract(_suite("features", features), _suite("dataset", dataset))


def types_only(roles: Mapping[str, Role], numeric: set[str]) -> Contract:
    """The contract that says how to read a table, and nothing yet of its values."""
    features = [name for name, role in roles.items() if role in FEATURE_ROLES]
    texts = [name for name, role in roles.items() if role in TEXTS or (name in features and name not in numeric)]
    read_as = {name: "float64" for name in features if name in numeric} | dict.fromkeys(texts, "str")
    types = [_rule("column_type_to_be", column=name, type_=kind) for name, kind in read_as.items()]
    return Contract(
        _suite("features", [_rule("table_columns_to_match_set", column_set=features), *types]),
        _suite("dataset", [_rule("table_columns_to_match_set", column_set=list(roles))]),
    )


def _suite(name: str, expectations: list[Expectation]) -> Suite:
    return {"name": name, "expectations": expectations, "meta": {}}


def _rule(kind: str, severity: str = "critical", **kwargs: object) -> Expectation:
    return {"type": f"expect_{kind}", "kwargs": kwargs, "severity": severity}


def room(share: float, rows: int) -> float:
    """How far the share of a sample may be from `share`, which was seen in `rows` rows: the normal approximation."""
    variance = max(share * (1 - share), 1 / rows)
    return float(Z * np.sqrt(variance * (1 + SMALLEST) / rows))


def present(values: "pd.Series[Any]") -> float:
    """The share of values that a sample must have, when it is drawn as `values` were."""
    seen = float(values.notna().mean())
    return _down(max(seen - room(seen, len(values)), 2 / len(values)))


def _down(share: float) -> float:
    return float(np.floor(share * 1000) / 1000) if share >= 0.002 else float(share)


def _numbers(values: "pd.Series[float]", role: Role) -> Iterator[Expectation]:
    name = values.name
    yield _rule("column_type_to_be", column=name, type_="float64")
    yield _rule("column_values_to_not_be_null", "warning", column=name, mostly=present(values))
    if role == "boolean":
        yield _rule("column_values_to_be_in_set", column=name, value_set=[0, 1])
        return
    floor, ceiling = bounds(values)
    most = _down(1 - room(0, int(values.notna().sum())))
    yield _rule("column_values_to_be_between", column=name, min_value=floor, max_value=ceiling, mostly=most)
    yield _rule("column_values_to_be_between", "warning", column=name, min_value=floor, max_value=ceiling)


def bounds(values: "pd.Series[float]") -> tuple[float, float]:
    """Wide bounds: the span once more to each side, ten times where a tail is long, and no sign that was not seen."""
    low, high = float(values.min()), float(values.max())
    span = high - low or max(abs(high), 1.0)
    first, second, third = np.quantile(values.dropna(), [0.1, 0.5, 0.9])
    up = 10 * abs(high) if high - third > TAIL * (third - second) else span
    down = 10 * abs(low) if first - low > TAIL * (second - first) else span
    floor = 0.0 if low >= 0 else low - down
    ceiling = 0.0 if high <= 0 else high + up
    return _outward(floor, ceiling, span)


def _outward(low: float, high: float, span: float) -> tuple[float, float]:
    """Round to two figures of the span, away from the values, so that a bound reads like one that a person set."""
    digit = 10.0 ** (np.floor(np.log10(span)) - 1)
    return _short(np.floor(low / digit) * digit), _short(np.ceil(high / digit) * digit)


def _short(number: float) -> float:
    short = float(f"{number:.12g}")
    return int(short) if short.is_integer() and abs(short) < 1e15 else short


def _categories(values: "pd.Series[str]") -> Iterator[Expectation]:
    name, counts = values.name, values.value_counts()
    known = sorted(counts.index)
    yield _rule("column_type_to_be", column=name, type_="str")
    yield _rule("column_values_to_not_be_null", "warning", column=name, mostly=present(values))
    # The share of values of kinds not seen yet is about that of kinds seen once (Good 1953, "The Population Frequencies
    # of Species and the Estimation of Population Parameters"), so some must be let through, and reported.
    total, once = int(counts.sum()), int((counts == 1).sum())
    unseen = min(once / total + room(once / total, total), 0.5)
    yield _rule("column_values_to_be_in_set", column=name, value_set=known, mostly=_down(1 - unseen))
    yield _rule("column_values_to_be_in_set", "warning", column=name, value_set=known)


def _column(values: "pd.Series[Any]", numeric: bool) -> Iterator[Expectation]:
    """What a training table must satisfy besides: enough values, and numbers that lie where they lay."""
    name, fewest = values.name, max(present(values) / 2, 2 / len(values))
    yield _rule("column_values_to_not_be_null", column=name, mostly=_down(fewest))
    if numeric:
        ranges = [_quantile_range(values.dropna().to_numpy(), share) for share in (0.25, 0.5, 0.75)]
        yield _rule(
            "column_quantile_values_to_be_between",
            column=name,
            quantile_ranges={"quantiles": [0.25, 0.5, 0.75], "value_ranges": ranges},
        )


def _quantile_range(values: "np.ndarray[Any, np.dtype[np.float64]]", share: float) -> list[float]:
    """From one quantile of what was seen to another, a fifth of the rows apart on each side or, for few rows, more."""
    apart = max(room(share, len(values)), 0.2)
    low = np.quantile(values, max(share - apart, 0), method="lower")
    high = np.quantile(values, min(share + apart, 1), method="higher")
    return [_short(low), _short(high)]


def _no_row_twice(table: "pd.DataFrame", roles: Mapping[str, Role]) -> Iterator[Expectation]:
    names = [name for name, role in roles.items() if role not in ("identifier", "row_number")]
    alone = float((~table.duplicated(names, keep=False)).mean())
    if alone == 1:
        yield _rule("compound_columns_to_be_unique", "warning", column_list=names)
    elif (share := alone - room(alone, len(table))) > 0.05:
        yield _rule("compound_columns_to_be_unique", "warning", column_list=names, mostly=_down(share))
    else:  # rows repeat by their nature, so only their number tells that all were written twice
        yield _rule("table_row_count_to_be_between", "warning", max_value=len(table) * 2 - 1)


def _target(values: "pd.Series[str]") -> Iterator[Expectation]:
    from scipy.stats import chi2

    name, counts, rows = values.name, values.value_counts(), len(values)
    classes = sorted(counts.index)
    yield _rule("column_type_to_be", column=name, type_="str")
    yield _rule("column_values_to_not_be_null", column=name)
    yield _rule("column_values_to_be_in_set", column=name, value_set=classes)
    severity = "critical" if counts.min() >= SURE else "warning"
    yield _rule("column_distinct_values_to_equal_set", severity, column=name, value_set=classes)
    weights = [round(float(counts[label] / rows), 6) for label in classes]
    weights[int(np.argmax(weights))] += 1 - sum(weights)
    # 2 n KL is about chi-square distributed (Kullback 1959, "Information Theory and Statistics").
    limit = float(chi2.ppf(1 - 1e-5, len(classes) - 1) * (1 + SMALLEST) / (2 * rows))
    partition = {"values": classes, "weights": [round(weight, 6) for weight in weights]}
    yield _rule(
        "column_kl_divergence_to_be_less_than",
        "warning",
        column=name,
        partition_object=partition,
        threshold=round(max(limit, 0.05), 3),
    )


def _identifier(values: "pd.Series[str]") -> Iterator[Expectation]:
    name, seen = values.name, values.dropna()
    complete = len(seen) == len(values)
    yield _rule("column_type_to_be", column=name, type_="str")
    if complete:
        yield _rule("column_values_to_not_be_null", column=name)
    if complete and seen.is_unique:
        yield _rule("column_values_to_be_unique", column=name)
    if pattern := common_pattern(seen):
        yield _rule("column_values_to_match_regex", "warning", column=name, regex=pattern)
    else:
        yield from _lengths(values)


def common_pattern(texts: "pd.Series[str]") -> str | None:
    """The regular expression that all `texts` share when runs of digits and of letters may have any length."""
    patterns = {re.sub(r"\d+", "9", re.sub(r"[a-z]+", "a", re.sub(r"[A-Z]+", "A", text))) for text in texts.head(1000)}
    if len(patterns) != 1 or len(shape := patterns.pop()) > 40:
        return None
    classes = {"9": "[0-9]+", "a": "[a-z]+", "A": "[A-Z]+"}
    pattern = "".join(classes.get(sign, re.escape(sign) if sign in r"\.^$*+?{}[]|()" else sign) for sign in shape)
    return f"^{pattern}$" if texts.str.fullmatch(pattern).all() else None


def _lengths(values: "pd.Series[str]") -> Iterator[Expectation]:
    lengths = values.dropna().str.len()
    if len(lengths):
        longest = int(lengths.max()) * 2
        yield _rule("column_value_lengths_to_be_between", "warning", column=values.name, min_value=1, max_value=longest)


def _moments(values: "pd.Series[str]") -> Iterator[Expectation]:
    """The form of a date, and no earliest one long before those seen."""
    import pandas as pd

    name, moments = values.name, pd.to_datetime(values.dropna(), format="ISO8601", utc=True)
    yield _rule("column_type_to_be", column=name, type_="str")
    yield _rule("column_values_to_match_regex", column=name, regex=DATES)
    span = max(moments.max() - moments.min(), pd.Timedelta(days=1))
    first = max(moments.min() - span, pd.Timestamp("1678-01-01", tz="UTC"))
    last = min(moments.max() + 9 * span, pd.Timestamp("2261-12-31", tz="UTC"))
    yield _rule("column_min_to_be_between", column=name, min_value=f"{first:%Y-%m-%d}")
    yield _rule("column_max_to_be_between", column=name, max_value=f"{last:%Y-%m-%d}")
