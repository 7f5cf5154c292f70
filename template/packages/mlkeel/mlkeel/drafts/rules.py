"""The rules that a draft of the contract holds for one column, by what the column is.

Each bound leaves room for sampling error: see `room.py`.
"""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from mlkeel.config import Role
from mlkeel.contract.suites import Expectation
from mlkeel.data.kinds import NAMES_OF_IDENTIFIERS
from mlkeel.drafts.room import SMALLEST, bounds, down, present, quantile_range, room

if TYPE_CHECKING:
    import pandas as pd

REPLACED = "\N{REPLACEMENT CHARACTER}"  # stands where a sign was lost in a wrong encoding
LARGE = 500  # rows, from which on texts are not unique by chance
DATES = r"^\d{4}-\d\d-\d\d(?:T\d\d:\d\d:\d\d(?:\.\d+)?Z)?$"


def rule(kind: str, severity: str = "critical", **kwargs: object) -> Expectation:
    """One expectation; `kind` is its name without the `expect_` that all begin with."""
    return {"type": f"expect_{kind}", "kwargs": kwargs, "severity": severity}


def of_values(values: "pd.Series[Any]", role: Role) -> Iterator[Expectation]:
    """What each value of a column that holds numbers, categories or texts must satisfy."""
    if role == "text":
        yield from _texts(values)
    elif str(values.dtype) == "float64":
        yield from numbers(values, role)
    else:
        yield from _categories(values)


def of_column(values: "pd.Series[Any]", role: Role) -> Iterator[Expectation]:
    """What a training table must satisfy besides: enough values, that lie and differ as they did."""
    name, fewest = values.name, max(present(values) / 2, 2 / len(values))
    yield rule("column_values_to_not_be_null", column=name, mostly=down(fewest))
    if role == "text":
        yield from _lengths_and_repeats(values.dropna())
    elif str(values.dtype) == "float64":
        yield quantiles(values.dropna())
    else:
        yield shares(values.dropna())


def numbers(values: "pd.Series[float]", role: Role = "numeric") -> Iterator[Expectation]:
    """The type, how many must be there, and wide bounds."""
    name = values.name
    yield rule("column_type_to_be", column=name, type_="float64")
    yield rule("column_values_to_not_be_null", "warning", column=name, mostly=present(values))
    if role == "boolean":
        yield rule("column_values_to_be_in_set", column=name, value_set=[0, 1])
        return
    floor, ceiling = bounds(values)
    most = down(1 - room(0, int(values.notna().sum())))
    yield rule("column_values_to_be_between", column=name, min_value=floor, max_value=ceiling, mostly=most)
    yield rule("column_values_to_be_between", "warning", column=name, min_value=floor, max_value=ceiling)


def _categories(values: "pd.Series[str]") -> Iterator[Expectation]:
    name, counts = values.name, values.value_counts()
    known = sorted(counts.index)
    yield rule("column_type_to_be", column=name, type_="str")
    yield rule("column_values_to_not_be_null", "warning", column=name, mostly=present(values))
    # The share of values of kinds not seen yet is about that of kinds seen once (Good 1953, "The Population Frequencies
    # of Species and the Estimation of Population Parameters"), so some must be let through, and reported.
    total, once = int(counts.sum()), int((counts == 1).sum())
    unseen = min(once / total + room(once / total, total), 0.5)
    yield rule("column_values_to_be_in_set", column=name, value_set=known, mostly=down(1 - unseen))
    yield rule("column_values_to_be_in_set", "warning", column=name, value_set=known)


def _texts(values: "pd.Series[str]") -> Iterator[Expectation]:
    name, seen = values.name, values.dropna()
    yield rule("column_type_to_be", column=name, type_="str")
    yield rule("column_values_to_not_be_null", "warning", column=name, mostly=present(values))
    damaged = float(seen.str.contains(REPLACED, regex=False).mean())
    sound = down(max(1 - damaged - room(damaged, len(seen)), 0.001))
    yield rule("column_values_to_not_match_regex", column=name, regex=REPLACED, mostly=sound)
    longest = max(10 * int(seen.str.len().max()), 1000)
    most = down(1 - room(0, len(seen)))
    yield rule("column_value_lengths_to_be_between", column=name, min_value=1, max_value=longest, mostly=most)
    yield rule("column_value_lengths_to_be_between", "warning", column=name, min_value=1, max_value=longest)


def _lengths_and_repeats(seen: "pd.Series[str]") -> Iterator[Expectation]:
    lengths = seen.str.len()
    usual = int(lengths.quantile(0.25))
    share = float((lengths >= usual).mean())
    if usual > 1 and (most := share - room(share, len(seen))) > 0:
        yield rule("column_value_lengths_to_be_between", column=seen.name, min_value=usual, mostly=down(most))
    if (different := seen.nunique() / len(seen)) > 0.5:
        share = down(different / 2)
        yield rule("column_proportion_of_unique_values_to_be_between", "warning", column=seen.name, min_value=share)


def quantiles(seen: "pd.Series[float]") -> Expectation:
    """Where the quarters of the numbers must lie."""
    ranges = [quantile_range(seen, share) for share in (0.25, 0.5, 0.75)]
    return rule(
        "column_quantile_values_to_be_between",
        column=seen.name,
        quantile_ranges={"quantiles": [0.25, 0.5, 0.75], "value_ranges": ranges},
    )


def shares(values: "pd.Series[str]") -> Expectation:
    """How often each value may occur: 2 n KL is about chi-square distributed (Kullback 1959, "Information Theory")."""
    from scipy.stats import chi2

    shares = values.value_counts(normalize=True).sort_index()
    limit = float(chi2.ppf(1 - 1e-3, max(len(shares) - 1, 1)) * (1 + SMALLEST) / (2 * len(values)))
    weights = shares.round(6)
    weights.iloc[int(weights.argmax())] += 1 - weights.sum()
    return rule(
        "column_kl_divergence_to_be_less_than",
        "warning",
        column=values.name,
        partition_object={"values": list(shares.index), "weights": [round(float(weight), 6) for weight in weights]},
        threshold=round(max(limit, 0.05), 3),
    )


def identifiers(values: "pd.Series[str]") -> Iterator[Expectation]:
    """Complete and unique if they were, and of one pattern if they have one."""
    name, seen = values.name, values.dropna()
    complete = len(seen) == len(values)
    yield rule("column_type_to_be", column=name, type_="str")
    if complete:
        yield rule("column_values_to_not_be_null", column=name)
    if complete and seen.is_unique:
        meant = len(seen) >= LARGE or NAMES_OF_IDENTIFIERS.search(str(name))
        yield rule("column_values_to_be_unique", "critical" if meant else "warning", column=name)
    if pattern := common_pattern(seen):
        yield rule("column_values_to_match_regex", "warning", column=name, regex=pattern)
    else:
        yield from lengths(values)


def common_pattern(texts: "pd.Series[str]") -> str | None:
    """The regular expression that all `texts` share when runs of digits and of letters may have any length."""
    patterns = {re.sub(r"\d+", "9", re.sub(r"[a-z]+", "a", re.sub(r"[A-Z]+", "A", text))) for text in texts.head(1000)}
    if len(patterns) != 1 or len(shape := patterns.pop()) > 40:
        return None
    classes = {"9": "[0-9]+", "a": "[a-z]+", "A": "[A-Z]+"}
    pattern = "".join(classes.get(sign, re.escape(sign) if sign in r"\.^$*+?{}[]|()" else sign) for sign in shape)
    return f"^{pattern}$" if texts.str.fullmatch(pattern).all() else None


def lengths(values: "pd.Series[str]") -> Iterator[Expectation]:
    """No text may be much longer than those seen."""
    seen = values.dropna().str.len()
    if len(seen):
        longest = int(seen.max()) * 2
        yield rule("column_value_lengths_to_be_between", "warning", column=values.name, min_value=1, max_value=longest)


def moments(values: "pd.Series[Any]") -> Iterator[Expectation]:
    """The form of a date, and none long before or after those seen; a time may be a number as well, such as a year."""
    import pandas as pd

    if str(values.dtype) == "float64":
        floor, ceiling = bounds(values)
        yield rule("column_type_to_be", column=values.name, type_="float64")
        yield rule("column_min_to_be_between", column=values.name, min_value=floor)
        yield rule("column_max_to_be_between", column=values.name, max_value=ceiling)
        return
    name, moments = values.name, pd.to_datetime(values.dropna(), format="ISO8601", utc=True)
    yield rule("column_type_to_be", column=name, type_="str")
    yield rule("column_values_to_match_regex", column=name, regex=DATES)
    span = max(moments.max() - moments.min(), pd.Timedelta(days=1))
    first, last = _day(moments.min(), -3 * span), _day(moments.max(), 3 * span)
    yield rule("column_min_to_be_between", column=name, min_value=first)
    yield rule("column_max_to_be_between", column=name, max_value=last)


def _day(moment: "pd.Timestamp", later: "pd.Timedelta") -> str:
    """The day so much later, within the years that four digits can write."""
    year = moment.year + later.days / 365.25
    return "0001-01-01" if year < 1 else "9999-12-31" if year > 9999 else f"{(moment + later).isoformat()[:10]}"
