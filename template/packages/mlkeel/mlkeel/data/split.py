"""Split a table into train, validation and test, so that no duplicate, group or time stands in two of them.

Rows are assigned by a hash of their key, their values or their group, or by their time: equal rows share a split, and a
row keeps its split when the table grows. Which of these is a decision, `data.split` in `conf/params.yaml`: a score on
rows whose group or time the model has seen is too good.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from mlkeel.config import SplitSettings
from mlkeel.data.example_hash import Positions, hash_positions, single_positions
from mlkeel.data.folds import Fold, Sides, fold_sides
from mlkeel.data.split_description import OWN_SPLIT, SplitDescription
from mlkeel.data.time_split import EXCLUDED, cut, time_span, time_windows
from mlkeel.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

logger = logging.getLogger(__name__)
Places = npt.NDArray[np.int64]  # of rows in a table
NAMES = ("train", "validation", "test")
MIN_EXAMPLES = 100  # different rows; fewer, if each is repeated often, cannot be dealt into shares
MIN_COPIES_OF_ALL = (
    10  # of each different row, on average, for all rows to be split singly; fewer can be copies by mistake
)
MIN_COPIES = 5  # of each different row of a class that a split lacks, on average, for its rows to be split singly
MAX_LISTED = 5  # values in a message
MIN_SHARE_KEPT = 0.5  # of the share of a split; with less, a message says how many rows each has


@dataclass(frozen=True)
class Split:
    """The three splits of a table, and the rows in none of them; together they hold each row once.

    Attributes:
        train: the rows to learn from.
        validation: the rows to stop by.
        test: the rows to evaluate on.
        excluded: rows in a gap, or of a group that is on another side; None if there are none.
        description: what the table was split by.
        disjoint: columns, one or several together, of which no value is in two splits.
    """

    train: "pd.DataFrame"
    validation: "pd.DataFrame"
    test: "pd.DataFrame"
    excluded: "pd.DataFrame | None" = None
    description: SplitDescription = OWN_SPLIT
    disjoint: tuple[tuple[str, ...], ...] = ()

    @property
    def frames(self) -> "dict[str, pd.DataFrame]":
        """The splits by their names, without the rows that are in none."""
        return {"train": self.train, "validation": self.validation, "test": self.test}

    @property
    def all_frames(self) -> "dict[str, pd.DataFrame]":
        """The splits and the excluded rows by their names, which hold each row of the table once."""
        return self.frames if self.excluded is None else self.frames | {"excluded": self.excluded}


@dataclass(frozen=True)
class Assignment:
    """The side of each row, shape (n,), the split in words, and the columns of which no value is on two sides."""

    sides: Sides
    sentences: list[str]
    disjoint: tuple[tuple[str, ...], ...] = ()


def split(
    table: "pd.DataFrame",
    settings: SplitSettings,
    columns: Sequence[str] | None = None,
    classes: str | None = None,
    fold: Fold | None = None,
) -> Split:
    """Split the rows of `table` into train, validation and test.

    Args:
        table: one record a row, shape (n, columns).
        settings: by what to split, and into which shares of n.
        columns: those that tell examples apart, the features; all columns if None.
        classes: the target, if it holds classes.
        fold: of a cross-validation, if it is to be one of its splits.

    Raises:
        DataError: a split would be empty, or the table does not have what it is to be split by.
    """
    _require_columns(table, settings)
    examples = list(columns or table.columns)
    assignment = SPLITTERS[settings.by](table, settings, examples, classes, fold)
    sides = assignment.sides
    sentences = list(assignment.sentences)
    for name, side in zip(NAMES, range(3), strict=True):
        if not (sides == side).any():
            raise DataError(f"The {name} split is empty: {_why_empty(table, settings, examples, name, fold)}")
    if not fold:
        _warn_of_small_splits(sides, settings)
    if excluded_rows := int((sides == EXCLUDED).sum()):
        sentences.append(f"{_rows(excluded_rows)} in no split")
    description = SplitDescription(
        by=settings.by,
        columns=settings.columns or settings.key,
        sentence="; ".join(sentences),
        excluded_rows=excluded_rows,
    )
    train, validation, test, excluded = (table[sides == side] for side in (0, 1, 2, EXCLUDED))
    return Split(train, validation, test, excluded, description, assignment.disjoint)


def fold_places(
    table: "pd.DataFrame", settings: SplitSettings, columns: Sequence[str], classes: str | None, count: int
) -> list[tuple[Places, Places]]:
    """Return for each of `count` folds of `table` the places of the rows to learn from, and of those held out.

    Folds are made by the rule of the split, so that no group, time or duplicate is on both sides of one.

    Raises:
        DataError: the table has too few different rows, groups or times for so many folds.
    """
    numbered = table.reset_index(drop=True)
    folds = []
    for number in range(count):
        fold = split(numbered, settings, columns, classes, Fold(number, count))
        learnt = np.concatenate([fold.train.index.to_numpy(), fold.validation.index.to_numpy()])
        folds.append((np.sort(learnt), fold.test.index.to_numpy()))
    return folds


def _split_by_example(
    table: "pd.DataFrame",
    settings: SplitSettings,
    examples: list[str],
    classes: str | None,
    assign: Callable[[Positions], Sides],
) -> Assignment:
    """Assign rows by a hash of their example, so that equal ones share a side.

    Where few examples are repeated so often that this cannot be, rows are assigned singly: all of them if the whole
    table is so, else those of a class that would be left out of a split.
    """
    import pandas as pd

    positions = hash_positions(table[examples])
    if settings.key:
        keys = table[list(settings.key)]
        named = ", ".join(settings.key)
        is_missing = keys.isna().all(axis=1).to_numpy()
        sides = assign(np.where(is_missing, positions, hash_positions(keys)))
        otherwise = ", or of their values where it is missing" if is_missing.any() else ""
        return Assignment(sides, [f"rows dealt by a hash of {named}{otherwise}"], (settings.key,))
    sides = assign(positions)
    sentence = "rows dealt by a hash of their values"
    n_distinct = len(np.unique(positions))
    if n_distinct < MIN_EXAMPLES and len(table) >= MIN_COPIES_OF_ALL * n_distinct:
        note = f"only {n_distinct:,} of {_rows(len(table))} differ, so equal ones are on several sides"
        logger.warning("data.split: %s.", note)
        return Assignment(assign(single_positions(positions)), ["rows dealt singly, by a hash", note])
    if classes is None:
        return Assignment(sides, [sentence], (tuple(examples),))
    labels = table[classes]
    by_class = pd.DataFrame({"position": positions, "side": sides}).groupby(labels.to_numpy(dtype=object))
    counts = by_class.agg(rows=("side", "size"), distinct=("position", "nunique"), sides=("side", "nunique"))
    is_left_out = counts["sides"] < len(NAMES)
    is_repeated = counts["rows"] >= np.maximum(MIN_COPIES * counts["distinct"], len(NAMES))
    repeated = counts[is_left_out & is_repeated]
    if repeated.empty:
        return Assignment(sides, [sentence], (tuple(examples),))
    are_single = labels.isin(repeated.index).to_numpy()
    sides = assign(np.where(are_single, single_positions(positions), positions))
    named = ", ".join(
        f"{label} ({distinct:,} different in {_rows(rows)})"
        for label, rows, distinct in zip(repeated.index, repeated["rows"], repeated["distinct"], strict=True)
    )
    note = f"equal rows of {named} on several sides, as too few differ"
    logger.warning("data.split: %s.", note)
    return Assignment(sides, [sentence, note])


def _split_at_random(
    table: "pd.DataFrame", settings: SplitSettings, examples: list[str], classes: str | None, fold: Fold | None
) -> Assignment:
    return _split_by_example(table, settings, examples, classes, lambda positions: _sides(positions, settings, fold))


def _split_stratified(
    table: "pd.DataFrame", settings: SplitSettings, examples: list[str], classes: str | None, fold: Fold | None
) -> Assignment:
    """Cut each class, in the order of the hashes of its examples, at the shares."""
    if classes is None:
        raise DataError(
            "data.split in conf/params.yaml is by: stratified, which keeps the shares of classes, and the target holds "
            "numbers. Use by: random."
        )
    import pandas as pd

    codes = pd.factorize(table[classes], sort=True)[0]

    def assign(positions: Positions) -> Sides:
        of_example = _most_frequent(codes, positions)
        sides = np.zeros(len(table), dtype=np.int64)
        for code in np.unique(of_example):
            of_class = of_example == code
            of_its_rows = positions[of_class]
            sides[of_class] = fold_sides(of_its_rows, settings, fold) if fold else cut(of_its_rows, settings.shares)
        return sides

    assignment = _split_by_example(table, settings, examples, classes, assign)
    first, *notes = assignment.sentences
    return replace(assignment, sentences=[f"{first}, each class in its share", *notes])


def _most_frequent(codes: Sides, positions: Positions) -> Sides:
    """Return for each of n rows the most frequent of the `codes` of the rows with its position, shape (n,)."""
    import pandas as pd

    pairs = pd.DataFrame({"position": positions, "code": codes})
    counts = pairs.groupby(["position", "code"]).size().reset_index(name="rows")
    counts = counts.sort_values(["rows", "code"], ascending=[False, True]).drop_duplicates("position")
    return np.asarray(pairs["position"].map(counts.set_index("position")["code"]), dtype=np.int64)


def _split_by_group(
    table: "pd.DataFrame", settings: SplitSettings, examples: list[str], _classes: str | None, fold: Fold | None
) -> Assignment:
    """Assign each group by the hash of its value, and rows without a group as if each different one was a group."""
    name = str(settings.group)
    missing = table[name].isna().to_numpy()
    positions = np.where(missing, hash_positions(table[examples]), hash_positions(table[[name]]))
    return Assignment(_sides(positions, settings, fold), [f"by group: {name}", *_ungrouped(table, name)], ((name,),))


def _split_by_time(
    table: "pd.DataFrame", settings: SplitSettings, _examples: list[str], _classes: str | None, fold: Fold | None
) -> Assignment:
    times = table[str(settings.time)]
    sides = time_windows(times, settings, fold)
    return Assignment(sides, [_time_sentence("by time", times, settings, sides)], ((str(settings.time),),))


def _split_by_group_and_time(
    table: "pd.DataFrame", settings: SplitSettings, _examples: list[str], _classes: str | None, fold: Fold | None
) -> Assignment:
    """Cut in time, and keep of each group the rows in one window, which the hash of the group draws from its own.

    A row is in the window of its time or in none, so what is true of rows that come later holds here too.
    """
    import pandas as pd

    name = str(settings.group)
    times = table[str(settings.time)]
    windows = time_windows(times, settings, fold)
    groups, values = pd.factorize(table[name])
    is_candidate = (groups >= 0) & (windows != EXCLUDED)
    has_window = np.zeros((len(values), len(NAMES)), dtype=bool)
    has_window[groups[is_candidate], windows[is_candidate]] = True
    weights = has_window * np.array(settings.shares)
    totals = weights.sum(axis=1, keepdims=True)
    cumulative = np.divide(weights.cumsum(axis=1), totals, out=np.ones_like(weights), where=totals > 0)
    positions = hash_positions(pd.DataFrame({name: values}))
    last_window = len(NAMES) - 1 - has_window[:, ::-1].argmax(axis=1)
    window_of_group = np.minimum((positions[:, None] >= cumulative).sum(axis=1), last_window)
    window_of_group = np.append(window_of_group, EXCLUDED)  # of rows without a group, whose position is -1
    is_elsewhere = (groups >= 0) & (windows != window_of_group[groups])
    sides = np.where(is_elsewhere, EXCLUDED, windows)
    sentence = _time_sentence(f"by group and time: {name}", times, settings, sides)
    return Assignment(sides, [sentence, *_ungrouped(table, name)], ((name,), (str(settings.time),)))


def _split_as_given(
    table: "pd.DataFrame", settings: SplitSettings, _examples: list[str], _classes: str | None, _fold: Fold | None
) -> Assignment:
    values = table[str(settings.given)]
    sides = values.map({name: side for side, name in enumerate(NAMES)})
    if unknown := int(sides.isna().sum()):
        distinct = ["nothing" if value != value else f'"{value}"' for value in values[sides.isna()].unique()]
        listed = ", ".join(distinct[:MAX_LISTED]) + (", …" if len(distinct) > MAX_LISTED else "")
        raise DataError(
            f"{settings.given}, by which data.split in conf/params.yaml splits, says {listed} in {_rows(unknown)}, and "
            f"knows only {', '.join(NAMES)}. Write one of these in each row, or use another kind of split."
        )
    return Assignment(np.asarray(sides, dtype=np.int64), [f"as given by the column {settings.given}"])


SPLITTERS = {
    "random": _split_at_random,
    "stratified": _split_stratified,
    "group": _split_by_group,
    "time": _split_by_time,
    "group_time": _split_by_group_and_time,
    "given": _split_as_given,
}


def _sides(positions: Positions, settings: SplitSettings, fold: Fold | None) -> Sides:
    """Return the side of n positions between 0 and 1, shape (n,)."""
    if fold:
        return fold_sides(positions, settings, fold)
    train_share, _, test_share = settings.shares
    return np.where(positions < train_share, 0, np.where(positions >= 1 - test_share, 2, 1))


def _require_columns(table: "pd.DataFrame", settings: SplitSettings) -> None:
    for setting, names in (
        ("group", [settings.group]),
        ("time", [settings.time]),
        ("given", [settings.given]),
        ("key", settings.key),
    ):
        if missing := [name for name in names if name is not None and name not in table]:
            raise DataError(
                f"data.split.{setting} in conf/params.yaml names {', '.join(missing)}, which is no column of the "
                f"table. Correct it, or add the column; columns are: {', '.join(map(str, table.columns))}."
            )


def _warn_of_small_splits(sides: Sides, settings: SplitSettings) -> None:
    """Warn if a split has less than half of its share, as where a group or a time has most of the rows."""
    if not (settings.columns or settings.key) or settings.by == "given":
        return
    counts = np.array([(sides == side).sum() for side in range(len(NAMES))])
    if (counts < MIN_SHARE_KEPT * np.array(settings.shares) * counts.sum()).any():
        logger.warning(
            "data.split: train, validation and test have %s, since rows with the same %s share a split; a score on few "
            "rows is a rough one.",
            "{:,}, {:,} and {:,} rows".format(*counts),
            " or ".join(settings.columns or settings.key),
        )


def _why_empty(
    table: "pd.DataFrame", settings: SplitSettings, examples: list[str], name: str, fold: Fold | None
) -> str:
    """Return why the split `name` is empty, and what to do."""
    shares = "{:g}, {:g} and {:g}".format(*settings.shares)
    change = "change data.split in conf/params.yaml."
    match settings.by:
        case "given":
            return f"no row of {settings.given} says {name}. Write it in some rows, or {change}"
        case "time" | "group_time" if settings.gap and _is_in_the_gap(table, settings, name, fold):
            return f"all its rows are in the gap of {settings.gap} after another. Shorten data.split.gap, or {change}"
        case "time":
            distinct = table[settings.time].nunique()
            things = f"different values of {settings.time}"
        case "group" | "group_time":
            distinct = table[settings.group].nunique()
            things = f"different values of {settings.group}"
        case _:
            distinct = len(np.unique(hash_positions(table[list(settings.key or examples)])))
            things = f"different values of {', '.join(settings.key)}" if settings.key else "different rows"
    return f"{distinct:,} {things} cannot be dealt into {shares}. Use a table with more of them, or {change}"


def _is_in_the_gap(table: "pd.DataFrame", settings: SplitSettings, name: str, fold: Fold | None) -> bool:
    """Whether the split `name` would have rows if there was no gap."""
    side = NAMES.index(name)
    times = table[str(settings.time)]
    with_gap, without_gap = (
        (time_windows(times, each, fold) == side).any()
        for each in (settings, settings.model_copy(update={"gap": None}))
    )
    return bool(without_gap and not with_gap)


def _time_sentence(kind: str, times: "pd.Series[str]", settings: SplitSettings, sides: Sides) -> str:
    if not {0, 2} <= set(np.unique(sides).tolist()):
        return kind  # a split is empty, which is an error
    duration = settings.gap if isinstance(settings.gap, str) or settings.gap is None else f"{settings.gap:g}"
    gap = f", with a gap of {duration}" if duration else ""
    return f"{kind}: {time_span(times, sides)}{gap}"


def _ungrouped(table: "pd.DataFrame", name: str) -> list[str]:
    """Say how many rows have no group, if some do not."""
    missing = int(table[name].isna().sum())
    if not missing:
        return []
    note = f"{_rows(missing)} without a value of {name}, each a group of its own"
    logger.warning("data.split: %s.", note)
    return [note]


def _rows(number: int) -> str:
    return "1 row" if number == 1 else f"{number:,} rows"
