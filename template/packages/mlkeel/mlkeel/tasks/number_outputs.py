"""Outputs of a regressor: an estimate, and an interval that holds the target as often as `COVERAGE` says."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from mlkeel.contract import markdown
from mlkeel.contract.suites import Contract, Expectation
from mlkeel.errors import DataError
from mlkeel.tasks.outputs import Outputs, Targets

if TYPE_CHECKING:
    import pandas as pd

TYPE = "float64"  # of the target, in the contract
COVERAGE = 0.9


def output_names(_contract: Contract, _target: str) -> tuple[str, ...]:
    """Return the names of the outputs, in the order of their columns."""
    return ("estimate", "low", "high")


def encode(values: "pd.Series[float]", _contract: Contract) -> Targets:
    """Return the numbers of n rows, shape (n,)."""
    return np.asarray(values, dtype=np.float64)


def half_width(estimates: Outputs, y_true: Targets) -> float:
    """Return half the width of the interval, from n rows that were not trained on: split conformal prediction.

    The same rows decided on early stopping, so the coverage is only near `COVERAGE`. With fewer than nine rows, it is
    the largest residual. Source: Lei et al. 2018, "Distribution-Free Predictive Inference for Regression".
    """
    residuals = np.sort(np.abs(estimates - y_true))
    index = int(np.ceil((len(residuals) + 1) * COVERAGE)) - 1
    return float(residuals[min(index, len(residuals) - 1)])


def with_interval(estimates: Outputs, half: float | npt.NDArray[np.float64]) -> Outputs:
    """Return outputs, shape (n, 3), from n estimates and half the width of all intervals, or of each."""
    return np.column_stack([estimates, estimates - half, estimates + half])


def interval_scores(outputs: Outputs, y_true: Targets) -> npt.NDArray[np.float64]:
    """Return the interval score of each of n rows, shape (n,): its width, and a penalty if it misses the target.

    The smaller the better, and best for an interval between two quantiles of the target. Source: Gneiting and Raftery
    2007, "Strictly Proper Scoring Rules, Prediction, and Estimation", section 6.2.
    """
    _, low, high = outputs.astype(np.float64).T
    distance = np.maximum(low - y_true, 0) + np.maximum(y_true - high, 0)
    scores: npt.NDArray[np.float64] = high - low + 2 / (1 - COVERAGE) * distance
    return scores


def target_expectations(_contract: Contract, _target: str) -> list[Expectation]:
    """Return the expectations on feedback: none, since a true number may be out of any range."""
    return []


def target_scale(y_true: Targets) -> float:
    """Return the unit of differences of outputs: the standard deviation of the target."""
    return float(y_true.std()) or 1.0


def loss_without_features(y_true: Targets) -> float:
    """Return the mean absolute error of predicting the median for each of n rows."""
    return float(np.abs(y_true - np.median(y_true)).mean())


def output_columns(names: tuple[str, ...], target: str) -> list[str]:
    """Return the names of the columns that predictions add to a table."""
    return [f"predicted_{target}", *(f"{name}_{target}" for name in names[1:])]


def to_columns(
    outputs: Outputs, names: tuple[str, ...], target: str, _decided: Targets | None = None
) -> dict[str, npt.NDArray[Any]]:
    """Convert outputs of n rows, shape (n, 3), to columns: the estimate and the ends of its interval."""
    return dict(zip(output_columns(names, target), outputs.astype(np.float64).T, strict=True))


def to_json(numbers: list[float], names: tuple[str, ...], _decided: int | None = None) -> dict[str, Any]:
    """Return the prediction of one row in a response: the estimate and the ends of its interval."""
    return dict(zip(names, numbers, strict=True))


def from_json(predictions: Sequence[Mapping[str, Any]], names: tuple[str, ...]) -> Outputs:
    """Read the outputs of n rows, shape (n, 3), from the predictions that `to_json` returned."""
    rows = len(predictions)
    return np.column_stack([np.fromiter((item[name] for item in predictions), np.float64, rows) for name in names])


def output_schema(names: tuple[str, ...]) -> dict[str, Any]:
    """Return the JSON schema of the prediction of one row."""
    properties = {name: {"type": "number"} for name in names}
    return {"title": "Answer", "type": "object", "properties": properties, "required": list(names)}


def is_valid(outputs: Outputs) -> bool:
    """Return whether outputs, shape (n, 3), are finite estimates inside their intervals."""
    estimate, low, high = outputs.T
    return bool((low <= estimate).all() and (estimate <= high).all() and np.isfinite(outputs).all())


def output_sentence(_contract: Contract, _target: str) -> str:
    """Describe the outputs in words, for the model card."""
    return f"as a number, with an interval that is to hold it for {COVERAGE:.0%} of rows"


def task_sentence(_contract: Contract, target: str, _quote: Callable[[str], str]) -> str:
    """Describe what the project predicts, the target as a code span."""
    return f"predicts {markdown.code(target)}"


def check_target(table: "pd.DataFrame", target: str, source: Path) -> None:
    """Check that the target varies, before the contract is checked, whose message would not help.

    Raises:
        DataError: the target is the same in all rows.
    """
    if table[target].nunique() == 1:
        raise DataError(
            f'{source}: the target column "{target}" is {table[target].iloc[0]} in all {len(table):,} rows, so there '
            "is nothing to estimate. Check the filter that made this file, or choose another column as data.target in "
            "conf/params.yaml."
        )


def check_train_targets(y_true: Targets, _contract: Contract, target: str, source: Path) -> None:
    """Check that the target of the training rows, shape (n,), varies.

    Raises:
        DataError: the target is the same in all of them.
    """
    if len(np.unique(y_true)) < 2:
        raise DataError(
            f"{source}: {target} is {y_true[0]:g} in all training rows, so there is nothing to learn. "
            "Add rows, or choose another column as data.target in conf/params.yaml."
        )
