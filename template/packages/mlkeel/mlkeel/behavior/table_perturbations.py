"""Perturb numbers and categories of a row, with the effect that a model should show."""

from typing import TYPE_CHECKING, Any

from mlkeel.behavior.perturbation import MAX_DRAFTED_CASES, Perturbation
from mlkeel.contract.suites import Contract
from mlkeel.data.tables import with_columns

if TYPE_CHECKING:
    import pandas as pd

MIN_RANK_CORRELATION = 0.3  # with the target, for a column to be changed
ABOUT = (
    "A `row` may be partial. Its categories choose rows of the table, the target's among them, and their typical row",
    "(median, most frequent) fills the gaps. `change` adds to numbers and replaces categories.",
)


def apply(rows: "pd.DataFrame", change: dict[str, Any]) -> "pd.DataFrame":
    """Add to numbers and replace categories, as a case's `change` says."""
    numbers = rows.select_dtypes("number").columns
    return with_columns(
        rows, {name: rows[name] + value if name in numbers else value for name, value in change.items()}
    )


def small_steps(table: "pd.DataFrame", contract: Contract) -> list[Perturbation]:
    """Return perturbations that should hardly change the outputs: steps of a hundredth of a column's spread."""
    steps = {
        name: round_to_two_digits(_spread(table[name]) / 100) for name in _numeric(table, contract)[:MAX_DRAFTED_CASES]
    }
    return [Perturbation(f"a little more {name}", {name: step}) for name, step in steps.items() if step]


def away_from_class(
    table: "pd.DataFrame", contract: Contract, target: "pd.Series[float]"
) -> list[tuple[float, Perturbation]]:
    """Return steps of a column's spread that should lower `target`, each with the absolute rank correlation."""
    names = _numeric(table, contract)
    correlations = {name: float(table[name].rank().corr(target.rank())) for name in names}
    perturbations = []
    for name, correlation in correlations.items():
        size = round_to_two_digits(_spread(table[name]))
        if abs(correlation) >= MIN_RANK_CORRELATION and size:
            direction = "less" if correlation > 0 else "more"
            step = -size if correlation > 0 else size
            perturbations.append((abs(correlation), Perturbation(f"much {direction} {name}", {name: step})))
    return perturbations


def round_to_two_digits(number: float) -> float:
    """Round to two significant digits, which are enough for a step."""
    rounded = float(f"{number:.2g}")
    return int(rounded) if rounded.is_integer() else rounded


def _numeric(table: "pd.DataFrame", contract: Contract) -> list[str]:
    return [column.name for column in contract.columns if column.numeric and table[column.name].nunique() > 5]


def _spread(values: "pd.Series[float]") -> float:
    """Return the distance between the first and the last decile."""
    return float(values.quantile(0.9) - values.quantile(0.1))
