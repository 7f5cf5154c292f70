"""Cases of behaviour for a model that estimates a number: how they are judged, and drafted for a new table."""

from typing import TYPE_CHECKING

import numpy as np

from mlkeel.behavior.cases import Case, typical
from mlkeel.behavior.change import SEVERAL
from mlkeel.behavior.changes import changes_of
from mlkeel.behavior.table_changes import figures
from mlkeel.contract.wording import number

if TYPE_CHECKING:
    import pandas as pd

    from mlkeel.inference.predictor import Predictor

KINDS = {
    "invariance": "the estimate stays `within` so much of what it was in at least this share of all rows",
    "directional": "the estimate rises or falls",
    "minimum_functionality": "plain cases that nobody would get wrong by more than `within`",
}
KEYS = {
    "invariance": {"name", "change", "within", "share"},
    "directional": {"name", "row", "change", "expect"},
    "minimum_functionality": {"name", "row", "expect", "within"},
}
ROOM = 0.02  # of the rows, by which a drafted share stays under the one seen
SMALL = 0.05  # of the usual width of the target: a move that matters little
CATEGORIES = 10  # of a feature, at most, for a plain case each


def expects(case: Case, answers: tuple[str, ...]) -> bool:  # noqa: ARG001 - a number has no names
    """Whether a case says rises or falls, or a number, where it should."""
    numbers = [case[key] for key in ("within", "share") if key in case]
    if "change" in case and "row" in case:
        return case.get("expect") in ("rises", "falls")
    expected = [case["expect"]] if "expect" in case else []
    return all(isinstance(one, int | float) for one in [*numbers, *expected])


def shortcoming(kind: str, case: Case, predictor: "Predictor", table: "pd.DataFrame") -> str | None:
    """What the model does instead of what `case` expects; None if it does as it should."""
    if kind == "invariance":
        share = _steady(predictor, table, case["change"], case["within"])
        if share is None:
            return "no row holds what it changes"
        few = f"only {share:.1%} of the rows that it reaches stay within {case['within']}"
        return None if share >= case["share"] else few
    row = typical(case["row"], table, predictor.contract.columns)
    if kind == "minimum_functionality":
        estimate = predictor.predict_row(row)["estimate"]
        return None if abs(estimate - case["expect"]) <= case["within"] else f"it estimates {number(estimate)}"
    before, after = _moves(predictor, row, case["change"])
    right = after > before if case["expect"] == "rises" else after < before
    return None if right else f"the estimate went from {number(before, 6)} to {number(after, 6)}"


def drafts(table: "pd.DataFrame", predictor: "Predictor") -> dict[str, list[Case]]:
    """Draft cases that `predictor` meets on `table`, shape (n, columns)."""
    return {
        "invariance": _invariances(table, predictor),
        "directional": _directions(table, predictor),
        "minimum_functionality": _plain_cases(table, predictor),
    }


def _steady(predictor: "Predictor", table: "pd.DataFrame", change: Case, within: float) -> float | None:
    """The share of the rows that `change` reaches whose estimate stays; None if it reaches none."""
    after = changes_of(predictor.contract).changed(table, change)
    before, now = table[list(change)], after[list(change)]
    reached = ((before != now) & ~(before.isna() & now.isna())).any(axis=1).to_numpy()
    if not reached.any():
        return None
    moved = predictor.predict(after[reached])[:, 0] - predictor.predict(table[reached])[:, 0]
    return float((np.abs(moved) <= within).mean())


def _moves(predictor: "Predictor", row: Case, change: Case) -> tuple[float, float]:
    import pandas as pd

    rows = pd.DataFrame([row])
    after_change = changes_of(predictor.contract).changed(rows, change)
    return float(predictor.predict(rows)[0, 0]), float(predictor.predict(after_change)[0, 0])


def _invariances(table: "pd.DataFrame", predictor: "Predictor") -> list[Case]:
    truth = table[predictor.target]
    within = figures(SMALL * float(truth.quantile(0.9) - truth.quantile(0.1)))
    cases: list[Case] = []
    for one in changes_of(predictor.contract).small(table, predictor.contract):
        share = round((_steady(predictor, table, one.change, within) or 0) - ROOM, 2)
        if share > 0.5:
            said = f"{one.name} decides little"
            cases.append({"name": said, "change": one.change, "within": within, "share": share})
    return cases


def _directions(table: "pd.DataFrame", predictor: "Predictor") -> list[Case]:
    """Away from the values that go with large numbers, the estimate falls."""
    ways = changes_of(predictor.contract).away(table, predictor.contract, table[predictor.target])
    found = sorted(ways, key=lambda one: (-one[0], one[1].name))
    spread = float(table[predictor.target].std())
    cases: list[Case] = []
    for _, one in found[:SEVERAL]:
        before, after = _moves(predictor, typical({}, table, predictor.contract.columns), one.change)
        if before - after > SMALL * spread:
            said = f"{one.name} makes {predictor.target} lower"
            cases.append({"name": said, "row": {}, "change": one.change, "expect": "falls"})
    return cases


def _plain_cases(table: "pd.DataFrame", predictor: "Predictor") -> list[Case]:
    """The typical row of each category, and of all rows, is about as large as such rows are."""
    columns = predictor.contract.columns
    few = [column for column in columns if 2 <= len(column.categories) <= CATEGORIES]
    rows: list[Case] = [{}, *({column.name: name} for column in few for name in column.categories)]
    cases: list[Case] = []
    for row in rows[: 2 * SEVERAL]:
        alike = table[(table[list(row)] == list(row.values())).all(axis=1)]
        if alike.empty:
            continue
        truth, answer = alike[predictor.target], predictor.predict_row(typical(row, table, columns))
        middle, within = figures(float(truth.median())), figures((answer["high"] - answer["low"]) / 4)
        if abs(answer["estimate"] - middle) <= within:
            said = "a typical row" + "".join(f" where {name} is {value}" for name, value in row.items())
            cases.append({"name": said, "row": row, "expect": middle, "within": within})
    return cases
