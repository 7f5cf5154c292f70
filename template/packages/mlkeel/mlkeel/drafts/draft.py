"""Draft both suites of the contract from a table and the roles of its columns.

A new sample of the same data, a third as large or larger, must pass. Single values of a table that are out of range or
of an unknown category are reported, more of them than chance explains are refused. A row by itself must be in range.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from mlkeel.config import Gate, Role
from mlkeel.contract.suites import COLUMNS, Contract, Expectation, Suite
from mlkeel.drafts.room import down, room
from mlkeel.drafts.rules import identifiers, lengths, moments, of_column, of_values, rule
from mlkeel.drafts.targets import target_rules
from mlkeel.features.encoder import Features

if TYPE_CHECKING:
    import pandas as pd

VALUES = ("numeric", "categorical", "boolean", "text")  # roles with rules for each value, learnt from or not
TEXTS = ("identifier", "time", "text", "personal")


def draft(table: "pd.DataFrame", roles: Mapping[str, Role], features_of: Features) -> Contract:
    """Draft from `table`, shape (n, columns), whose columns have the types of `types_only`."""
    learnt = features_of.roles
    names = [name for name, role in roles.items() if role in learnt]
    rows = len(table)
    features: list[Expectation] = [
        rule("table_columns_to_match_set", column_set=names, exact_match=False),
        rule("table_row_count_to_be_between", min_value=1),
    ]
    dataset: list[Expectation] = [
        rule("table_columns_to_match_set", column_set=list(roles)),
        rule("table_row_count_to_be_between", min_value=rows // 3),
        *_no_row_twice(table, roles),
    ]
    for name, role in roles.items():
        values = table[name]
        if role in VALUES and values.notna().any():
            (features if role in learnt else dataset).extend(of_values(values, role))
            dataset += of_column(values, role)
        elif role == "target":
            dataset += target_rules(values)
        elif role in ("identifier", "time"):
            dataset += identifiers(values) if role == "identifier" else moments(values)
        elif role == "personal":
            dataset += [rule("column_type_to_be", column=name, type_="str"), *lengths(values)]
    return Contract(_suite("features", features), _suite("dataset", dataset))


def types_only(roles: Mapping[str, Role], numeric: set[str], features_of: Features, target_type: str) -> Contract:
    """The contract that says how to read a table, and nothing yet of its values."""
    features = [name for name, role in roles.items() if role in features_of.roles]
    texts = [name for name, role in roles.items() if role in TEXTS or (role in VALUES and name not in numeric)]
    read_as = dict.fromkeys(texts, "str") | {name: "float64" for name in roles if name in numeric}
    read_as |= {name: target_type for name, role in roles.items() if role == "target"}
    types = [rule("column_type_to_be", column=name, type_=kind) for name, kind in read_as.items()]
    return Contract(
        _suite("features", [rule("table_columns_to_match_set", column_set=features), *types]),
        _suite("dataset", [rule("table_columns_to_match_set", column_set=list(roles))]),
    )


def with_columns_of(contract: Contract, before: Contract, derived: Sequence[str]) -> Contract:
    """The drafted `contract` with columns that loading adds, which the earlier one knows."""

    def wider(suite: Suite, known: tuple[str, ...]) -> Suite:
        more = [name for name in derived if name in known]
        items = [
            item | {"kwargs": item["kwargs"] | {"column_set": [*item["kwargs"]["column_set"], *more]}}
            if item["type"] == COLUMNS and more
            else item
            for item in suite["expectations"]
        ]
        return suite | {"expectations": items}

    learnt = tuple(column.name for column in before.columns)
    return Contract(wider(contract.features, learnt), wider(contract.dataset, before.all_columns))


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


def gate_digest(gate: Gate) -> str:
    """The digest of what a table decides in a gate; by how much a champion may be missed is a person's to say."""
    return digest(gate.model_dump(exclude={"champion"}))


def _suite(name: str, expectations: list[Expectation]) -> Suite:
    return {"name": name, "expectations": expectations, "meta": {"drafted": [digest(item) for item in expectations]}}


def _no_row_twice(table: "pd.DataFrame", roles: Mapping[str, Role]) -> Iterator[Expectation]:
    names = [name for name, role in roles.items() if role not in ("identifier", "row_number")]
    alone = float((~table.duplicated(names, keep=False)).mean())
    if alone == 1:
        yield rule("compound_columns_to_be_unique", "warning", column_list=names)
    elif (share := alone - room(alone, len(table))) > 0.05:
        yield rule("compound_columns_to_be_unique", "warning", column_list=names, mostly=down(share))
    else:  # rows repeat by their nature, so only their number tells that all were written twice
        yield rule("table_row_count_to_be_between", "warning", max_value=len(table) * 2 - 1)
