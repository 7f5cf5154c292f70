"""Check and draft behaviour cases for a regressor."""

from typing import TYPE_CHECKING

import numpy as np

from mlkeel.behavior.cases import Case, complete_row
from mlkeel.behavior.perturbation import MAX_DRAFTED_CASES
from mlkeel.behavior.perturbations import outputs_before_and_after, perturbations_of
from mlkeel.behavior.table_perturbations import round_to_two_digits
from mlkeel.contract.messages import number

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
SHARE_TOLERANCE = 0.02  # of the rows, by which a drafted share stays below the measured one
MINOR_CHANGE = 0.05  # of the spread of the target: a change of the estimate that matters little
MAX_CATEGORIES = 10  # of a feature, for each to get a plain case


def is_answerable(case: Case, output_names: tuple[str, ...]) -> bool:  # noqa: ARG001 - a number has no names
    """Whether a case says rises or falls, or holds a number, where it should."""
    numbers = [case[key] for key in ("within", "share") if key in case]
    if "change" in case and "row" in case:
        return case.get("expect") in ("rises", "falls")
    expected = [case["expect"]] if "expect" in case else []
    return all(isinstance(value, int | float) and not isinstance(value, bool) for value in [*numbers, *expected])


def failure(kind: str, case: Case, predictor: "Predictor", table: "pd.DataFrame") -> str | None:
    """Return what the model does instead of what `case` expects; None if it does what is expected."""
    if kind == "invariance":
        share = _stable_share(predictor, table, case["change"], case["within"])
        if share is None:
            return "no row holds what it changes"
        message = f"only {share:.1%} of the rows that it reaches stay within {case['within']}"
        return None if share >= case["share"] else message
    row = complete_row(case["row"], table, predictor.contract.columns)
    if kind == "minimum_functionality":
        estimate = predictor.predict_row(row)["estimate"]
        return None if abs(estimate - case["expect"]) <= case["within"] else f"it estimates {number(estimate)}"
    before, after = _estimate_pair(predictor, row, case["change"])
    as_expected = after > before if case["expect"] == "rises" else after < before
    return None if as_expected else f"the estimate went from {number(before, 6)} to {number(after, 6)}"


def draft_cases(table: "pd.DataFrame", predictor: "Predictor") -> dict[str, list[Case]]:
    """Draft cases that `predictor` passes on `table`, shape (n, columns), by their kinds."""
    return {
        "invariance": _invariances(table, predictor),
        "directional": _directions(table, predictor),
        "minimum_functionality": _plain_cases(table, predictor),
    }


def _stable_share(predictor: "Predictor", table: "pd.DataFrame", change: Case, within: float) -> float | None:
    """Return the share of the rows affected by `change` whose estimate stays `within`; None if it affects none."""
    outputs = outputs_before_and_after(predictor, table, change)
    if outputs is None:
        return None
    before, after = outputs
    return float((np.abs(after[:, 0] - before[:, 0]) <= within).mean())


def _estimate_pair(predictor: "Predictor", row: Case, change: Case) -> tuple[float, float]:
    """Return the estimate before and after a change."""
    import pandas as pd

    rows = pd.DataFrame([row])
    perturbed = perturbations_of(predictor.contract).apply(rows, change)
    return float(predictor.predict(rows)[0, 0]), float(predictor.predict(perturbed)[0, 0])


def _invariances(table: "pd.DataFrame", predictor: "Predictor") -> list[Case]:
    y_true = table[predictor.target]
    within = round_to_two_digits(MINOR_CHANGE * float(y_true.quantile(0.9) - y_true.quantile(0.1)))
    cases: list[Case] = []
    for perturbation in perturbations_of(predictor.contract).small_steps(table, predictor.contract):
        change = perturbation.change
        share = round((_stable_share(predictor, table, change, within) or 0) - SHARE_TOLERANCE, 2)
        if share > 0.5:
            name = f"{perturbation.name} decides little"
            cases.append({"name": name, "change": change, "within": within, "share": share})
    return cases


def _directions(table: "pd.DataFrame", predictor: "Predictor") -> list[Case]:
    """Draft cases in which the estimate falls as a row moves away from the values that go with a large target."""
    y_true = table[predictor.target]
    candidates = perturbations_of(predictor.contract).away_from_class(table, predictor.contract, y_true)
    strongest = sorted(candidates, key=lambda candidate: (-candidate[0], candidate[1].name))[:MAX_DRAFTED_CASES]
    spread = float(y_true.std())
    cases: list[Case] = []
    for _, perturbation in strongest:
        row = complete_row({}, table, predictor.contract.columns)
        before, after = _estimate_pair(predictor, row, perturbation.change)
        if before - after > MINOR_CHANGE * spread:
            name = f"{perturbation.name} makes {predictor.target} lower"
            cases.append({"name": name, "row": {}, "change": perturbation.change, "expect": "falls"})
    return cases


def _plain_cases(table: "pd.DataFrame", predictor: "Predictor") -> list[Case]:
    """Draft cases in which the estimate for the typical row, of all or of a category, is near the median target."""
    columns = predictor.contract.columns
    categorical = [column for column in columns if 2 <= len(column.categories) <= MAX_CATEGORIES]
    rows: list[Case] = [{}, *({column.name: category} for column in categorical for category in column.categories)]
    cases: list[Case] = []
    for row in rows[: 2 * MAX_DRAFTED_CASES]:
        similar = table[(table[list(row)] == list(row.values())).all(axis=1)]
        if similar.empty:
            continue
        outputs = predictor.predict_row(complete_row(row, table, columns))
        median = round_to_two_digits(float(similar[predictor.target].median()))
        within = round_to_two_digits((outputs["high"] - outputs["low"]) / 4)
        if abs(outputs["estimate"] - median) <= within:
            name = "a typical row" + "".join(f" where {column} is {value}" for column, value in row.items())
            cases.append({"name": name, "row": row, "expect": median, "within": within})
    return cases
