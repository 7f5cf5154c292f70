"""See whether a column can be the target of a classifier, and what guards it or gives it away."""

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from mlkeel.data.kinds import codes_of, listed, numbers, times
from mlkeel.errors import DataError, Hint

if TYPE_CHECKING:
    import pandas as pd

ROWS = 50  # fewer cannot be dealt into parts that say anything
RARE = 8  # rows of a class; with fewer, the training part may get none
CLASSES = 100
NUMBERS = 20  # different ones, from which on they are amounts and no classes
REPEATS = 5  # rows to each category on average, for a category that is always of one class not to be so by chance


def labelled(table: "pd.DataFrame", target: str, origin: str) -> "tuple[pd.DataFrame, list[str]]":
    """The rows of `table`, shape (n, columns), whose label is of a class not too rare; and notes of what was left out.

    Raises:
        DataError: the target is mostly missing, of one class, continuous, or of hundreds of classes; or too few rows
            are left.
    """
    values, where = table[target], f'{origin}: the target column "{target}"'
    present = values.dropna()
    if 2 * len(present) < len(values):
        raise DataError(
            f"{where} is mostly missing: it has no value in {len(values) - len(present):,} of {len(values):,} rows. "
            "Label more rows, or take those out.",
            Hint.OTHER_TARGET,
        )
    _refuse_what_is_no_class(present, where)
    counts = present.value_counts()
    rare = counts[counts < RARE]
    common = values.isin(counts.index.difference(rare.index))
    if len(counts) - len(rare) < 2:
        said = f'one class only ("{counts.index[0]}", {counts.iloc[0]:,} rows)'
        if len(counts) > 1:
            others = ", ".join(f'"{name}" {count}' for name, count in rare.head(5).items())
            said = f"hardly more than {said}; the others have fewer than {RARE} rows ({others})"
        raise DataError(
            f"{where} has {said}. A classifier needs at least two. Check the filter that made this table.",
            Hint.OTHER_TARGET,
        )
    kept = table[common].reset_index(drop=True)
    if len(kept) < ROWS:
        raise DataError(
            f"{origin}: {len(kept)} rows have a value of {target}, and {ROWS} are needed to train on some of them and "
            "judge by others. Add rows."
        )
    notes = []
    if missing := len(values) - len(present):
        notes.append(f"{missing:,} rows without a value of {target} were left out")
    if len(rare):
        names = ", ".join(map(str, rare.index[:5])) + (", …" if len(rare) > 5 else "")
        notes.append(f"{int(rare.sum()):,} rows of classes with fewer than {RARE} rows were left out: {names}")
    return kept, notes


def _refuse_what_is_no_class(present: "pd.Series[str]", where: str) -> None:
    different = present.nunique()
    number = numbers(present, lenient=True)
    if number is not None and different > NUMBERS:
        raise DataError(
            f"{where} is continuous: it has {different:,} different numbers, from {number.min():g} to "
            f"{number.max():g}. This project tells classes apart: cut the numbers into a few named ranges, or make "
            "a project that estimates numbers (task tabular-regression).",
            Hint.OTHER_TARGET,
        )
    if different > NUMBERS and times(present) is not None:
        raise DataError(
            f"{where} holds {different:,} different dates, and this project tells classes apart.", Hint.OTHER_TARGET
        )
    if different > CLASSES or (different > NUMBERS and 2 * different > len(present)):
        examples = " and ".join(f'"{name[:40]}"' for name in present.drop_duplicates().head(2))
        raise DataError(
            f"{where} has {different:,} classes in {len(present):,} rows, for example {examples}; up to {CLASSES} can "
            "be told apart. Join them into fewer.",
            Hint.OTHER_TARGET,
        )


def seen(values: "pd.Series[str]") -> str:
    """What `adopt` says of the target."""
    return listed(values)


def coded(target: "pd.Series[Any]") -> npt.NDArray[np.int64]:
    """The target of n rows as codes, shape (n,), for the two that follow."""
    return codes_of(target)


def same(codes: npt.NDArray[np.int64], classes: npt.NDArray[np.int64]) -> bool:
    """Whether a column with these codes says the same as the target in other words."""
    return bool(np.array_equal(codes, classes))


def gives_away(values: "npt.NDArray[np.int64] | pd.Series[float]", classes: npt.NDArray[np.int64]) -> bool:
    """Whether `values`, n codes of categories or n numbers, tell each of the n `classes` without a mistake.

    Numbers do so if, in their order, the class changes no more often than twice for each class: a tree with so few
    leaves would be right everywhere. A missing value counts as a value of its own.
    """
    kinds = int(classes.max()) + 1
    of_categories = isinstance(values, np.ndarray)
    numbers = np.asarray(values, dtype=np.float64)
    order = np.lexsort((classes, numbers))
    numbers, sorted_classes = numbers[order], classes[order]
    same = (numbers[1:] == numbers[:-1]) | (np.isnan(numbers[1:]) & np.isnan(numbers[:-1]))
    changes = sorted_classes[1:] != sorted_classes[:-1]
    if (same & changes).any():
        return False
    different = int((~same).sum()) + 1
    return different <= len(numbers) / REPEATS if of_categories else int(changes.sum()) <= 2 * kinds
