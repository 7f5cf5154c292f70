"""Bars: of names with their values, and of shares before and now, one upon the other."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from mlkeel.contract.wording import number
from mlkeel.report.charts import COLOURS, LETTER, RIGHT, WIDTH, as_percent, drawing, short

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BARS = 12  # before the rest is one


def bars(values: Sequence[tuple[str, float, float]], x: str) -> str:
    """A bar a name, from above, each with its spread as a whisker."""
    room = 12 + LETTER * max((len(short(name)) for name, *_ in values), default=0)

    def draw(axes: "Axes") -> None:
        for place, (name, value, spread) in enumerate(values):
            axes.barh(place, value, height=0.62, color=COLOURS["accent"])
            if spread:
                axes.plot([value - spread, value + spread], [place, place], color=COLOURS["ink"], lw=1.2)
            axes.text(-0.02, place, short(name), transform=axes.get_yaxis_transform(), ha="right", va="center")
        axes.set_ylim(len(values) - 0.4, -0.6)
        axes.set_yticks([])
        axes.grid(visible=False, axis="y")
        axes.axvline(0, color=COLOURS["soft"], lw=1)
        axes.locator_params(axis="x", nbins=4)

    return drawing(draw, x, "", (WIDTH, 64 + 22 * len(values)), room, 44)


def beside(
    name: str, labels: Sequence[str], before: Sequence[float], now: Sequence[float], edges: Sequence[float] = ()
) -> str:
    """Shares before, wide and pale, with shares now before them; along a scale if there are `edges` between them."""
    if edges:
        return _columns(name, before, now, edges)
    folded = fold(labels, before, now)
    room = 12 + LETTER * max(len(short(label)) for label, *_ in folded)

    def draw(axes: "Axes") -> None:
        for place, (label, old, new) in enumerate(folded):
            axes.barh(place, old, height=0.78, color=COLOURS["pale"])
            axes.barh(place, new, height=0.3, color=COLOURS["accent"])
            axes.text(-0.02, place, short(label), transform=axes.get_yaxis_transform(), ha="right", va="center")
        axes.set_ylim(len(folded) - 0.4, -0.6)
        axes.set_xlim(0)
        axes.set_yticks([])
        axes.grid(visible=False, axis="y")
        axes.locator_params(axis="x", nbins=4)
        as_percent(axes, x=True)

    return drawing(draw, "share of rows", "", (WIDTH, max(120, 60 + 24 * len(folded))), room, 42)


def fold(labels: Sequence[str], before: Sequence[float], now: Sequence[float]) -> list[tuple[str, float, float]]:
    """Labels with their shares; of many, those that matter most, and the rest as one."""
    all_of_them = list(zip(labels, before, now, strict=True))
    if len(all_of_them) <= BARS:
        return all_of_them
    weight = sorted(all_of_them, key=lambda one: -max(one[1:]))
    rest = weight[BARS - 1 :]
    return [*weight[: BARS - 1], (f"{len(rest)} others", sum(one[1] for one in rest), sum(one[2] for one in rest))]


def _columns(name: str, before: Sequence[float], now: Sequence[float], edges: Sequence[float]) -> str:
    def draw(axes: "Axes") -> None:
        axes.bar(range(len(before)), before, width=0.9, color=COLOURS["pale"])
        axes.bar(range(len(now)), now, width=0.36, color=COLOURS["accent"])
        names = [number(edge) for edge in edges]
        every = math.ceil(LETTER * (1.5 + max(map(len, names))) * len(before) / (WIDTH - 48 - RIGHT))
        axes.set_xticks([place + 0.5 for place in range(len(edges))][::every], names[::every])
        axes.set_xlim(-0.6, len(before) - 0.4)
        axes.set_ylim(0)
        axes.grid(visible=False, axis="x")
        axes.locator_params(axis="y", nbins=4)
        as_percent(axes, y=True)

    return drawing(draw, short(name, 40), "share of rows", (WIDTH, 190), 44)
