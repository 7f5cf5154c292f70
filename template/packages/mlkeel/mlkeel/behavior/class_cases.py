"""Cases of behaviour for a model that tells classes: how they are judged, and how they are drafted for a new table."""

from typing import TYPE_CHECKING

from mlkeel.behavior.cases import Case, typical
from mlkeel.behavior.change import SEVERAL, Change, plain
from mlkeel.behavior.changes import changes_of

if TYPE_CHECKING:
    import pandas as pd

    from mlkeel.inference.predictor import Predictor

KINDS = {
    "invariance": "the predicted class stays as it is in at least this share of all rows",
    "directional": "the probability of each class named rises or falls",
    "minimum_functionality": "plain cases that nobody would get wrong",
}
KEYS = {
    "invariance": {"name", "change", "share"},
    "directional": {"name", "row", "change", "expect"},
    "minimum_functionality": {"name", "row", "expect"},
}
ROOM = 0.02  # of the rows, by which a drafted share stays under the one seen
CLEARLY = 0.05  # by which a probability must fall for a direction to be drafted
LONG_ROW = 20  # features, from which on a whole row is too long to be read


def expects(case: Case, answers: tuple[str, ...]) -> bool:
    """Whether a case expects something of classes that there are, and says rises or falls where it should."""
    expect = case.get("expect", {})
    if isinstance(expect, dict):
        return set(expect) <= set(answers) and set(expect.values()) <= {"rises", "falls"}
    return expect in answers


def shortcoming(kind: str, case: Case, predictor: "Predictor", table: "pd.DataFrame") -> str | None:
    """What the model does instead of what `case` expects; None if it does as it should."""
    if kind == "invariance":
        share = _steady(predictor, table, case["change"])
        if share is None:
            return "no row holds what it changes"
        return None if share >= case["share"] else f"only {share:.1%} of the rows that it reaches keep their class"
    row = typical(case["row"], table, predictor.contract.columns)
    if kind == "minimum_functionality":
        answer = predictor.predict_row(row)
        likeliest = max(answer, key=lambda name: answer[name])
        return None if likeliest == case["expect"] else f"it answers {likeliest} ({answer[likeliest]:.3f})"
    moves = _moves(predictor, row, case["change"])
    wrong = [
        f"the probability of {name} went from {moves[name][0]:.4f} to {moves[name][1]:.4f}"
        for name, direction in case["expect"].items()
        if not (moves[name][1] > moves[name][0] if direction == "rises" else moves[name][1] < moves[name][0])
    ]
    return "; ".join(wrong) or None


def drafts(table: "pd.DataFrame", predictor: "Predictor") -> dict[str, list[Case]]:
    """Draft cases that `predictor` meets on `table`, shape (n, columns)."""
    return {
        "invariance": _invariances(table, predictor),
        "directional": _directions(table, predictor),
        "minimum_functionality": _plain_cases(table, predictor),
    }


def _steady(predictor: "Predictor", table: "pd.DataFrame", change: Case) -> float | None:
    """The share of the rows that `change` reaches whose class stays; None if it reaches none."""
    after = changes_of(predictor.contract).changed(table, change)
    before, now = table[list(change)], after[list(change)]
    reached = ((before != now) & ~(before.isna() & now.isna())).any(axis=1).to_numpy()
    if not reached.any():
        return None
    same = predictor.predict(table[reached]).argmax(axis=1) == predictor.predict(after[reached]).argmax(axis=1)
    return float(same.mean())


def _moves(predictor: "Predictor", row: Case, change: Case) -> dict[str, tuple[float, float]]:
    """The probability of each class before and after a change."""
    import pandas as pd

    rows = pd.DataFrame([row])
    after_change = changes_of(predictor.contract).changed(rows, change)
    before, after = predictor.predict(rows)[0], predictor.predict(after_change)[0]
    return {name: (float(before[place]), float(after[place])) for place, name in enumerate(predictor.answers)}


def _invariances(table: "pd.DataFrame", predictor: "Predictor") -> list[Case]:
    cases: list[Case] = []
    for one in changes_of(predictor.contract).small(table, predictor.contract):
        share = round((_steady(predictor, table, one.change) or 0) - ROOM, 2)
        if share > 0.5:
            cases.append({"name": f"{one.name} decides nothing", "change": one.change, "share": share})
    return cases


def _directions(table: "pd.DataFrame", predictor: "Predictor") -> list[Case]:
    """Away from the values that go with a class, its probability falls."""
    ways = changes_of(predictor.contract).away
    found: list[tuple[float, str, Change]] = []
    for name in predictor.answers:
        of_class = (table[predictor.target] == name).astype(float)
        found += [(strength, name, one) for strength, one in ways(table, predictor.contract, of_class)]
    cases: list[Case] = []
    for _, name, one in sorted(found, key=lambda found: (-found[0], found[2].name, found[1])):
        if len(cases) == SEVERAL:
            break
        row = one.row or {predictor.target: name}
        before, after = _moves(predictor, typical(row, table, predictor.contract.columns), one.change)[name]
        if before - after > CLEARLY:
            said = f"{one.name} makes {name} less likely"
            cases.append({"name": said, "row": row, "change": one.change, "expect": {name: "falls"}})
    return cases


def _plain_cases(table: "pd.DataFrame", predictor: "Predictor") -> list[Case]:
    """The typical row of each class or, where the model errs on it, the row of the class that it is surest of."""
    columns = predictor.contract.columns
    names = [column.name for column in columns]
    cases: list[Case] = []
    for place, label in enumerate(predictor.answers[: 2 * SEVERAL]):
        of_class = table[table[predictor.target] == label]
        if of_class.empty:
            continue
        row: Case = {predictor.target: label}
        answer = predictor.predict_row(typical(row, table, columns))
        if any(column.text for column in columns) or max(answer, key=lambda name: answer[name]) != label:
            found = predictor.predict(of_class)
            surest = int(found[:, place].argmax())
            if len(names) > LONG_ROW or found[surest].argmax() != place:
                continue
            row = {name: plain(of_class[name].iloc[surest]) for name in names}
        cases.append({"name": f"a typical {label}", "row": row, "expect": label})
    return cases
