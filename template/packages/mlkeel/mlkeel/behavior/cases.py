"""Behaviour that one asks of a model, as data: read cases, complete them, and keep those that a person wrote.

Three kinds (after "Beyond Accuracy: Behavioral Testing of NLP Models with CheckList", Ribeiro et al. 2020): an answer
that stays, an answer that moves in a known direction, and plain cases that nobody would get wrong. `class_cases.py` and
`number_cases.py` say how they are judged and drafted, `changes.py` what can be changed in a row.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from mlkeel.contract.suites import Column, Contract
from mlkeel.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

Case = dict[str, Any]
BEHAVIOR = Path("tests/model/behavior.yaml")
LOOKED_AT = 20_000  # rows, at most, to draft from


def typical(given: Case, table: "pd.DataFrame", columns: tuple[Column, ...]) -> Case:
    """Complete a partial row with what is typical, in the features `columns`, of the rows that share its categories.

    Raises:
        ValueError: no row of `table` has these categories.
    """
    import pandas as pd

    alike, texts = table, [column.name for column in columns if column.text]
    for name, value in given.items():
        if value is not None and name not in texts and not pd.api.types.is_numeric_dtype(table[name]):
            alike = alike[alike[name] == value]
    if alike.empty:
        raise ValueError(f"no row of the table is like {given}")
    return {one.name: given[one.name] if one.name in given else _middle(alike[one.name]) for one in columns}


def _middle(values: "pd.Series[Any]") -> Any:  # noqa: ANN401 - a number or a category
    import pandas as pd

    if pd.api.types.is_numeric_dtype(values):
        return float(values.median())
    return next(iter(values.mode()), None)


def drawn(parts: "list[pd.DataFrame]") -> "pd.DataFrame":
    """Rows of a table that was dealt into `parts`, to draft from: all if there are few, without another copy of all."""
    import pandas as pd

    rows = pd.concat([part.index.to_series() for part in parts]).sort_index()
    rows = rows if len(rows) <= LOOKED_AT else rows.sample(LOOKED_AT, random_state=7)
    some: pd.DataFrame = pd.concat([part[part.index.isin(rows)] for part in parts]).loc[rows.index]
    return some


def beside(kept: dict[str, list[Case]], drafted: dict[str, list[Case]]) -> dict[str, list[Case]]:
    """The cases that a person wrote, and those of `drafted` that ask about something else."""
    return {
        kind: [
            *kept.get(kind, []),
            *(case | {"draft": True} for case in some if not any(_same(case, own) for own in kept.get(kind, []))),
        ]
        for kind, some in drafted.items()
    }


def _same(case: Case, own: Case) -> bool:
    """Whether a person's case asks about the same columns and classes already."""

    def about(one: Case) -> tuple[set[str], str]:
        expect = one.get("expect")
        columns = set(one.get("change") or one.get("row") or {})
        return columns, next(iter(expect), "") if isinstance(expect, dict) else str(expect)

    return about(case) == about(own)


def read_cases(path: Path) -> dict[str, list[Case]]:
    """Read the cases of `tests/model/behavior.yaml`; none if there is no such file.

    Raises:
        InputError: it is not YAML, or not lists of cases under their kinds.
    """
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8")) if path.is_file() else {}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: this is not valid YAML ({' '.join(str(error).split())}). Correct it.") from error
    cases = {kind: some or [] for kind, some in (found or {}).items()} if isinstance(found or {}, dict) else None
    if cases is None or not all(
        isinstance(some, list) and all(isinstance(case, dict) for case in some) for some in cases.values()
    ):
        raise InputError(f"{path}: there must be lists of cases under the names of their kinds. Correct it.")
    return cases


def still_askable(
    cases: dict[str, list[Case]], table: "pd.DataFrame", contract: Contract, expects: Callable[[Case], bool]
) -> dict[str, list[Case]]:
    """The cases that a person wrote, or took the mark of a draft from, as far as `table` can still answer them.

    `expects` says whether what a case expects can still be answered.
    """
    columns = {column.name: column for column in contract.columns}

    def fits(name: str, value: object) -> bool:
        if name in columns and columns[name].numeric:
            return value is None or isinstance(value, int | float)
        if name in columns and columns[name].text:
            return value is None or isinstance(value, str | dict)
        return name in table and (value is None or bool((table[name] == value).any()))

    def askable(case: Case) -> bool:
        row, change = case.get("row") or {}, case.get("change") or {}
        return set(change) <= set(columns) and expects(case) and all(map(fits, *_both(row, change)))

    kept = {kind: [case for case in some if not case.get("draft")] for kind, some in cases.items()}
    return {kind: [case for case in some if askable(case)] for kind, some in kept.items()}


def _both(row: Case, change: Case) -> tuple[list[str], list[object]]:
    return [*row, *change], [*row.values(), *change.values()]
