"""Check and draft behaviour cases for a classifier."""

from typing import TYPE_CHECKING

from mlkeel.behavior.cases import Case, complete_row
from mlkeel.behavior.perturbation import MAX_DRAFTED_CASES, Perturbation, to_yaml_value
from mlkeel.behavior.perturbations import outputs_before_and_after, perturbations_of

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
SHARE_TOLERANCE = 0.02  # of the rows, by which a drafted share stays below the measured one
MIN_PROBABILITY_DROP = 0.05  # for a directional case to be drafted
MAX_ROW_FEATURES = 20  # a whole row with more features is too long to be read


def is_answerable(case: Case, output_names: tuple[str, ...]) -> bool:
    """Whether a case expects known classes only, and says rises or falls where it should."""
    expect = case.get("expect", {})
    if isinstance(expect, dict):
        return set(expect) <= set(output_names) and all(value in ("rises", "falls") for value in expect.values())
    return expect in output_names


def failure(kind: str, case: Case, predictor: "Predictor", table: "pd.DataFrame") -> str | None:
    """Return what the model does instead of what `case` expects; None if it does what is expected."""
    if kind == "invariance":
        share = _stable_share(predictor, table, case["change"])
        if share is None:
            return "no row holds what it changes"
        return None if share >= case["share"] else f"only {share:.1%} of the rows that it reaches keep their class"
    row = complete_row(case["row"], table, predictor.contract.columns)
    if kind == "minimum_functionality":
        predicted, probability = _predicted_class(predictor, row)
        return None if predicted == case["expect"] else f"it answers {predicted} ({probability:.3f})"
    pairs = _probability_pairs(predictor, row, case["change"])
    failures = [
        f"the probability of {name} went from {pairs[name][0]:.4f} to {pairs[name][1]:.4f}"
        for name, direction in case["expect"].items()
        if not (pairs[name][1] > pairs[name][0] if direction == "rises" else pairs[name][1] < pairs[name][0])
    ]
    return "; ".join(failures) or None


def draft_cases(table: "pd.DataFrame", predictor: "Predictor") -> dict[str, list[Case]]:
    """Draft cases that `predictor` passes on `table`, shape (n, columns), by their kinds."""
    return {
        "invariance": _invariances(table, predictor),
        "directional": _directions(table, predictor),
        "minimum_functionality": _plain_cases(table, predictor),
    }


def _stable_share(predictor: "Predictor", table: "pd.DataFrame", change: Case) -> float | None:
    """Return the share of the rows affected by `change` whose predicted class stays; None if it affects none."""
    outputs = outputs_before_and_after(predictor, table, change)
    if outputs is None:
        return None
    before, after = outputs
    return float((predictor.decided(before) == predictor.decided(after)).mean())


def _predicted_class(predictor: "Predictor", row: Case) -> tuple[str, float]:
    """Return the class that is decided on for a row, and its probability."""
    outputs = predictor.predict({name: (value,) for name, value in row.items()})
    position = int(predictor.decided(outputs)[0])
    return predictor.output_names[position], float(outputs[0, position])


def _probability_pairs(predictor: "Predictor", row: Case, change: Case) -> dict[str, tuple[float, float]]:
    """Return the probability of each class before and after a change."""
    import pandas as pd

    rows = pd.DataFrame([row])
    perturbed = perturbations_of(predictor.contract).apply(rows, change)
    before = predictor.predict(rows)[0]
    after = predictor.predict(perturbed)[0]
    return {name: (float(before[index]), float(after[index])) for index, name in enumerate(predictor.output_names)}


def _invariances(table: "pd.DataFrame", predictor: "Predictor") -> list[Case]:
    cases: list[Case] = []
    for perturbation in perturbations_of(predictor.contract).small_steps(table, predictor.contract):
        change = perturbation.change
        share = round((_stable_share(predictor, table, change) or 0) - SHARE_TOLERANCE, 2)
        if share > 0.5:
            cases.append({"name": f"{perturbation.name} decides nothing", "change": change, "share": share})
    return cases


def _directions(table: "pd.DataFrame", predictor: "Predictor") -> list[Case]:
    """Draft cases in which the probability of a class falls as a row moves away from the values typical of it."""
    away_from_class = perturbations_of(predictor.contract).away_from_class
    candidates: list[tuple[float, str, Perturbation]] = []
    for label in predictor.output_names:
        is_label = (table[predictor.target] == label).astype(float)
        for strength, perturbation in away_from_class(table, predictor.contract, is_label):
            candidates.append((strength, label, perturbation))
    candidates.sort(key=lambda candidate: (-candidate[0], candidate[2].name, candidate[1]))
    cases: list[Case] = []
    for _, label, perturbation in candidates:
        if len(cases) == MAX_DRAFTED_CASES:
            break
        row = perturbation.row or {predictor.target: label}
        full_row = complete_row(row, table, predictor.contract.columns)
        before, after = _probability_pairs(predictor, full_row, perturbation.change)[label]
        if before - after > MIN_PROBABILITY_DROP:
            name = f"{perturbation.name} makes {label} less likely"
            cases.append({"name": name, "row": row, "change": perturbation.change, "expect": {label: "falls"}})
    return cases


def _plain_cases(table: "pd.DataFrame", predictor: "Predictor") -> list[Case]:
    """Draft a case from the typical row of each class or, if the model errs on it, from the row predicted most surely.

    Texts have no typical row, so they always take the row predicted most surely.
    """
    columns = predictor.contract.columns
    names = [column.name for column in columns]
    cases: list[Case] = []
    for index, label in enumerate(predictor.output_names[: 2 * MAX_DRAFTED_CASES]):
        class_rows = table[table[predictor.target] == label]
        if class_rows.empty:
            continue
        row: Case = {predictor.target: label}
        predicted, _ = _predicted_class(predictor, complete_row(row, table, columns))
        if any(column.text for column in columns) or predicted != label:
            outputs = predictor.predict(class_rows)
            surest = int(outputs[:, index].argmax())
            if len(names) > MAX_ROW_FEATURES or predictor.decided(outputs)[surest] != index:
                continue
            row = {name: to_yaml_value(class_rows[name].iloc[surest]) for name in names}
        cases.append({"name": f"a typical {label}", "row": row, "expect": label})
    return cases
