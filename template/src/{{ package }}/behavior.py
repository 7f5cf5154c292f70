"""Behaviour that one asks of a model, as data: complete a case, judge it, and draft cases for a new table.

Three kinds (after "Beyond Accuracy: Behavioral Testing of NLP Models with CheckList", Ribeiro et al. 2020): an answer
that stays, a probability that moves in a known direction, and plain cases that nobody would get wrong.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import yaml

from .contract import Contract
from .data import with_columns
from .settings import InputError

if TYPE_CHECKING:
    import pandas as pd

    from .predict import Predictor

Case = dict[str, Any]
SEVERAL = 5  # drafted cases of a kind
LOOKED_AT = 20_000  # rows, at most, to draft from
STRONG = 0.3  # rank correlation of a feature and a class
CLEARLY = 0.05  # by which a probability must fall for a direction to be drafted
ROOM = 0.02  # of the rows, by which a drafted share stays under the one seen


def typical(given: dict[str, Any], table: "pd.DataFrame", names: list[str]) -> dict[str, Any]:
    """Complete a partial row with what is typical, in the columns `names`, of the rows that share its categories.

    Raises:
        ValueError: no row of `table` has these categories.
    """
    import pandas as pd

    alike = table
    for name, value in given.items():
        if value is not None and not pd.api.types.is_numeric_dtype(table[name]):
            alike = alike[alike[name] == value]
    if alike.empty:
        raise ValueError(f"no row of the table is like {given}")
    middle = {name: _middle(alike[name]) for name in names}
    return middle | {name: given[name] for name in names if name in given}


def _middle(values: "pd.Series[Any]") -> Any:  # noqa: ANN401 - a number or a category
    import pandas as pd

    if pd.api.types.is_numeric_dtype(values):
        return float(values.median())
    return next(iter(values.mode()), None)


def changed(rows: "pd.DataFrame", change: dict[str, Any]) -> "pd.DataFrame":
    """Add to numbers and replace categories, as a case's `change` says."""
    numbers = rows.select_dtypes("number").columns
    return with_columns(rows, {name: rows[name] + step if name in numbers else step for name, step in change.items()})


def draft_cases(table: "pd.DataFrame", predictor: "Predictor", kept: dict[str, list[Case]]) -> dict[str, list[Case]]:
    """Draft cases that `predictor` meets on `table`, shape (n, columns), beside those that a person wrote."""
    some = table if len(table) <= LOOKED_AT else table.sample(LOOKED_AT, random_state=7)
    drafted = {
        "invariance": _invariances(some, predictor),
        "directional": _directions(some, predictor),
        "minimum_functionality": _plain_cases(some, predictor),
    }
    return {
        kind: [
            *kept.get(kind, []),
            *(
                case | {"draft": True}
                for case in drafted[kind]
                if not any(_same(case, own) for own in kept.get(kind, []))
            ),
        ]
        for kind in drafted
    }


def _same(case: Case, own: Case) -> bool:
    """Whether a person's case asks about the same columns and classes already."""

    def about(one: Case) -> tuple[set[str], str]:
        expect = one.get("expect")
        return set(one.get("change") or one["row"]), next(iter(expect)) if isinstance(expect, dict) else str(expect)

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
    if cases is None or not all(isinstance(case, dict) for some in cases.values() for case in some):
        raise InputError(f"{path}: there must be lists of cases under the names of their kinds. Correct it.")
    return cases


def still_askable(
    cases: dict[str, list[Case]], table: "pd.DataFrame", contract: Contract, classes: tuple[str, ...]
) -> dict[str, list[Case]]:
    """The cases that a person wrote, or took the mark of a draft from, as far as `table` can still answer them."""
    numeric = {column.name: column.numeric for column in contract.columns}

    def fits(name: str, value: object) -> bool:
        if numeric.get(name):
            return value is None or isinstance(value, int | float)
        return name in table and (value is None or bool((table[name] == value).any()))

    def askable(case: Case) -> bool:
        row, change, expect = case.get("row") or {}, case.get("change") or {}, case.get("expect") or {}
        named = set(expect) if isinstance(expect, dict) else {expect}
        known = set(change) <= set(numeric) and named <= set(classes)
        return known and all(fits(name, value) for name, value in [*row.items(), *change.items()])

    kept = {kind: [case for case in some if not case.get("draft")] for kind, some in cases.items()}
    return {kind: [case for case in some if askable(case)] for kind, some in kept.items()}


def _numeric(table: "pd.DataFrame", predictor: "Predictor") -> list[str]:
    names = [column.name for column in predictor.contract.columns if column.numeric]
    return [name for name in names if table[name].nunique() > 5]


def _invariances(table: "pd.DataFrame", predictor: "Predictor") -> list[Case]:
    """Noise of a hundredth of a column's usual width changes hardly any answer."""
    before = predictor.probabilities(table).argmax(axis=1)
    cases: list[Case] = []
    for name in _numeric(table, predictor)[:SEVERAL]:
        width = float(table[name].quantile(0.9) - table[name].quantile(0.1))
        if not (step := _figures(width / 100)):
            continue
        after = predictor.probabilities(changed(table, {name: step})).argmax(axis=1)
        share = round(float((before == after).mean()) - ROOM, 2)
        if share > 0.5:
            cases.append({"name": f"a little more {name} decides nothing", "change": {name: step}, "share": share})
    return cases


def _directions(table: "pd.DataFrame", predictor: "Predictor") -> list[Case]:
    """Away from the values that go with a class, its probability falls."""
    names = _numeric(table, predictor)
    if not names:
        return []
    ranks = table[names].rank()
    found: list[tuple[float, str, str]] = []
    for label in predictor.classes:
        of_class = (table[predictor.target] == label).astype(float)
        found += [(float(ranks[name].corr(of_class)), name, label) for name in names]
    cases: list[Case] = []
    for value, name, label in sorted(found, key=lambda one: (-abs(one[0]), one[1], one[2])):
        if not abs(value) >= STRONG or len(cases) == SEVERAL:
            break
        step = _figures(float(table[name].quantile(0.9) - table[name].quantile(0.1)))
        change = {name: -step if value > 0 else step}
        if step and _fall(table, predictor, label, change) > CLEARLY:
            more = "less" if value > 0 else "more"
            cases.append(
                {
                    "name": f"much {more} {name} makes {label} less likely",
                    "row": {predictor.target: label},
                    "change": change,
                    "expect": {label: "falls"},
                }
            )
    return cases


def _fall(table: "pd.DataFrame", predictor: "Predictor", label: str, change: dict[str, Any]) -> float:
    import pandas as pd

    names = [column.name for column in predictor.contract.columns]
    rows = pd.DataFrame([typical({predictor.target: label}, table, names)])
    place = predictor.classes.index(label)
    before, after = predictor.probabilities(rows)[0], predictor.probabilities(changed(rows, change))[0]
    return float(before[place] - after[place])


def _plain_cases(table: "pd.DataFrame", predictor: "Predictor") -> list[Case]:
    """The typical row of each class or, where the model errs on it, the row of the class that it is surest of."""
    names = [column.name for column in predictor.contract.columns]
    cases: list[Case] = []
    for label in predictor.classes[: 2 * SEVERAL]:
        of_class = table[table[predictor.target] == label]
        place = predictor.classes.index(label)
        if of_class.empty:
            continue
        row: Case = {predictor.target: label}
        answer = predictor.predict_row(typical(row, table, names))
        if max(answer, key=lambda name: answer[name]) != label:
            found = predictor.probabilities(of_class)
            surest = int(found[:, place].argmax())
            if len(names) > 4 * SEVERAL or found[surest].argmax() != place:
                continue
            row = {name: _plain(of_class[name].iloc[surest]) for name in names}
        cases.append({"name": f"a typical {label}", "row": row, "expect": label})
    return cases


def _plain(value: Any) -> Any:  # noqa: ANN401 - a number or a category
    return None if value != value else value.item() if isinstance(value, np.generic) else value


def _figures(number: float) -> float:
    """Two figures are enough for a step."""
    short = float(f"{number:.2g}")
    return int(short) if short.is_integer() else short
