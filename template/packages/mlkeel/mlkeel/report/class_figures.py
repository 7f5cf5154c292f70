"""Draw figures of a classifier on the test split, and remark on its weaknesses."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from mlkeel.report.plots import (
    COLORS,
    LETTER_PX,
    LINE_COLORS,
    LINE_DASHES,
    REFERENCE_DASH,
    RIGHT_PX,
    WIDTH_PX,
    Chart,
    LegendEntry,
    dots,
    draw_svg,
    line_style,
    percent,
    shorten,
    use_percent_ticks,
)
from mlkeel.tasks.calibration import calibration_error
from mlkeel.tasks.decision import Decision, decided_positions
from mlkeel.tasks.outputs import Outputs, Targets

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Numbers = npt.NDArray[np.float64]
LOSS = "log loss, in nats"
MAX_NUMBERED_CLASSES = 14  # the cells of a larger confusion matrix are too small for their counts
CALIBRATION_BINS = 10
MAX_CURVE_POINTS = 200


def draw_figures(
    outputs: Outputs,
    y_true: Targets,
    output_names: tuple[str, ...],
    _target: str,
    decision: Decision | None = None,
) -> list[Chart]:
    """Draw the confusion matrix, the calibration curve, and the ROC and precision-recall curves of each class.

    `outputs` has the shape (n, classes), `y_true` the shape (n,). A `decision` is a point beside each curve.
    """
    decided = decided_positions(outputs, decision)
    curves = [
        compute_curve(name, outputs[:, index], y_true == index, None if decision is None else decided == index)
        for index, name in enumerate(output_names)
    ]
    return [
        _confusion_matrix(decided, y_true, output_names),
        _calibration_curve(outputs, y_true),
        _roc_curves(curves),
        _precision_recall_curves(curves),
    ]


def remarks(
    outputs: Outputs,
    y_true: Targets,
    output_names: tuple[str, ...],
    _target: str,
    decision: Decision | None = None,
) -> list[str]:
    """Return what a person should do about classes without test rows, and about classes that are never predicted."""
    y_pred = decided_positions(outputs, decision)
    support = np.bincount(y_true, minlength=len(output_names))
    absent = [name for name, rows in zip(output_names, support, strict=True) if not rows]
    never_predicted = [
        name for index, name in enumerate(output_names) if support[index] and not (y_pred == index).any()
    ]
    messages = []
    if absent:
        messages.append(
            f"No row of the test split is of the class {_join(absent)}, so nothing is known of how well it is told. "
            "Collect rows of it."
        )
    if never_predicted:
        messages.append(
            f"The model never answers {_join(never_predicted)} on the test split, though there are such rows. Collect "
            "more rows of it, or join it with a class like it."
        )
    return messages


def _join(names: list[str]) -> str:
    return ", ".join(shorten(name, 60) for name in names[:5]) + (
        f" and {len(names) - 5} more" if len(names) > 5 else ""
    )


def _confusion_matrix(decided: Targets, y_true: Targets, output_names: tuple[str, ...]) -> Chart:
    from sklearn.metrics import confusion_matrix

    classes = len(output_names)
    counts = confusion_matrix(y_true, decided, labels=range(classes))
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    max_letters = 12 if classes <= MAX_NUMBERED_CLASSES else 18
    label_px = LETTER_PX * max(len(shorten(name, max_letters)) for name in output_names)
    cell_px = max(15.0, min(64.0, (WIDTH_PX - label_px - 12 - RIGHT_PX) / classes))
    vertical_labels = label_px > cell_px
    left = 12 + label_px
    bottom = 28 + (label_px if vertical_labels else 14)

    def draw(axes: "Axes") -> None:
        for true, predicted in zip(*counts.nonzero(), strict=True):
            alpha = max(0.06, float(shares[true, predicted]))
            axes.bar(int(predicted), 0.94, width=0.94, bottom=int(true) - 0.47, color=COLORS["heat"], alpha=alpha)
            if classes <= MAX_NUMBERED_CLASSES:
                axes.text(int(predicted), int(true), f"{counts[true, predicted]:,}", ha="center", va="center")
        axes.set_xlim(-0.5, classes - 0.5)
        axes.set_ylim(classes - 0.5, -0.5)
        axes.set_yticks([])
        axes.set_xticks([])
        rotation = 90 if vertical_labels else 0
        for index, name in enumerate(output_names):
            label = shorten(name, max_letters)
            axes.text(-0.5 - 6 / cell_px, index, label, ha="right", va="center")
            axes.text(index, classes - 0.5 + 6 / cell_px, label, ha="center", va="top", rotation=rotation)

    correct = int(counts.trace())
    size = (left + RIGHT_PX + cell_px * classes, bottom + 30 + cell_px * classes)
    largest_first = np.argsort(-counts, axis=None, kind="stable")[: np.count_nonzero(counts)]
    rows = [
        (output_names[cell // classes], output_names[cell % classes], int(counts.flat[cell]))
        for cell in largest_first.tolist()
    ]
    return Chart(
        "Which class is taken for which",
        f"Confusion matrix: {correct:,} of {len(y_true):,} rows of the test split got their true class.",
        draw_svg(draw, "predicted class", "true class", size, left, bottom),
        ("true class", "predicted class", "rows"),
        rows,
        note="The darker a cell, the more of the rows of its true class are there; what is right lies on the diagonal.",
    )


def _calibration_curve(outputs: Outputs, y_true: Targets) -> Chart:
    from scipy.stats import binned_statistic

    confidence = np.minimum(outputs.max(axis=1).astype(np.float64), 1)  # rounded sums of a softmax may exceed 1
    correct = outputs.argmax(axis=1) == y_true
    summed = (confidence, correct, np.ones(len(y_true)))
    sums = binned_statistic(confidence, summed, "sum", CALIBRATION_BINS, (0, 1)).statistic
    sums = sums[:, sums[2] > 0]
    mean_confidence, accuracy = (sums[:2] / sums[2]).tolist()
    rows = sums[2].astype(int).tolist()
    intervals = [_wilson_interval(*counts) for counts in zip(sums[1].astype(int).tolist(), rows, strict=True)]
    error = calibration_error(outputs, y_true)
    summary = f"its calibration error is {error.phrase}" if error else "for a calibration error the rows are too few"

    def draw(axes: "Axes") -> None:
        start = min(0.5, min(mean_confidence) - 0.05)
        axes.plot([start, 1], [start, 1], color=COLORS["soft"], lw=1, ls=line_style(REFERENCE_DASH, 1))
        for x, (low, high) in zip(mean_confidence, intervals, strict=True):
            axes.plot([x, x], [low, high], color=COLORS["accent"], lw=1.2)
        dots(axes, mean_confidence, accuracy, 8, "accent")
        axes.set_xlim(start, 1.02)
        axes.set_ylim(-0.02, 1.02)
        use_percent_ticks(axes, x=True, y=True)

    return Chart(
        "Is it right as often as it says?",
        f"Calibration curve of the model: {summary}.",
        draw_svg(draw, "probability of the most likely class", "share that is right"),
        ("it says", "it is right", "rows"),
        [(percent(x), percent(y), count) for x, y, count in zip(mean_confidence, accuracy, rows, strict=True)],
        (LegendEntry("soft", "as often as it says", REFERENCE_DASH),),
        f"How far it is off the diagonal: {summary}. Whiskers hold the true share nineteen times of twenty.",
    )


def _wilson_interval(correct: int, rows: int) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson 1927, "Probable Inference, the Law of Succession")."""
    from scipy.stats import binomtest

    interval = binomtest(correct, rows).proportion_ci(method="wilson")
    return float(interval.low), float(interval.high)


@dataclass(frozen=True)
class Curve:
    """The ROC curve and the precision-recall curve of one class, from the highest score to the lowest.

    `point` is where the version decides, as (false positive rate, recall, precision), if it has a decision of its own.
    `roc_auc` and `average_precision` are NaN where the class, or all others, have no rows.
    """

    name: str
    false_positive_rate: Numbers
    true_positive_rate: Numbers
    recall: Numbers
    precision: Numbers
    roc_auc: float
    average_precision: float
    point: tuple[float, float, float] | None = None


def compute_curve(
    name: str,
    scores: Outputs,
    is_class: npt.NDArray[np.bool_],
    decided: npt.NDArray[np.bool_] | None = None,
) -> Curve:
    """Compute how well `scores` of shape (n,) separate the rows of a class from the others.

    `decided` says for which rows the class is decided on.
    """
    from sklearn.metrics import auc, average_precision_score, precision_recall_curve, roc_curve

    nan = float("nan")
    nothing: Numbers = np.empty(0)
    if not is_class.any():
        return Curve(name, nothing, nothing, nothing, nothing, nan, nan)
    precision, recall, _ = precision_recall_curve(is_class, scores)
    average_precision = float(average_precision_score(is_class, scores))
    precision[-1] = precision[-2]  # scikit-learn ends at a precision of 1, whatever the highest scores are
    if is_class.all():
        return Curve(name, nothing, nothing, recall[::-1], precision[::-1], nan, average_precision)
    false_positive_rate, true_positive_rate, _ = roc_curve(is_class, scores, drop_intermediate=False)
    roc_auc = float(auc(false_positive_rate, true_positive_rate))
    rates = (false_positive_rate, true_positive_rate)
    curves = (*rates, recall[::-1], precision[::-1])
    point = None if decided is None or not decided.any() else _point(is_class, decided)
    return Curve(name, *curves, roc_auc, average_precision, point)


def _point(is_class: npt.NDArray[np.bool_], decided: npt.NDArray[np.bool_]) -> tuple[float, float, float]:
    return (
        float(decided[~is_class].mean()),
        float(decided[is_class].mean()),
        float(is_class[decided].mean()),
    )


def _roc_curves(curves: list[Curve]) -> Chart:
    return _curve_chart(
        curves,
        "How well classes are told apart",
        "area under the ROC curve",
        lambda curve: curve.roc_auc,
        draw_curves=lambda plotted: _draw_lines(
            [(curve.false_positive_rate, curve.true_positive_rate) for curve in plotted],
            [curve.point and curve.point[:2] for curve in plotted],
            "rows of other classes taken for it",
            "rows of it that are found",
            1,
        ),
        note="The area under a curve is 1 at best, and 0.5 by chance.",
    )


def _precision_recall_curves(curves: list[Curve]) -> Chart:
    return _curve_chart(
        curves,
        "How pure is what it finds",
        "average precision",
        lambda curve: curve.average_precision,
        draw_curves=lambda plotted: _draw_lines(
            [(curve.recall, curve.precision) for curve in plotted],
            [curve.point and curve.point[1:] for curve in plotted],
            "rows of it that are found",
            "of what is found, rows of it",
            0,
        ),
        note="Precision over recall; the average precision is 1 at best.",
    )


def _curve_chart(
    curves: list[Curve],
    title: str,
    score_name: str,
    score: Callable[[Curve], float],
    draw_curves: Callable[[list[Curve]], str],
    note: str,
) -> Chart:
    """Draw a line for each class or, of many, for those with the lowest scores, as many as there are line colors."""
    lowest_first = sorted((curve for curve in curves if not np.isnan(score(curve))), key=score)
    plotted = lowest_first[: len(LINE_COLORS)]
    if any(curve.point for curve in plotted):
        note += " A dot is where the version decides."
    worst = f"the least is {score(plotted[0]):.3f}, of {plotted[0].name}" if plotted else "no class has one"
    return Chart(
        title,
        f"{title}: a curve for each class; of the {score_name}, {worst}.",
        draw_curves(plotted),
        ("class", score_name),
        [(curve.name, "-" if np.isnan(score(curve)) else f"{score(curve):.3f}") for curve in curves],
        tuple(
            LegendEntry(color, f"{shorten(curve.name, 30)} {score(curve):.3f}", dash)
            for curve, color, dash in zip(plotted, LINE_COLORS, LINE_DASHES, strict=False)
        ),
        note if len(plotted) == len(curves) else f"Of {len(curves)} classes the {len(plotted)} least well told. {note}",
    )


def _draw_lines(
    lines: list[tuple[Numbers, Numbers]],
    points: list[tuple[float, float] | None],
    x_label: str,
    y_label: str,
    chance: int,
) -> str:
    """Draw lines of (x, y), each with its point, if any, and the diagonal of a random classifier to `chance`."""

    def draw(axes: "Axes") -> None:
        axes.plot([0, chance], [0, chance], color=COLORS["soft"], lw=1, ls=line_style(REFERENCE_DASH, 1))
        for (x, y), color, dash in reversed(list(zip(lines, LINE_COLORS, LINE_DASHES, strict=False))):
            sample = np.unique(np.linspace(0, len(x) - 1, MAX_CURVE_POINTS).astype(int))
            axes.plot(x[sample], y[sample], color=COLORS[color], lw=2, ls=line_style(dash, 2))
        for point, color in zip(points, LINE_COLORS, strict=False):
            if point is not None:
                dots(axes, [point[0]], [point[1]], 9, color)
        axes.set_xlim(-0.02, 1.02)
        axes.set_ylim(-0.02, 1.04)
        use_percent_ticks(axes, x=True, y=True)

    return draw_svg(draw, x_label, y_label)
