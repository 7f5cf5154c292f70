"""Draft both suites of the contract from a table and the roles of its columns.

A new sample of the same data, a third as large or larger, must pass. In a table, a few values that are out of range or
of an unknown category are warnings, and more of them than chance explains are violations. A row on its own must be in
range.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from mlkeel.config import PROTECTED_ROLES, Gate, Role
from mlkeel.contract.suites import COLUMNS, Contract, Expectation, Suite
from mlkeel.drafts.expectation_drafts import (
    column_expectations,
    expectation,
    identifiers,
    lengths,
    numbers,
    time_range,
    times,
    value_expectations,
    weights,
)
from mlkeel.drafts.target_drafts import target_expectations
from mlkeel.drafts.tolerance import floor_share, tolerance
from mlkeel.features.encoder import Features

if TYPE_CHECKING:
    import pandas as pd

VALUE_ROLES = ("numeric", "categorical", "boolean", "text", *PROTECTED_ROLES)  # roles with rules for each value
STRING_ROLES = ("identifier", "time", "text", "personal")


def draft(table: "pd.DataFrame", roles: Mapping[str, Role], features_of: Features) -> Contract:
    """Draft a contract.

    Args:
        table: shape (n, columns), with the types of `draft_types`.
        roles: the role of each column.
        features_of: the roles that a model learns from.
    """
    feature_roles = features_of.roles
    feature_names = [name for name, role in roles.items() if role in feature_roles]
    rows = len(table)
    features: list[Expectation] = [
        expectation("table_columns_to_match_set", column_set=feature_names, exact_match=False),
        expectation("table_row_count_to_be_between", min_value=1),
    ]
    dataset: list[Expectation] = [
        expectation("table_columns_to_match_set", column_set=list(roles)),
        expectation("table_row_count_to_be_between", min_value=rows // 3),
        *_unique_row_expectations(table, roles),
    ]
    for name, role in roles.items():
        values = table[name]
        if (role in VALUE_ROLES or role in feature_roles) and values.notna().any():
            (features if role in feature_roles else dataset).extend(value_expectations(values, role))
            dataset += column_expectations(values, role)
        elif role == "target":
            dataset += target_expectations(values)
        elif role == "identifier":
            dataset += identifiers(values)
        elif role == "time":
            dataset += [*times(values), *time_range(values)]
        elif role == "weight":
            dataset += weights(values)
        elif role == "personal":
            dataset += [expectation("column_type_to_be", column=name, type_="str"), *lengths(values)]
    return Contract(_suite("features", features), _suite("dataset", dataset))


def draft_types(roles: Mapping[str, Role], numeric: set[str], features_of: Features, target_type: str) -> Contract:
    """Return the contract with the columns and their types only, to read a table with.

    Args:
        roles: the role of each column.
        numeric: the columns that hold numbers.
        features_of: the roles that a model learns from.
        target_type: the pandas type of the target.
    """
    feature_names = [name for name, role in roles.items() if role in features_of.roles]
    strings = [
        name for name, role in roles.items() if role in STRING_ROLES or (role in VALUE_ROLES and name not in numeric)
    ]
    dtypes = dict.fromkeys(strings, "str") | {name: "float64" for name in roles if name in numeric}
    dtypes |= {name: target_type for name, role in roles.items() if role == "target"}
    types = [expectation("column_type_to_be", column=name, type_=dtype) for name, dtype in dtypes.items()]
    return Contract(
        _suite("features", [expectation("table_columns_to_match_set", column_set=feature_names), *types]),
        _suite("dataset", [expectation("table_columns_to_match_set", column_set=list(roles))]),
    )


def draft_derived(derived: "pd.DataFrame", earlier: Suite | None = None) -> Suite:
    """Draft the rules of derived columns, shape (n, columns), and keep those that a person wrote earlier."""
    columns = [name for name in map(str, derived) if derived[name].notna().any()]
    expectations = [expectation("table_columns_to_match_set", column_set=columns, exact_match=False)]
    for name in columns:
        is_flag = derived[name].dropna().isin([0, 1]).all()
        expectations += numbers(derived[name], "boolean" if is_flag else "numeric")
    suite = _suite("derived", expectations)
    if earlier is None:
        return suite
    return _merge(suite, earlier | {"meta": {"drafted": []} | earlier["meta"]}, set(columns))


def add_derived_columns(contract: Contract, earlier: Contract, derived: Sequence[str]) -> Contract:
    """Add those `derived` columns, which loading computes, to the drafted `contract` that the `earlier` one has."""

    def add_columns(suite: Suite, known: tuple[str, ...]) -> Suite:
        added = [name for name in derived if name in known]
        items = [
            item | {"kwargs": item["kwargs"] | {"column_set": [*item["kwargs"]["column_set"], *added]}}
            if item["type"] == COLUMNS and added
            else item
            for item in suite["expectations"]
        ]
        return suite | {"expectations": items}

    features = tuple(column.name for column in earlier.columns)
    return Contract(add_columns(contract.features, features), add_columns(contract.dataset, earlier.all_columns))


def merge_own_expectations(contract: Contract, earlier: Contract, columns: set[str]) -> Contract:
    """Add the expectations that a person wrote or changed in an `earlier` draft to the drafted `contract`."""
    return Contract(
        _merge(contract.features, earlier.features, columns), _merge(contract.dataset, earlier.dataset, columns)
    )


def _merge(suite: Suite, earlier: Suite, columns: set[str]) -> Suite:
    drafted_digests = earlier["meta"].get("drafted")
    if drafted_digests is None:
        return suite
    own = [item for item in earlier["expectations"] if digest(item) not in drafted_digests and item["type"] != COLUMNS]
    own = [item for item in own if item["kwargs"].get("column") in {None, *columns}]
    own_keys = [_key(item) for item in own]
    drafted = [item for item in suite["expectations"] if _key(item) not in own_keys]
    return suite | {"expectations": drafted + own}


def _key(item: Expectation) -> tuple[object, ...]:
    return item["type"], item["kwargs"].get("column"), item.get("severity")


def digest(item: object) -> str:
    """Return eight characters that change with an expectation, a role or a gate, to detect the edits of a person."""
    return hashlib.sha256(json.dumps(item, sort_keys=True).encode()).hexdigest()[:8]


def gate_digest(gate: Gate) -> str:
    """Return the digest of the drafted limits of a gate; `max_regression` is never drafted."""
    return digest(gate.model_dump(exclude={"max_regression"}, exclude_none=True))


def _suite(name: str, expectations: list[Expectation]) -> Suite:
    return {"name": name, "expectations": expectations, "meta": {"drafted": [digest(item) for item in expectations]}}


def _unique_row_expectations(table: "pd.DataFrame", roles: Mapping[str, Role]) -> Iterator[Expectation]:
    names = [name for name, role in roles.items() if role not in ("identifier", "row_number")]
    unique_share = float((~table.duplicated(names, keep=False)).mean())
    if unique_share == 1:
        yield expectation("compound_columns_to_be_unique", "warning", column_list=names)
    elif (share := unique_share - tolerance(unique_share, len(table))) > 0.05:
        yield expectation("compound_columns_to_be_unique", "warning", column_list=names, mostly=floor_share(share))
    else:  # duplicates are normal in this table, so only the row count shows that every row was written twice
        yield expectation("table_row_count_to_be_between", "warning", max_value=len(table) * 2 - 1)
