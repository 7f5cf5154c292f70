"""What can be changed in a row of a table, and how an answer should follow."""

from typing import TYPE_CHECKING, Any

from mlkeel.behavior.change import SEVERAL, Change
from mlkeel.contract.suites import Contract
from mlkeel.data.tables import with_columns

if TYPE_CHECKING:
    import pandas as pd

STRONG = 0.3  # rank correlation
ABOUT = (
    "A `row` may be partial. Its categories choose rows of the table, the target's among them, and their typical row",
    "(median, most frequent) fills the gaps. `change` adds to numbers and replaces categories.",
)


def changed(rows: "pd.DataFrame", change: dict[str, Any]) -> "pd.DataFrame":
    """Add to numbers and replace categories, as a case's `change` says."""
    numbers = rows.select_dtypes("number").columns
    return with_columns(rows, {name: rows[name] + step if name in numbers else step for name, step in change.items()})


def small(table: "pd.DataFrame", contract: Contract) -> list[Change]:
    """Changes that should decide nothing: a hundredth of a column's usual width."""
    steps = {name: figures(_width(table[name]) / 100) for name in _numeric(table, contract)[:SEVERAL]}
    return [Change(f"a little more {name}", {name: step}) for name, step in steps.items() if step]


def away(table: "pd.DataFrame", contract: Contract, towards: "pd.Series[float]") -> list[tuple[float, Change]]:
    """Changes by a column's usual width after which `towards` should be lower, and how strongly they go together."""
    names = _numeric(table, contract)
    found = [(float(table[name].rank().corr(towards.rank())), name) for name in names]
    changes = []
    for value, name in found:
        step = figures(_width(table[name]))
        if abs(value) >= STRONG and step:
            more = "less" if value > 0 else "more"
            changes.append((abs(value), Change(f"much {more} {name}", {name: -step if value > 0 else step})))
    return changes


def figures(number: float) -> float:
    """Two figures are enough for a step."""
    short = float(f"{number:.2g}")
    return int(short) if short.is_integer() else short


def _numeric(table: "pd.DataFrame", contract: Contract) -> list[str]:
    return [column.name for column in contract.columns if column.numeric and table[column.name].nunique() > 5]


def _width(values: "pd.Series[float]") -> float:
    return float(values.quantile(0.9) - values.quantile(0.1))
