"""Draw figures of a regression on the test split, and remark on its weaknesses."""

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from mlkeel.contract.messages import number
from mlkeel.report.plots import (
    COLORS,
    REFERENCE_DASH,
    Chart,
    LegendEntry,
    dots,
    draw_svg,
    line_style,
    percent,
    use_percent_ticks,
)
from mlkeel.tasks.decision import Decision
from mlkeel.tasks.number_outputs import COVERAGE
from mlkeel.tasks.outputs import Outputs, Targets

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Numbers = npt.NDArray[np.float64]
LOSS = "absolute error, in the target's unit"
MAX_POINTS = 500  # of a chart; more would cover each other
MAX_GROUPS = 5  # of rows, by their estimate
SIGMAS = 3  # a difference of more standard errors is not put down to chance
MIN_COVERAGE_GAP = 0.05  # a smaller lack of coverage does not matter


def draw_figures(
    outputs: Outputs, y_true: Targets, _output_names: tuple[str, ...], target: str, _decision: Decision | None = None
) -> list[Chart]:
    """Draw estimates against true values, residuals, and the coverage of the intervals.

    `outputs` has the shape (n, 3): estimate, lower and upper bound; `y_true` has the shape (n,).
    """
    return [
        _estimates(outputs, y_true, target),
        _residuals(outputs, y_true, target),
        _coverage(outputs, y_true, target),
    ]


def remarks(
    outputs: Outputs, y_true: Targets, _output_names: tuple[str, ...], target: str, _decision: Decision | None = None
) -> list[str]:
    """Return what a person should do about intervals of too low coverage, and about biased estimates."""
    covered = (outputs[:, 1] <= y_true) & (y_true <= outputs[:, 2])
    messages = []
    chance_gap = SIGMAS * float(np.sqrt(COVERAGE * (1 - COVERAGE) / len(y_true)))
    if COVERAGE - covered.mean() > max(chance_gap, MIN_COVERAGE_GAP):
        messages.append(
            f"Intervals hold {target} in {percent(float(covered.mean()))} of the test rows, and {percent(COVERAGE)} is "
            "meant: do not rely on them. Give the validation split more rows (data.split in conf/params.yaml) and "
            "train."
        )
    residuals = outputs[:, 0] - y_true
    bias = residuals.mean()
    if abs(bias) > SIGMAS * residuals.std() / np.sqrt(len(residuals)) and abs(bias) > np.abs(residuals).mean() / 3:
        side = "high" if bias > 0 else "low"
        messages.append(
            f"Estimates of {target} are too {side} by {number(abs(float(bias)))} on average: look for rows that "
            "were measured otherwise, and train again."
        )
    return messages


def _sample(rows: int) -> npt.NDArray[np.int64]:
    """Return the positions of at most `MAX_POINTS` random rows, the same ones each time."""
    if rows <= MAX_POINTS:
        return np.arange(rows)
    return np.sort(np.random.default_rng(7).choice(rows, MAX_POINTS, replace=False))


def _sample_note(rows: int) -> str:
    return f" Drawn are {MAX_POINTS:,} of {rows:,} rows, taken by chance." if rows > MAX_POINTS else ""


def _estimates(outputs: Outputs, y_true: Targets, target: str) -> Chart:
    sample = _sample(len(y_true))
    estimates = outputs[:, 0].astype(np.float64)
    diagonal = [float(min(y_true.min(), estimates.min())), float(max(y_true.max(), estimates.max()))]
    correlation = float(np.corrcoef(y_true, estimates)[0, 1]) if y_true.std() and estimates.std() else float("nan")

    def draw(axes: "Axes") -> None:
        axes.plot(diagonal, diagonal, color=COLORS["soft"], lw=1, ls=line_style(REFERENCE_DASH, 1))
        dots(axes, y_true[sample].tolist(), estimates[sample].tolist(), 5, "accent", 0.55)
        _use_number_ticks(axes)

    return Chart(
        "Estimates and the truth",
        f"Estimates of {target} over its true values; their correlation is {correlation:.3f}.",
        draw_svg(draw, "true value", "estimate", left=62),
        ("true values", "rows", "mean of truth", "mean of estimates"),
        _group_means(y_true, y_true, estimates),
        (LegendEntry("soft", "where both are the same", REFERENCE_DASH),),
        f"The nearer to the line, the better.{_sample_note(len(y_true))}",
    )


def _use_number_ticks(axes: "Axes") -> None:
    axes.locator_params(nbins=5)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(lambda value, _: number(value))


def _quantile_groups(values: Numbers) -> list[npt.NDArray[np.int64]]:
    """Return the positions of rows in up to `MAX_GROUPS` groups of similar size, from the lowest `values` up."""
    edges = np.unique(np.quantile(values, np.linspace(0, 1, MAX_GROUPS + 1)[1:-1]))
    group_of_row = np.searchsorted(edges, values, side="right")
    return [np.flatnonzero(group_of_row == group) for group in range(len(edges) + 1) if (group_of_row == group).any()]


def _range(values: Numbers) -> str:
    return f"{number(float(values.min()))} to {number(float(values.max()))}"


def _group_means(by: Numbers, *columns: Numbers) -> list[tuple[object, ...]]:
    """Return (range of `by`, rows, mean of each column) for each quantile group of `by`."""
    return [
        (_range(by[rows]), len(rows), *(number(float(values[rows].mean())) for values in columns))
        for rows in _quantile_groups(by)
    ]


def _residuals(outputs: Outputs, y_true: Targets, target: str) -> Chart:
    sample = _sample(len(y_true))
    estimates = outputs[:, 0].astype(np.float64)
    residuals = estimates - y_true
    groups = _quantile_groups(estimates)
    medians = [float(np.median(estimates[rows])) for rows in groups]

    def draw(axes: "Axes") -> None:
        axes.axhline(0, color=COLORS["soft"], lw=1)
        dots(axes, estimates[sample].tolist(), residuals[sample].tolist(), 5, "accent", 0.55)
        axes.plot(medians, [float(residuals[rows].mean()) for rows in groups], color=COLORS["bad"], lw=2)
        _use_number_ticks(axes)

    return Chart(
        "How far off it is, and to which side",
        f"Residuals: estimates of {target} are off by {number(float(residuals.mean()))} on average, half of them by "
        f"under {number(float(np.median(np.abs(residuals))))}.",
        draw_svg(draw, "estimate", "estimate less truth", left=62),
        ("estimates", "rows", "estimate less truth"),
        _group_means(estimates, residuals),
        (LegendEntry("bad", "mean of a group of rows", ""),),
        f"A line that stays near 0 has no side that it leans to.{_sample_note(len(y_true))}",
    )


def _coverage(outputs: Outputs, y_true: Targets, target: str) -> Chart:
    estimates = outputs[:, 0].astype(np.float64)
    covered = (outputs[:, 1] <= y_true) & (y_true <= outputs[:, 2])
    coverage = float(covered.mean())
    groups = _quantile_groups(estimates)
    shares = [float(covered[rows].mean()) for rows in groups]
    widths = (outputs[:, 2] - outputs[:, 1]).astype(np.float64)

    def draw(axes: "Axes") -> None:
        axes.bar(range(len(groups)), shares, width=0.6, color=COLORS["pale"])
        axes.axhline(COVERAGE, color=COLORS["accent"], lw=1.5, ls=line_style(REFERENCE_DASH, 1.5))
        for index, share in enumerate(shares):
            axes.text(index, share / 2, percent(share), ha="center", va="center")
        axes.set_xticks(range(len(groups)), [number(float(np.median(estimates[rows]))) for rows in groups])
        axes.set_ylim(0, 1.02)
        axes.grid(visible=False, axis="x")
        use_percent_ticks(axes, y=True)

    return Chart(
        "How often its intervals hold the truth",
        f"Coverage: intervals hold the true {target} in {percent(coverage)} of test rows; "
        f"{percent(COVERAGE)} is meant.",
        draw_svg(draw, "middle of each group of estimates", "rows whose interval holds the truth"),
        ("estimates", "rows", "mean width", "intervals that hold the truth"),
        [
            (_range(estimates[rows]), len(rows), number(float(widths[rows].mean())), percent(share))
            for rows, share in zip(groups, shares, strict=True)
        ],
        (LegendEntry("accent", f"{percent(COVERAGE)}, as meant", REFERENCE_DASH),),
        f"In all {percent(coverage)}; an interval is {number(float(widths.mean()))} wide on average.",
    )
