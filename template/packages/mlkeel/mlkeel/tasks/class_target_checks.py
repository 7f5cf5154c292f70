"""Check that a column can be the target of a classifier, and find columns that leak it."""

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from mlkeel.data.column_types import codes_of, describe_values, numbers, times
from mlkeel.errors import DataError, Hint
from mlkeel.tasks.task import present_values

if TYPE_CHECKING:
    import pandas as pd

MIN_ROWS = 50  # with fewer, the splits are too small to tell anything
MIN_CLASS_ROWS = 8  # with fewer, the training split may get none
MAX_CLASSES = 100
MAX_NUMERIC_CLASSES = 20  # more different numbers are amounts and no classes
MIN_ROWS_PER_CATEGORY = 5  # on average; with fewer, categories can be of one class each by chance


def drop_unlabeled(table: "pd.DataFrame", target: str, origin: str) -> "tuple[pd.DataFrame, list[str]]":
    """Return the rows of `table`, shape (n, columns), with a class that is not too rare, and notes on those left out.

    Raises:
        DataError: the target is mostly missing, of one class, continuous, or of hundreds of classes; or too few rows
            are left.
    """
    values = table[target]
    where = f'{origin}: the target column "{target}"'
    present = present_values(values, where, "Label more rows, or take those out.")
    _check_classes(present, where)
    counts = present.value_counts()
    rare = counts[counts < MIN_CLASS_ROWS]
    common = values.isin(counts.index.difference(rare.index))
    if len(counts) - len(rare) < 2:
        problem = f'one class only ("{counts.index[0]}", {counts.iloc[0]:,} rows)'
        if len(counts) > 1:
            others = ", ".join(f'"{name}" {count}' for name, count in rare.head(5).items())
            problem = f"hardly more than {problem}; the others have fewer than {MIN_CLASS_ROWS} rows ({others})"
        raise DataError(
            f"{where} has {problem}. A classifier needs at least two. Check the filter that made this table.",
            Hint.OTHER_TARGET,
        )
    labeled = table[common].reset_index(drop=True)
    if len(labeled) < MIN_ROWS:
        raise DataError(
            f"{origin}: {len(labeled)} rows have a value of {target}, and {MIN_ROWS} are needed to train on some of "
            "them and judge by others. Add rows."
        )
    notes = []
    if missing := len(values) - len(present):
        notes.append(f"{missing:,} rows without a value of {target} were left out")
    if len(rare):
        names = ", ".join(map(str, rare.index[:5])) + (", …" if len(rare) > 5 else "")
        n_rare = int(rare.sum())
        notes.append(f"{n_rare:,} rows of classes with fewer than {MIN_CLASS_ROWS} rows were left out: {names}")
    return labeled, notes


def _check_classes(present: "pd.Series[str]", where: str) -> None:
    n_classes = present.nunique()
    amounts = numbers(present, lenient=True)
    if amounts is not None and n_classes > MAX_NUMERIC_CLASSES:
        raise DataError(
            f"{where} is continuous: it has {n_classes:,} different numbers, from {amounts.min():g} to "
            f"{amounts.max():g}. This project tells classes apart: cut the numbers into a few named ranges, or make "
            "a project that estimates numbers (task tabular-regression).",
            Hint.OTHER_TARGET,
        )
    if n_classes > MAX_NUMERIC_CLASSES and times(present) is not None:
        raise DataError(
            f"{where} holds {n_classes:,} different dates, and this project tells classes apart.", Hint.OTHER_TARGET
        )
    if n_classes > MAX_CLASSES or (n_classes > MAX_NUMERIC_CLASSES and 2 * n_classes > len(present)):
        examples = " and ".join(f'"{name[:40]}"' for name in present.drop_duplicates().head(2))
        raise DataError(
            f"{where} has {n_classes:,} classes in {len(present):,} rows, for example {examples}. Up to {MAX_CLASSES} "
            "can be told apart, each with several rows. Join them into fewer.",
            Hint.OTHER_TARGET,
        )


def describe(values: "pd.Series[str]") -> str:
    """Describe the target for the output of `adopt`."""
    return describe_values(values)


def encode(target: "pd.Series[Any]") -> npt.NDArray[np.int64]:
    """Encode the target of n rows as codes, shape (n,), for `is_copy` and `leaks_target`."""
    return codes_of(target)


def is_copy(codes: npt.NDArray[np.int64], y_true: npt.NDArray[np.int64]) -> bool:
    """Return whether a column with these codes is the target under other names."""
    return bool(np.array_equal(codes, y_true))


def leaks_target(values: "npt.NDArray[np.int64] | pd.Series[float]", y_true: npt.NDArray[np.int64]) -> bool:
    """Return whether `values`, n codes of categories or n numbers, determine each of the n classes in `y_true`.

    Numbers do so if, in their order, the class changes no more often than twice for each class: a tree with so few
    leaves would have no error. A missing value counts as a value of its own.
    """
    n_classes = int(y_true.max()) + 1
    are_categories = isinstance(values, np.ndarray)
    feature = np.asarray(values, dtype=np.float64)
    order = np.lexsort((y_true, feature))
    feature = feature[order]
    classes = y_true[order]
    is_same_value = (feature[1:] == feature[:-1]) | (np.isnan(feature[1:]) & np.isnan(feature[:-1]))
    is_other_class = classes[1:] != classes[:-1]
    if (is_same_value & is_other_class).any():
        return False
    n_values = int((~is_same_value).sum()) + 1
    if are_categories:
        return n_values <= len(feature) / MIN_ROWS_PER_CATEGORY
    return int(is_other_class.sum()) <= 2 * n_classes
