"""Cut a table in time: what comes first is for training, what comes last for testing."""

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from mlkeel.config import SplitSettings
from mlkeel.contract.dates import seconds
from mlkeel.data.folds import Fold, Sides, fold_windows
from mlkeel.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

Moments = npt.NDArray[np.float64]
EXCLUDED = -1  # the side of a row that is in no split
MIN_TIMES = 3  # one for each split


def moments_of(values: "pd.Series[Any]") -> Moments:
    """Return the times of n rows as numbers, shape (n,): seconds if they are dates; NaN where there is none."""
    import pandas as pd

    if isinstance(values.dtype, pd.DatetimeTZDtype):
        values = values.dt.tz_convert("UTC").dt.tz_localize(None)
    if pd.api.types.is_datetime64_any_dtype(values.dtype):
        return np.asarray((values - pd.Timestamp(0)) / pd.Timedelta(seconds=1), dtype=np.float64)
    if pd.api.types.is_numeric_dtype(values.dtype):
        return values.to_numpy(dtype=np.float64, na_value=np.nan)
    codes, distinct = pd.factorize(values)
    moments = np.array([*map(seconds, distinct), np.nan])
    return moments[codes]  # the code of a missing value is -1


def time_windows(values: "pd.Series[Any]", settings: SplitSettings, fold: Fold | None = None) -> Sides:
    """Return the window in which the time of each row is, shape (n,), or EXCLUDED if it is in the gap after another.

    Windows are cut where the shares come nearest, and never between equal times. Rows that come later therefore move
    others only from test to validation and from validation to training.

    Raises:
        DataError: a time is missing or none, there are fewer than three, or the gap is of another kind than the times.
    """
    import pandas as pd

    moments = moments_of(values)
    _require_times(values, moments)
    if len(np.unique(moments)) < MIN_TIMES:
        raise DataError(
            f"data.split in conf/params.yaml is by the times in {values.name}, which holds {len(np.unique(moments))} "
            f"different, and at least {MIN_TIMES} are needed, one for each split. Use a column of finer times, or "
            "another kind of split."
        )
    gap = settings.gap_s if isinstance(settings.gap, str) else settings.gap
    are_numbers = pd.api.types.is_numeric_dtype(values.dtype)
    if gap is not None and are_numbers == isinstance(settings.gap, str):
        remedy = f"a number in the unit of {values.name}" if are_numbers else "a duration, as 7 days"
        raise DataError(
            f'data.split.gap in conf/params.yaml is "{settings.gap}", and {values.name} holds '
            f"{'numbers' if are_numbers else 'dates'}. Write {remedy}."
        )
    windows = fold_windows(moments, settings, fold, EXCLUDED) if fold else cut(moments, settings.shares)
    if gap is None or len(np.unique(windows[windows != EXCLUDED])) < MIN_TIMES:
        return windows
    train_end = moments[windows == 0].max()
    validation_end = moments[windows == 1].max()
    ends = np.array([-np.inf, train_end, validation_end])
    return np.where(moments <= ends[windows] + gap, EXCLUDED, windows)


def cut(values: npt.NDArray[np.float64], shares: tuple[float, float, float]) -> Sides:
    """Cut n rows in the order of their `values`, shape (n,), where the shares come nearest; equal ones share a side.

    No side is empty if there are three different values. Of two, the first is for training and the second for testing.
    """
    distinct, positions, counts = np.unique(values, return_inverse=True, return_counts=True)
    cumulative = np.concatenate([[0], counts.cumsum()])
    last = len(distinct) - 1
    wanted = np.array([shares[0], shares[0] + shares[1]]) * len(values)
    first_cut, second_cut = np.abs(cumulative[:, None] - wanted).argmin(axis=0)
    first_cut = np.clip(first_cut, 1, max(last - 1, 1))
    second_cut = np.clip(second_cut, min(first_cut + 1, last), max(last, 1))
    sides = np.zeros(len(distinct), dtype=np.int64)
    sides[first_cut:] = 1
    sides[second_cut:] = 2
    return sides[positions]


def time_span(values: "pd.Series[Any]", sides: Sides) -> str:
    """Return until when rows are for training, and from when for testing, in words."""
    moments = moments_of(values)
    end = values.iloc[int(np.where(sides == 0, moments, -np.inf).argmax())]
    start = values.iloc[int(np.where(sides == 2, moments, np.inf).argmin())]
    return f"trained until {_format_time(end)}, tested from {_format_time(start)}"


def _require_times(values: "pd.Series[Any]", moments: Moments) -> None:
    if missing := int(values.isna().sum()):
        raise DataError(
            f"{missing:,} of {len(values):,} rows have no value of {values.name}, by which data.split in "
            f"conf/params.yaml orders them, the first in row {int(values.isna().to_numpy().argmax()) + 1:,}. Fill them "
            "in, take those rows out in load of data.py, or use another kind of split."
        )
    if (invalid := ~np.isfinite(moments)).any():
        raise DataError(
            f"{int(invalid.sum()):,} of {len(values):,} values of {values.name}, by which data.split in "
            f'conf/params.yaml orders rows, are neither dates like 2026-11-22 nor numbers, the first is "'
            f'{values.iloc[int(invalid.argmax())]}". Correct them, or use another kind of split.'
        )


def _format_time(value: Any) -> str:  # noqa: ANN401 - a text, a number or a time
    if isinstance(value, int | float | np.number):
        number = float(value)
        return str(int(number)) if number.is_integer() else str(number)
    return str(value).replace(" ", "T")
