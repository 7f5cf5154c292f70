"""See whether a column can be the target of a regression, and what guards it or gives it away."""

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from mlkeel.data.kinds import codes_of, not_numbers, numbers, short, times
from mlkeel.errors import DataError, Hint

if TYPE_CHECKING:
    import pandas as pd

ROWS = 50  # fewer cannot be dealt into parts that say anything
FEWEST = 8  # different numbers, with fewer of which they are classes
LARGEST = 1e37  # that single precision holds with room
REPEATS = 5  # rows to each category on average, for a category that always has one number not to have it by chance
ALIKE = 0.9999  # rank correlation, from which on a column says the same as the target


def labelled(table: "pd.DataFrame", target: str, origin: str) -> "tuple[pd.DataFrame, list[str]]":
    """The rows of `table`, shape (n, columns), that have a number as target; and notes of what was left out.

    Raises:
        DataError: the target is mostly missing, holds no numbers or hardly different ones; or too few rows are left.
    """
    values, where = table[target], f'{origin}: the target column "{target}"'
    present = values.dropna()
    if 2 * len(present) < len(values):
        raise DataError(
            f"{where} is mostly missing: it has no value in {len(values) - len(present):,} of {len(values):,} rows. "
            "Fill more rows, or take those out.",
            Hint.OTHER_TARGET,
        )
    _refuse_what_is_no_amount(present, where)
    if len(present) < ROWS:
        raise DataError(
            f"{origin}: {len(present)} rows have a value of {target}, and {ROWS} are needed to train on some of them "
            "and judge by others. Add rows."
        )
    kept = table[values.notna()].reset_index(drop=True)
    missing = len(values) - len(present)
    return kept, [f"{missing:,} rows without a value of {target} were left out"] if missing else []


def _refuse_what_is_no_amount(present: "pd.Series[str]", where: str) -> None:
    number = numbers(present, lenient=True)
    if number is None:
        odd = not_numbers(present).tolist()
        if times(present) is not None:
            raise DataError(f"{where} holds dates, and this project estimates numbers.", Hint.OTHER_TARGET)
        examples = ", ".join(f'"{short(value)}"' for value in dict.fromkeys(odd[:3]))
        raise DataError(
            f"{where} holds {len(odd):,} values that are no numbers, for example {examples}. Correct or empty those; "
            "if the column names classes, make a project for them (task tabular-classification).",
            Hint.OTHER_TARGET,
        )
    if number.nunique() == 1:
        raise DataError(
            f"{where} is {number.iloc[0]:g} in all rows, so there is nothing to estimate.", Hint.OTHER_TARGET
        )
    if number.nunique() < FEWEST:
        raise DataError(
            f"{where} has {number.nunique()} different numbers only, which are classes rather than amounts: make a "
            "project for those (task tabular-classification).",
            Hint.OTHER_TARGET,
        )
    if number.abs().max() > LARGEST:
        raise DataError(
            f"{where} holds numbers too large for single precision. Choose a larger unit.", Hint.OTHER_TARGET
        )
    if number.astype(np.float32).nunique() < number.nunique() / 2:
        raise DataError(
            f"{where} holds numbers that differ too little for single precision, from {number.min():.12g} to "
            f"{number.max():.12g}. Subtract what they share.",
            Hint.OTHER_TARGET,
        )


def seen(values: "pd.Series[str]") -> str:
    """What `adopt` says of the target."""
    number = numbers(values, lenient=True)
    return "" if number is None else f"numbers from {number.min():.6g} to {number.max():.6g}"


def coded(target: "pd.Series[Any]") -> npt.NDArray[np.float64]:
    """The target of n rows as numbers, shape (n,), for the two that follow."""
    import pandas as pd

    return pd.to_numeric(target).to_numpy(np.float64)


def same(codes: npt.NDArray[np.int64], truth: npt.NDArray[np.float64]) -> bool:
    """Whether a column with these codes says the same as the target in other words."""
    different = int(codes.max()) + 1
    return different <= len(codes) / REPEATS and np.array_equal(codes, codes_of_numbers(truth))


def codes_of_numbers(truth: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """Each number as the place of its first occurrence among the different ones."""
    import pandas as pd

    return codes_of(pd.Series(truth))


def gives_away(values: "npt.NDArray[np.int64] | pd.Series[float]", truth: npt.NDArray[np.float64]) -> bool:
    """Whether `values`, n codes of categories or n numbers, tell each of the n numbers of `truth`.

    Categories do so if each stands for one number, and numbers if they have the same order as the target throughout: it
    may be the target in another unit.
    """
    import pandas as pd

    if isinstance(values, np.ndarray):
        spread = pd.Series(truth).groupby(values).nunique()
        return bool(len(spread) <= len(values) / REPEATS and (spread == 1).all() and len(spread) > 1)
    both = pd.DataFrame({"value": np.asarray(values, dtype=np.float64), "truth": truth}).dropna()
    if 2 * len(both) < len(truth) or both["value"].nunique() < 3:
        return False
    return bool(abs(both["value"].rank().corr(both["truth"].rank())) >= ALIKE)
