"""Check that a column can be the target of a regression, and find columns that leak it."""

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from mlkeel.data.column_types import codes_of, invalid_numbers, numbers, shorten, times
from mlkeel.errors import DataError, Hint
from mlkeel.tasks.task import present_values

if TYPE_CHECKING:
    import pandas as pd

MIN_ROWS = 50  # with fewer, the splits are too small to tell anything
MIN_DISTINCT = 8  # fewer different numbers are classes
MAX_ABSOLUTE_VALUE = 1e37  # single precision ends at 3.4e38
MIN_ROWS_PER_CATEGORY = 5  # on average; with fewer, categories can have one number each by chance
MIN_RANK_CORRELATION = 0.9999  # of a column that stands for the target


def drop_unlabeled(table: "pd.DataFrame", target: str, origin: str) -> "tuple[pd.DataFrame, list[str]]":
    """Return the rows of `table`, shape (n, columns), that have a target, and notes on those left out.

    Raises:
        DataError: the target is mostly missing, holds no numbers or hardly different ones; or too few rows are left.
    """
    values = table[target]
    where = f'{origin}: the target column "{target}"'
    present = present_values(values, where, "Fill more rows, or take those out.")
    _check_numbers(present, where)
    if len(present) < MIN_ROWS:
        raise DataError(
            f"{origin}: {len(present)} rows have a value of {target}, and {MIN_ROWS} are needed to train on some of "
            "them and judge by others. Add rows."
        )
    labeled = table[values.notna()].reset_index(drop=True)
    missing = len(values) - len(present)
    return labeled, [f"{missing:,} rows without a value of {target} were left out"] if missing else []


def _check_numbers(present: "pd.Series[str]", where: str) -> None:
    amounts = numbers(present, lenient=True)
    if amounts is None:
        invalid = invalid_numbers(present).tolist()
        if times(present) is not None:
            raise DataError(f"{where} holds dates, and this project estimates numbers.", Hint.OTHER_TARGET)
        examples = ", ".join(f'"{shorten(value)}"' for value in dict.fromkeys(invalid[:3]))
        raise DataError(
            f"{where} holds {len(invalid):,} values that are no numbers, for example {examples}. Correct or empty "
            "those; if the column names classes, make a project for them (task tabular-classification).",
            Hint.OTHER_TARGET,
        )
    if amounts.nunique() == 1:
        raise DataError(
            f"{where} is {amounts.iloc[0]:g} in all rows, so there is nothing to estimate.", Hint.OTHER_TARGET
        )
    if amounts.nunique() < MIN_DISTINCT:
        raise DataError(
            f"{where} has {amounts.nunique()} different numbers only, which are classes rather than amounts: make a "
            "project for those (task tabular-classification).",
            Hint.OTHER_TARGET,
        )
    if amounts.abs().max() > MAX_ABSOLUTE_VALUE:
        raise DataError(
            f"{where} holds numbers too large for single precision. Choose a larger unit.", Hint.OTHER_TARGET
        )
    if amounts.astype(np.float32).nunique() < amounts.nunique() / 2:
        raise DataError(
            f"{where} holds numbers that differ too little for single precision, from {amounts.min():.12g} to "
            f"{amounts.max():.12g}. Subtract what they share.",
            Hint.OTHER_TARGET,
        )


def describe(values: "pd.Series[str]") -> str:
    """Describe the target for the output of `adopt`."""
    amounts = numbers(values, lenient=True)
    return "" if amounts is None else f"numbers from {amounts.min():.6g} to {amounts.max():.6g}"


def encode(target: "pd.Series[Any]") -> npt.NDArray[np.float64]:
    """Encode the target of n rows as numbers, shape (n,), for `is_copy` and `leaks_target`."""
    import pandas as pd

    return pd.to_numeric(target).to_numpy(np.float64)


def is_copy(codes: npt.NDArray[np.int64], y_true: npt.NDArray[np.float64]) -> bool:
    """Return whether a column with these codes is the target under other names."""
    n_categories = int(codes.max()) + 1
    return n_categories <= len(codes) / MIN_ROWS_PER_CATEGORY and np.array_equal(codes, _codes_of_numbers(y_true))


def _codes_of_numbers(y_true: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """Encode each number as an integer, in the order of first occurrence."""
    import pandas as pd

    return codes_of(pd.Series(y_true))


def leaks_target(values: "npt.NDArray[np.int64] | pd.Series[float]", y_true: npt.NDArray[np.float64]) -> bool:
    """Return whether `values`, n codes of categories or n numbers, determine each of the n numbers in `y_true`.

    Categories do so if each has one number, and numbers if they have the same or the opposite order as the target: such
    a column may be the target in another unit.
    """
    import pandas as pd

    if isinstance(values, np.ndarray):
        distinct = pd.Series(y_true).groupby(values).nunique()
        return bool(
            len(distinct) <= len(values) / MIN_ROWS_PER_CATEGORY and (distinct == 1).all() and len(distinct) > 1
        )
    pairs = pd.DataFrame({"value": np.asarray(values, dtype=np.float64), "y_true": y_true}).dropna()
    if 2 * len(pairs) < len(y_true) or pairs["value"].nunique() < 3:
        return False
    return bool(abs(pairs["value"].rank().corr(pairs["y_true"].rank())) >= MIN_RANK_CORRELATION)
