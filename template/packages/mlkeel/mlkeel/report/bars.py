"""Bar charts: of values by name, and of the distribution of a column in two sets of rows."""

import math
from collections.abc import Container, Sequence
from typing import TYPE_CHECKING

from mlkeel.contract.messages import number
from mlkeel.report.plots import COLORS, LETTER_PX, RIGHT_PX, WIDTH_PX, draw_svg, shorten, use_percent_ticks

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MAX_BARS = 12  # the smallest beyond these become one bar


def bars(values: Sequence[tuple[str, float, float]], x_label: str, pale: Container[str] = ()) -> str:
    """Draw a horizontal bar for each (name, value, spread), from the top, with the spread as a whisker.

    The bars of the names in `pale` are pale.
    """
    left = 12 + LETTER_PX * max((len(shorten(name)) for name, *_ in values), default=0)

    def draw(axes: "Axes") -> None:
        for index, (name, value, spread) in enumerate(values):
            axes.barh(index, value, height=0.62, color=COLORS["pale" if name in pale else "accent"])
            if spread:
                axes.plot([value - spread, value + spread], [index, index], color=COLORS["ink"], lw=1.2)
            axes.text(-0.02, index, shorten(name), transform=axes.get_yaxis_transform(), ha="right", va="center")
        axes.set_ylim(len(values) - 0.4, -0.6)
        axes.set_yticks([])
        axes.grid(visible=False, axis="y")
        axes.axvline(0, color=COLORS["soft"], lw=1)
        axes.locator_params(axis="x", nbins=4)

    return draw_svg(draw, x_label, "", (WIDTH_PX, 64 + 22 * len(values)), left, 44)


def distribution_bars(
    name: str, labels: Sequence[str], reference: Sequence[float], recent: Sequence[float], edges: Sequence[float] = ()
) -> str:
    """Draw the shares of the training rows as wide pale bars, and those of recent rows as narrow bars before them.

    With `edges` between the bins the bars stand along the scale of a number, else each category has a row.
    """
    if edges:
        return _histogram(name, reference, recent, edges)
    categories = fold(labels, reference, recent)
    left = 12 + LETTER_PX * max(len(shorten(label)) for label, *_ in categories)

    def draw(axes: "Axes") -> None:
        for index, (label, reference_share, recent_share) in enumerate(categories):
            axes.barh(index, reference_share, height=0.78, color=COLORS["pale"])
            axes.barh(index, recent_share, height=0.3, color=COLORS["accent"])
            axes.text(-0.02, index, shorten(label), transform=axes.get_yaxis_transform(), ha="right", va="center")
        axes.set_ylim(len(categories) - 0.4, -0.6)
        axes.set_xlim(0)
        axes.set_yticks([])
        axes.grid(visible=False, axis="y")
        axes.locator_params(axis="x", nbins=4)
        use_percent_ticks(axes, x=True)

    return draw_svg(draw, "share of rows", "", (WIDTH_PX, max(120, 60 + 24 * len(categories))), left, 42)


def fold(labels: Sequence[str], reference: Sequence[float], recent: Sequence[float]) -> list[tuple[str, float, float]]:
    """Return (label, reference share, recent share) of each category; of many, the smallest are merged into one."""
    categories = list(zip(labels, reference, recent, strict=True))
    if len(categories) <= MAX_BARS:
        return categories
    largest_first = sorted(categories, key=lambda category: -max(category[1:]))
    rest = largest_first[MAX_BARS - 1 :]
    others = (
        f"{len(rest)} others",
        sum(reference_share for _, reference_share, _ in rest),
        sum(recent_share for _, _, recent_share in rest),
    )
    return [*largest_first[: MAX_BARS - 1], others]


def _histogram(name: str, reference: Sequence[float], recent: Sequence[float], edges: Sequence[float]) -> str:
    def draw(axes: "Axes") -> None:
        axes.bar(range(len(reference)), reference, width=0.9, color=COLORS["pale"])
        axes.bar(range(len(recent)), recent, width=0.36, color=COLORS["accent"])
        tick_labels = [number(edge) for edge in edges]
        longest = max(map(len, tick_labels))
        step = math.ceil(LETTER_PX * (1.5 + longest) * len(reference) / (WIDTH_PX - 48 - RIGHT_PX))
        axes.set_xticks([index + 0.5 for index in range(len(edges))][::step], tick_labels[::step])
        axes.set_xlim(-0.6, len(reference) - 0.4)
        axes.set_ylim(0)
        axes.grid(visible=False, axis="x")
        axes.locator_params(axis="y", nbins=4)
        use_percent_ticks(axes, y=True)

    return draw_svg(draw, shorten(name, 40), "share of rows", (WIDTH_PX, 190), 44)
