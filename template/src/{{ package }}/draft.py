"""Draft both suites of the contract from a table and the roles of its columns.

Each bound leaves room for sampling error: a new sample of the same data, a third as large or larger, must pass.
Single values of a table that are out of range or of an unknown category are reported, more of them than chance explains
are refused. A row by itself must be in range.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from .contract import COLUMNS, Contract, Expectation, Suite
from .kinds import NAMES_OF_IDENTIFIERS
from .room import SMALLEST, bounds, down, present, quantile_range, room
from .settings import FEATURE_ROLES, Role

if TYPE_CHECKING:
    import pandas as pd

SURE = 20  # rows of a class, below which a sample may lack it
LARGE = 500  # rows, from which on texts are not unique by chance
TEXTS = ("target", "identifier", "time", "text", "personal")
DATES = r"^\d{4}-\d\d-\d\d(?:T\d\d:\d\d:\d\d(?:\.\d+)?Z)?$"


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
    read_as = dict.fromkeys(texts, "str") | {name: "float64" for name in roles if name in numeric}
    types = [_rule("column_type_to_be", column=name, type_=kind) for name, kind in read_as.items()]
    return Contract(
        _suite("features", [_rule("table_columns_to_match_set", column_set=features), *types]),
        _suite("dataset", [_rule("table_columns_to_match_set", column_set=list(roles))]),
    )


def with_own_rules(contract: Contract, before: Contract, columns: set[str]) -> Contract:
    """The drafted `contract` with the rules that a person added or changed in an earlier draft, `before`."""
    return Contract(
        _merged(contract.features, before.features, columns), _merged(contract.dataset, before.dataset, columns)
    )


def _merged(suite: Suite, before: Suite, columns: set[str]) -> Suite:
    drafted = before["meta"].get("drafted")
    if drafted is None:
        return suite
    own = [item for item in before["expectations"] if digest(item) not in drafted and item["type"] != COLUMNS]
    own = [item for item in own if item["kwargs"].get("column") in {None, *columns}]
    ours = [item for item in suite["expectations"] if _about(item) not in [_about(one) for one in own]]
    return suite | {"expectations": ours + own}


def _about(item: Expectation) -> tuple[object, ...]:
    return item["type"], item["kwargs"].get("column"), item.get("severity")


def digest(item: object) -> str:
    """Eight signs that change when a rule, a role or a gate does, by which a draft is told from what a person wrote."""
    return hashlib.sha256(json.dumps(item, sort_keys=True).encode()).hexdigest()[:8]


def _suite(name: str, expectations: list[Expectation]) -> Suite:
    return {"name": name, "expectations": expectations, "meta": {"drafted": [digest(item) for item in expectations]}}


def _rule(kind: str, severity: str = "critical", **kwargs: object) -> Expectation:
    return {"type": f"expect_{kind}", "kwargs": kwargs, "severity": severity}


def _numbers(values: "pd.Series[float]", role: Role) -> Iterator[Expectation]:
    name = values.name
    yield _rule("column_type_to_be", column=name, type_="float64")
    yield _rule("column_values_to_not_be_null", "warning", column=name, mostly=present(values))
    if role == "boolean":
        yield _rule("column_values_to_be_in_set", column=name, value_set=[0, 1])
        return
    floor, ceiling = bounds(values)
    most = down(1 - room(0, int(values.notna().sum())))
    yield _rule("column_values_to_be_between", column=name, min_value=floor, max_value=ceiling, mostly=most)
    yield _rule("column_values_to_be_between", "warning", column=name, min_value=floor, max_value=ceiling)


def _categories(values: "pd.Series[str]") -> Iterator[Expectation]:
    name, counts = values.name, values.value_counts()
    known = sorted(counts.index)
    yield _rule("column_type_to_be", column=name, type_="str")
    yield _rule("column_values_to_not_be_null", "warning", column=name, mostly=present(values))
    # The share of values of kinds not seen yet is about that of kinds seen once (Good 1953, "The Population Frequencies
    # of Species and the Estimation of Population Parameters"), so some must be let through, and reported.
    total, once = int(counts.sum()), int((counts == 1).sum())
    unseen = min(once / total + room(once / total, total), 0.5)
    yield _rule("column_values_to_be_in_set", column=name, value_set=known, mostly=down(1 - unseen))
    yield _rule("column_values_to_be_in_set", "warning", column=name, value_set=known)


def _column(values: "pd.Series[Any]", numeric: bool) -> Iterator[Expectation]:
    """What a training table must satisfy besides: enough values, and numbers that lie where they lay."""
    name, fewest = values.name, max(present(values) / 2, 2 / len(values))
    yield _rule("column_values_to_not_be_null", column=name, mostly=down(fewest))
    if numeric:
        ranges = [quantile_range(values.dropna(), share) for share in (0.25, 0.5, 0.75)]
        yield _rule(
            "column_quantile_values_to_be_between",
            column=name,
            quantile_ranges={"quantiles": [0.25, 0.5, 0.75], "value_ranges": ranges},
        )
    else:
        yield _shares(values.dropna())


def _no_row_twice(table: "pd.DataFrame", roles: Mapping[str, Role]) -> Iterator[Expectation]:
    names = [name for name, role in roles.items() if role not in ("identifier", "row_number")]
    alone = float((~table.duplicated(names, keep=False)).mean())
    if alone == 1:
        yield _rule("compound_columns_to_be_unique", "warning", column_list=names)
    elif (share := alone - room(alone, len(table))) > 0.05:
        yield _rule("compound_columns_to_be_unique", "warning", column_list=names, mostly=down(share))
    else:  # rows repeat by their nature, so only their number tells that all were written twice
        yield _rule("table_row_count_to_be_between", "warning", max_value=len(table) * 2 - 1)


def _target(values: "pd.Series[str]") -> Iterator[Expectation]:
    name, counts = values.name, values.value_counts()
    classes = sorted(counts.index)
    yield _rule("column_type_to_be", column=name, type_="str")
    yield _rule("column_values_to_not_be_null", column=name)
    yield _rule("column_values_to_be_in_set", column=name, value_set=classes)
    severity = "critical" if counts.min() >= SURE else "warning"
    yield _rule("column_distinct_values_to_equal_set", severity, column=name, value_set=classes)
    yield _shares(values)


def _shares(values: "pd.Series[str]") -> Expectation:
    """How often each value may occur: 2 n KL is about chi-square distributed (Kullback 1959, "Information Theory")."""
    from scipy.stats import chi2

    shares = values.value_counts(normalize=True).sort_index()
    limit = float(chi2.ppf(1 - 1e-3, max(len(shares) - 1, 1)) * (1 + SMALLEST) / (2 * len(values)))
    weights = shares.round(6)
    weights.iloc[int(weights.argmax())] += 1 - weights.sum()
    return _rule(
        "column_kl_divergence_to_be_less_than",
        "warning",
        column=values.name,
        partition_object={"values": list(shares.index), "weights": [round(float(weight), 6) for weight in weights]},
        threshold=round(max(limit, 0.05), 3),
    )


def _identifier(values: "pd.Series[str]") -> Iterator[Expectation]:
    name, seen = values.name, values.dropna()
    complete = len(seen) == len(values)
    yield _rule("column_type_to_be", column=name, type_="str")
    if complete:
        yield _rule("column_values_to_not_be_null", column=name)
    if complete and seen.is_unique:
        meant = len(seen) >= LARGE or NAMES_OF_IDENTIFIERS.search(str(name))
        yield _rule("column_values_to_be_unique", "critical" if meant else "warning", column=name)
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


def _moments(values: "pd.Series[Any]") -> Iterator[Expectation]:
    """The form of a date, and none long before or after those seen; a time may be a number as well, such as a year."""
    import pandas as pd

    if str(values.dtype) == "float64":
        floor, ceiling = bounds(values)
        yield _rule("column_type_to_be", column=values.name, type_="float64")
        yield _rule("column_min_to_be_between", column=values.name, min_value=floor)
        yield _rule("column_max_to_be_between", column=values.name, max_value=ceiling)
        return
    name, moments = values.name, pd.to_datetime(values.dropna(), format="ISO8601", utc=True)
    yield _rule("column_type_to_be", column=name, type_="str")
    yield _rule("column_values_to_match_regex", column=name, regex=DATES)
    span = max(moments.max() - moments.min(), pd.Timedelta(days=1))
    first, last = _day(moments.min(), -3 * span), _day(moments.max(), 3 * span)
    yield _rule("column_min_to_be_between", column=name, min_value=first)
    yield _rule("column_max_to_be_between", column=name, max_value=last)


def _day(moment: "pd.Timestamp", later: "pd.Timedelta") -> str:
    """The day so much later, within the years that four digits can write."""
    year = moment.year + later.days / 365.25
    return "0001-01-01" if year < 1 else "9999-12-31" if year > 9999 else f"{(moment + later).isoformat()[:10]}"
