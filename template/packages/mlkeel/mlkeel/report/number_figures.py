"""What estimates are worth on rows that the model has not seen, in charts, numbers and remarks."""

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from mlkeel.contract.wording import number
from mlkeel.report.charts import APART, COLOURS, Chart, Key, as_percent, dashed, dots, drawing, percent
from mlkeel.tasks.answers import Answers, Truth
from mlkeel.tasks.numbers import COVERAGE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Numbers = npt.NDArray[np.float64]
LOSS = "absolute error, in the target's unit"
DRAWN = 500  # points of a chart; more would be a blot
GROUPS = 5  # of rows, by what is estimated for them
SIGMAS = 3  # beyond which a difference is not put down to chance
LACK = 0.05  # of coverage, that matters


def figures(found: Answers, truth: Truth, _names: tuple[str, ...], target: str) -> list[Chart]:
    """Estimates beside the truth, how far off they are, and how often intervals hold it, for n answers."""
    return [_estimates(found, truth, target), _residuals(found, truth, target), _coverage(found, truth, target)]


def remarks(found: Answers, truth: Truth, _names: tuple[str, ...], target: str) -> list[str]:
    """What a person should do about intervals that hold too little, or estimates that lean to one side."""
    inside, said = (found[:, 1] <= truth) & (truth <= found[:, 2]), []
    chance = SIGMAS * float(np.sqrt(COVERAGE * (1 - COVERAGE) / len(truth)))
    if COVERAGE - inside.mean() > max(chance, LACK):
        said.append(
            f"Intervals hold {target} in {percent(float(inside.mean()))} of the test rows, and {percent(COVERAGE)} is "
            "meant: do not rely on them. Give the validation part more rows (data.split in conf/params.yaml) and train."
        )
    off = found[:, 0] - truth
    if abs(off.mean()) > SIGMAS * off.std() / np.sqrt(len(off)) and abs(off.mean()) > np.abs(off).mean() / 3:
        side = "high" if off.mean() > 0 else "low"
        said.append(
            f"Estimates of {target} are too {side} by {number(abs(float(off.mean())))} on average: look for rows that "
            "were measured otherwise, and train again."
        )
    return said


def _some(count: int) -> npt.NDArray[np.int64]:
    """The places of at most `DRAWN` rows, drawn by chance, and the same ones each time."""
    if count <= DRAWN:
        return np.arange(count)
    return np.sort(np.random.default_rng(7).choice(count, DRAWN, replace=False))


def _sampled(count: int) -> str:
    return f" Drawn are {DRAWN:,} of {count:,} rows, taken by chance." if count > DRAWN else ""


def _estimates(found: Answers, truth: Truth, target: str) -> Chart:
    some, estimates = _some(len(truth)), found[:, 0].astype(np.float64)
    ends = [float(min(truth.min(), estimates.min())), float(max(truth.max(), estimates.max()))]
    together = float(np.corrcoef(truth, estimates)[0, 1]) if truth.std() and estimates.std() else float("nan")

    def draw(axes: "Axes") -> None:
        axes.plot(ends, ends, color=COLOURS["soft"], lw=1, ls=dashed(APART, 1))
        dots(axes, truth[some].tolist(), estimates[some].tolist(), 5, "accent", 0.55)
        _numbered(axes)

    return Chart(
        "Estimates and the truth",
        f"Estimates of {target} over its true values; their correlation is {together:.3f}.",
        drawing(draw, "true value", "estimate", left=62),
        ("true values", "rows", "mean of truth", "mean of estimates"),
        _by_group(truth, truth, estimates),
        (Key("soft", "where both are the same", APART),),
        f"The nearer to the line, the better.{_sampled(len(truth))}",
    )


def _numbered(axes: "Axes") -> None:
    axes.locator_params(nbins=5)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(lambda value, _: number(value))


def _groups(values: Numbers) -> list[npt.NDArray[np.int64]]:
    """The places of rows in up to `GROUPS` groups of about one size, from the least of `values` to the greatest."""
    cuts = np.unique(np.quantile(values, np.linspace(0, 1, GROUPS + 1)[1:-1]))
    of = np.searchsorted(cuts, values, side="right")
    return [np.flatnonzero(of == group) for group in range(len(cuts) + 1) if (of == group).any()]


def _range(values: Numbers) -> str:
    return f"{number(float(values.min()))} to {number(float(values.max()))}"


def _by_group(by: Numbers, *means: Numbers) -> list[tuple[object, ...]]:
    return [
        (_range(by[rows]), len(rows), *(number(float(values[rows].mean())) for values in means)) for rows in _groups(by)
    ]


def _residuals(found: Answers, truth: Truth, target: str) -> Chart:
    some, estimates = _some(len(truth)), found[:, 0].astype(np.float64)
    off = estimates - truth
    groups = _groups(estimates)
    middles = [float(np.median(estimates[rows])) for rows in groups]

    def draw(axes: "Axes") -> None:
        axes.axhline(0, color=COLOURS["soft"], lw=1)
        dots(axes, estimates[some].tolist(), off[some].tolist(), 5, "accent", 0.55)
        axes.plot(middles, [float(off[rows].mean()) for rows in groups], color=COLOURS["bad"], lw=2)
        _numbered(axes)

    return Chart(
        "How far off it is, and to which side",
        f"Residuals: estimates of {target} are off by {number(float(off.mean()))} on average, half of them by under "
        f"{number(float(np.median(np.abs(off))))}.",
        drawing(draw, "estimate", "estimate less truth", left=62),
        ("estimates", "rows", "estimate less truth"),
        _by_group(estimates, off),
        (Key("bad", "mean of a group of rows", ""),),
        f"A line that stays near 0 has no side that it leans to.{_sampled(len(truth))}",
    )


def _coverage(found: Answers, truth: Truth, target: str) -> Chart:
    estimates, inside = found[:, 0].astype(np.float64), (found[:, 1] <= truth) & (truth <= found[:, 2])
    groups, held = _groups(estimates), float(inside.mean())
    shares = [float(inside[rows].mean()) for rows in groups]
    width = float((found[:, 2] - found[:, 1]).mean())

    def draw(axes: "Axes") -> None:
        axes.bar(range(len(groups)), shares, width=0.6, color=COLOURS["pale"])
        axes.axhline(COVERAGE, color=COLOURS["accent"], lw=1.5, ls=dashed(APART, 1.5))
        for place, share in enumerate(shares):
            axes.text(place, share / 2, percent(share), ha="center", va="center")
        axes.set_xticks(range(len(groups)), [number(float(np.median(estimates[rows]))) for rows in groups])
        axes.set_ylim(0, 1.02)
        axes.grid(visible=False, axis="x")
        as_percent(axes, y=True)

    return Chart(
        "How often its intervals hold the truth",
        f"Coverage: intervals hold the true {target} in {percent(held)} of test rows; {percent(COVERAGE)} is meant.",
        drawing(draw, "middle of each group of estimates", "rows whose interval holds the truth"),
        ("estimates", "rows", "intervals that hold the truth"),
        [(_range(estimates[rows]), len(rows), percent(share)) for rows, share in zip(groups, shares, strict=True)],
        (Key("accent", f"{percent(COVERAGE)}, as meant", APART),),
        f"In all {percent(held)}; an interval is {number(width)} wide on average.",
    )
