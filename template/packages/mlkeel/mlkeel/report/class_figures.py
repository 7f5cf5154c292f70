"""What a classifier does on rows that it has not seen, in charts, numbers and remarks."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from mlkeel.report.charts import (
    APART,
    COLOURS,
    DASHES,
    LETTER,
    LINES,
    RIGHT,
    WIDTH,
    Chart,
    Key,
    as_percent,
    dashed,
    dots,
    drawing,
    percent,
    short,
)
from mlkeel.tasks.answers import Answers, Truth

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Numbers = npt.NDArray[np.float64]
LOSS = "log loss, in nats"
NUMBERED, BINS, POINTS = 14, 10, 200  # classes whose cells have room for numbers; bins of surety; points of a curve
Z = 1.96  # nineteen of twenty


def figures(found: Answers, truth: Truth, names: tuple[str, ...], _target: str) -> list[Chart]:
    """Confusion, calibration, and both curves of each class, for n answers of shape (n, classes)."""
    curves = [curve(name, found[:, place], truth == place) for place, name in enumerate(names)]
    return [_confusion(found, truth, names), _calibration(found, truth), _roc(curves), _precision(curves)]


def remarks(found: Answers, truth: Truth, names: tuple[str, ...], _target: str) -> list[str]:
    """What a person should do about classes that cannot be judged, or that are never told."""
    predicted, rows = found.argmax(axis=1), np.bincount(truth, minlength=len(names))
    absent = [name for name, count in zip(names, rows, strict=True) if not count]
    never = [name for place, name in enumerate(names) if rows[place] and not (predicted == place).any()]
    said = []
    if absent:
        said.append(
            f"No row of the test part is of the class {_listed(absent)}, so nothing is known of how well it is told. "
            "Collect rows of it."
        )
    if never:
        said.append(
            f"The model never answers {_listed(never)} on the test part, though there are such rows. Collect more rows "
            "of it, or join it with a class like it."
        )
    return said


def _listed(names: list[str]) -> str:
    return ", ".join(short(name, 60) for name in names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def _confusion(found: Answers, truth: Truth, names: tuple[str, ...]) -> Chart:
    count = len(names)
    counts = np.zeros((count, count), dtype=np.int64)
    np.add.at(counts, (truth, found.argmax(axis=1)), 1)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    letters = 12 if count <= NUMBERED else 18
    widest = LETTER * max(len(short(name, letters)) for name in names)
    cell = max(15.0, min(64.0, (WIDTH - widest - 12 - RIGHT) / count))
    room, upright = 12 + widest, widest > cell
    below = 28 + (widest if upright else 14)

    def draw(axes: "Axes") -> None:
        for true, guess in zip(*counts.nonzero(), strict=True):
            alpha = max(0.06, float(shares[true, guess]))
            axes.bar(int(guess), 0.94, width=0.94, bottom=int(true) - 0.47, color=COLOURS["heat"], alpha=alpha)
            if count <= NUMBERED:
                axes.text(int(guess), int(true), f"{counts[true, guess]:,}", ha="center", va="center")
        axes.set_xlim(-0.5, count - 0.5)
        axes.set_ylim(count - 0.5, -0.5)
        axes.set_yticks([])
        axes.set_xticks([])
        for place, name in enumerate(names):
            axes.text(-0.5 - 6 / cell, place, short(name, letters), ha="right", va="center")
            turned = 90 if upright else 0
            axes.text(place, count - 0.5 + 6 / cell, short(name, letters), ha="center", va="top", rotation=turned)

    right = int(counts.trace())
    size = (room + RIGHT + cell * count, below + 30 + cell * count)
    most = np.argsort(-counts, axis=None, kind="stable")[: np.count_nonzero(counts)]
    cells = [(names[place // count], names[place % count], int(counts.flat[place])) for place in most.tolist()]
    return Chart(
        "Which class is taken for which",
        f"Confusion matrix: {right:,} of {len(truth):,} rows of the test part got their true class.",
        drawing(draw, "predicted class", "true class", size, room, below),
        ("true class", "predicted class", "rows"),
        cells,
        note="The darker a cell, the more of the rows of its true class are there; what is right lies on the diagonal.",
    )


def _calibration(found: Answers, truth: Truth) -> Chart:
    sure, right = found.max(axis=1).astype(np.float64), found.argmax(axis=1) == truth
    place = np.minimum((sure * BINS).astype(int), BINS - 1)
    bins = [place == one for one in range(BINS) if (place == one).any()]
    said = [float(sure[rows].mean()) for rows in bins]
    seen = [float(right[rows].mean()) for rows in bins]
    many = [int(rows.sum()) for rows in bins]
    ends = [_wilson(share, rows) for share, rows in zip(seen, many, strict=True)]
    gap = float(np.average(np.abs(np.subtract(said, seen)), weights=many))

    def draw(axes: "Axes") -> None:
        least = min(0.5, min(said) - 0.05)
        axes.plot([least, 1], [least, 1], color=COLOURS["soft"], lw=1, ls=dashed(APART, 1))
        for x, (low, high) in zip(said, ends, strict=True):
            axes.plot([x, x], [low, high], color=COLOURS["accent"], lw=1.2)
        dots(axes, said, seen, 8, "accent")
        axes.set_xlim(least, 1.02)
        axes.set_ylim(-0.02, 1.02)
        as_percent(axes, x=True, y=True)

    return Chart(
        "Is it right as often as it says?",
        f"Calibration curve: how sure the model is differs by {percent(gap)} on average from how often it is right.",
        drawing(draw, "probability of the class that it answers", "share that is right"),
        ("it says", "it is right", "rows"),
        [(percent(x), percent(y), rows) for x, y, rows in zip(said, seen, many, strict=True)],
        (Key("soft", "as often as it says", APART),),
        f"Off the diagonal by {percent(gap)} on average. Whiskers hold the true share nineteen times of twenty.",
    )


def _wilson(share: float, rows: int) -> tuple[float, float]:
    """The interval of a share (Wilson 1927, "Probable Inference, the Law of Succession, and Statistical Inference")."""
    middle, spread = share + Z * Z / (2 * rows), Z * np.sqrt(share * (1 - share) / rows + Z * Z / (4 * rows * rows))
    return float((middle - spread) / (1 + Z * Z / rows)), float((middle + spread) / (1 + Z * Z / rows))


@dataclass(frozen=True)
class Curve:
    """Of one class, from the surest row on: false alarms, recall and precision; and what they come to.

    `area` is that under the ROC curve, `average` the average precision; NaN where there is nothing to tell it by.
    """

    name: str
    alarms: Numbers
    recall: Numbers
    precision: Numbers
    area: float
    average: float


def curve(name: str, score: Answers, own: npt.NDArray[np.bool_]) -> Curve:
    """How well `score`, shape (n,), tells the rows that are `own` from the others."""
    order = np.argsort(-score, kind="stable")
    last = np.append(np.diff(score[order]) != 0, True)  # rows of one score are taken at once
    hits, taken = np.cumsum(own[order])[last], np.flatnonzero(last) + 1
    positive, negative = int(own.sum()), int((~own).sum())
    recall = np.append(0.0, hits / max(positive, 1))
    alarms = np.append(0.0, (taken - hits) / max(negative, 1))
    precision = np.append(hits[0] / taken[0], hits / taken)
    area = float(np.trapezoid(recall, alarms)) if positive and negative else float("nan")
    average = float((np.diff(recall) * precision[1:]).sum()) if positive else float("nan")
    return Curve(name, alarms, recall, precision, area, average)


def _roc(curves: list[Curve]) -> Chart:
    return _of_classes(
        curves,
        "How well classes are told apart",
        "area under the ROC curve",
        lambda one: one.area,
        drawing_of=lambda shown: _lines(
            [(one.alarms, one.recall) for one in shown],
            "rows of other classes taken for it",
            "rows of it that are found",
            1,
        ),
        said="The area under a curve is 1 at best, and 0.5 by chance.",
    )


def _precision(curves: list[Curve]) -> Chart:
    return _of_classes(
        curves,
        "How pure is what it finds",
        "average precision",
        lambda one: one.average,
        drawing_of=lambda shown: _lines(
            [(one.recall, one.precision) for one in shown],
            "rows of it that are found",
            "of what is found, rows of it",
            0,
        ),
        said="Precision over recall; the average precision is 1 at best.",
    )


def _of_classes(
    curves: list[Curve],
    title: str,
    measure: str,
    value: Callable[[Curve], float],
    drawing_of: Callable[[list[Curve]], str],
    said: str,
) -> Chart:
    """A line for each class or, of many, for those that are least well told, as many as can be told apart."""
    known = sorted((one for one in curves if value(one) == value(one)), key=value)
    shown = known[: len(LINES)]
    worst = f"the least is {value(shown[0]):.3f}, of {shown[0].name}" if shown else "no class has one"
    return Chart(
        title,
        f"{title}: a curve for each class; of the {measure}, {worst}.",
        drawing_of(shown),
        ("class", measure),
        [(one.name, "-" if value(one) != value(one) else f"{value(one):.3f}") for one in curves],
        tuple(
            Key(colour, f"{short(one.name, 30)} {value(one):.3f}", dash)
            for one, colour, dash in zip(shown, LINES, DASHES, strict=False)
        ),
        said if len(shown) == len(curves) else f"Of {len(curves)} classes the {len(shown)} least well told. {said}",
    )


def _lines(shown: list[tuple[Numbers, Numbers]], x: str, y: str, chance: int) -> str:
    def draw(axes: "Axes") -> None:
        axes.plot([0, chance], [0, chance], color=COLOURS["soft"], lw=1, ls=dashed(APART, 1))
        for (across, up), colour, dash in reversed(list(zip(shown, LINES, DASHES, strict=False))):
            some = np.unique(np.linspace(0, len(across) - 1, POINTS).astype(int))
            axes.plot(across[some], up[some], color=COLOURS[colour], lw=2, ls=dashed(dash, 2))
        axes.set_xlim(-0.02, 1.02)
        axes.set_ylim(-0.02, 1.04)
        as_percent(axes, x=True, y=True)

    return drawing(draw, x, y)
