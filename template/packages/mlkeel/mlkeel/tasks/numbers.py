"""What is predicted: a number, with an interval that holds it as often as `COVERAGE` says."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from mlkeel.contract.suites import Contract, Expectation
from mlkeel.errors import DataError
from mlkeel.tasks.answers import Answers, Truth

if TYPE_CHECKING:
    import pandas as pd

TYPE = "float64"  # of the column, in the contract
COVERAGE = 0.9


def answers(_contract: Contract, _target: str) -> tuple[str, ...]:
    """The names of what a model answers, in the order of its columns."""
    return ("estimate", "low", "high")


def encode(values: "pd.Series[float]", _contract: Contract) -> Truth:
    """The numbers of n rows, shape (n,)."""
    return np.asarray(values, dtype=np.float64)


def half_width(estimates: Answers, truth: Truth) -> float:
    """How far an interval reaches to each side of an estimate, from n rows that no weight was learnt from.

    They also said when to stop, so what the interval holds is near `COVERAGE` and not exactly it; of fewer than nine
    rows the widest miss is taken.
    Source: split conformal prediction (Lei et al. 2018, "Distribution-Free Predictive Inference for Regression").
    """
    misses = np.sort(np.abs(estimates - truth))
    place = int(np.ceil((len(misses) + 1) * COVERAGE)) - 1
    return float(misses[min(place, len(misses) - 1)])


def with_interval(estimates: Answers, half: float) -> Answers:
    """Answers of shape (n, 3) from n estimates."""
    return np.column_stack([estimates, estimates - half, estimates + half])


def truths(_contract: Contract, _target: str) -> list[Expectation]:
    """What a truth told about an answer must be besides a number: nothing, since the facts may leave any range."""
    return []


def size(truth: Truth) -> float:
    """What a difference of two answers is measured by: the standard deviation of what n rows are to be told."""
    return float(truth.std()) or 1.0


def loss_without_features(truth: Truth) -> float:
    """The mean absolute error of the answer that only knows the median of n rows."""
    return float(np.abs(truth - np.median(truth)).mean())


def titles(names: tuple[str, ...], target: str) -> list[str]:
    """What the columns are called that a prediction adds to a table."""
    return [f"predicted_{target}", *(f"{name}_{target}" for name in names[1:])]


def columns(found: Answers, names: tuple[str, ...], target: str) -> dict[str, npt.NDArray[Any]]:
    """What a model `found` for n rows, shape (n, 3): the estimate and the ends of its interval, by column."""
    return dict(zip(titles(names, target), found.astype(np.float64).T, strict=True))


def answered(numbers: list[float], names: tuple[str, ...]) -> dict[str, Any]:
    """What a model found for one row, as the API says it: the estimate and the ends of its interval."""
    return dict(zip(names, numbers, strict=True))


def heard(said: Sequence[Mapping[str, Any]], names: tuple[str, ...]) -> Answers:
    """What a model found for n rows, shape (n, 3), from what `answered` made of it."""
    return np.column_stack([np.fromiter((one[name] for one in said), np.float64, len(said)) for name in names])


def answer_schema(names: tuple[str, ...]) -> dict[str, Any]:
    """The JSON schema of the answer for one row."""
    numbers = {name: {"type": "number"} for name in names}
    return {"title": "Answer", "type": "object", "properties": numbers, "required": list(names)}


def sound(found: Answers) -> bool:
    """Whether answers of shape (n, 3) are estimates inside of their intervals."""
    estimate, low, high = found.T
    return bool((low <= estimate).all() and (estimate <= high).all() and np.isfinite(found).all())


def described(_contract: Contract, _target: str) -> str:
    """What the model card says of the answer."""
    return f"as a number, with an interval that is to hold it for {COVERAGE:.0%} of rows"


def promised(_contract: Contract, target: str, shown: Callable[[str], str]) -> str:
    """What the README says that the project does; `shown` writes a name so that it cannot end a piece of code."""
    return f"estimates `{shown(target)}`"


def refuse_what_cannot_be_learnt(table: "pd.DataFrame", target: str, source: Path) -> None:
    """Look at the target column of `table` before the contract does, since its faults have remedies of their own.

    Raises:
        DataError: it is the same in all rows.
    """
    if table[target].nunique() == 1:
        raise DataError(
            f'{source}: the target column "{target}" is {table[target].iloc[0]} in all {len(table):,} rows, so there '
            "is nothing to estimate. Check the filter that made this file, or choose another column as data.target in "
            "conf/params.yaml."
        )


def refuse_what_was_not_dealt(seen: Truth, _contract: Contract, target: str, source: Path) -> None:
    """Look at the truth of the training part, shape (n,).

    Raises:
        DataError: it is the same in all rows.
    """
    if len(np.unique(seen)) < 2:
        raise DataError(
            f"{source}: {target} is {seen[0]:g} in all rows of the training part, so there is nothing to learn. "
            "Add rows, or choose another column as data.target in conf/params.yaml."
        )
