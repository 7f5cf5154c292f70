"""See whether a column can be the target of a classifier, and keep the rows that can be learnt from."""

from typing import TYPE_CHECKING

from .data import DataError
from .kinds import numbers, times

if TYPE_CHECKING:
    import pandas as pd

ROWS = 50  # fewer cannot be dealt into parts that say anything
RARE = 8  # rows of a class; with fewer, the training part may get none
CLASSES = 100
NUMBERS = 20  # different ones, from which on they are amounts and no classes
ELSE = "choose another column with TARGET="


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
            f"Label more rows, take those out, or {ELSE}."
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
            f"{where} has {said}. A classifier needs at least two. Check the filter that made this table, or {ELSE}."
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
            f"{number.max():g}. This project tells classes apart: cut the numbers into a few named ranges, or {ELSE}."
        )
    if different > NUMBERS and times(present) is not None:
        raise DataError(f"{where} holds {different:,} different dates, and this project tells classes apart: {ELSE}.")
    if different > CLASSES or (different > NUMBERS and 2 * different > len(present)):
        examples = " and ".join(f'"{name[:40]}"' for name in present.drop_duplicates().head(2))
        raise DataError(
            f"{where} has {different:,} classes in {len(present):,} rows, for example {examples}; up to {CLASSES} can "
            f"be told apart. Join them into fewer, or {ELSE}."
        )
