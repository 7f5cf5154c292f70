"""Draw charts as inline SVG that takes its font and colors from the page, in light mode, in dark mode and in print.

Colors are drawn as placeholders, which are then replaced by the CSS variables of the page. Text stays text, so that it
can be read, searched and copied. No element has an id, so that one page can hold many charts.
"""

import io
import re
import unicodedata
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLORS = {
    name: f"#0000{number:02x}"
    for number, name in enumerate(
        ("ink", "soft", "line", "accent", "pale", "bad", "heat", "one", "two", "three", "four", "five", "card"), start=1
    )
}
LINE_COLORS = ("one", "two", "three", "four", "five")  # distinguishable from each other
LINE_DASHES = ("", "10 4", "2 3", "14 4 2 4", "6 2")  # distinguishable without colors
REFERENCE_DASH = "4 3"  # of a line to compare with, such as a limit
STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "report",
    "text.parse_math": False,  # a dollar in a name is a dollar
    "text.color": COLORS["ink"],
    "path.simplify": False,
    "axes.edgecolor": COLORS["line"],
    "axes.labelcolor": COLORS["soft"],
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.unicode_minus": True,
    "grid.color": COLORS["line"],
    "grid.linewidth": 1,
    "xtick.color": COLORS["line"],
    "ytick.color": COLORS["line"],
    "xtick.labelcolor": COLORS["soft"],
    "ytick.labelcolor": COLORS["soft"],
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "xtick.minor.size": 0,
    "ytick.minor.size": 0,
    "font.size": 12,
    "axes.labelsize": 12,
    "xtick.labelsize": 12,
    "ytick.labelsize": 12,
    **{f"axes.spines.{side}": False for side in ("left", "right", "top", "bottom")},
}
WIDTH_PX = 330  # of a chart
LETTER_PX = 6.6  # of a letter, on average
RIGHT_PX = 14  # right margin, for half of the last tick label
MAX_NAME_LETTERS = 20  # of a name beside a bar


@dataclass(frozen=True)
class LegendEntry:
    """The color of a bar or, with the lengths of its dashes and gaps, of a line; and its label."""

    color: str
    label: str
    dash: str | None = None


@dataclass(frozen=True)
class Chart:
    """A chart as SVG, its text alternative, and its numbers as a table."""

    title: str
    description: str
    svg: str
    headings: tuple[str, ...] = ()
    rows: Sequence[tuple[object, ...]] = ()
    legend: tuple[LegendEntry, ...] = ()
    note: str = ""

    @property
    def width(self) -> float:
        """The width of the SVG, in pixels."""
        return float(self.svg.split('width="', 1)[1].split('"', 1)[0])


def draw_svg(
    draw: "Callable[[Axes], None]",
    x_label: str,
    y_label: str,
    size: tuple[float, float] = (WIDTH_PX, 230),
    left: float = 48,
    bottom: float = 42,
    right: float = RIGHT_PX,
) -> str:
    """Return an `<svg>` element with what `draw` puts on the axes.

    `size` is the width and height of the whole chart; `left`, `bottom` and `right` are its margins. All are in pixels.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    width, height = size
    with mpl.rc_context(STYLE), warnings.catch_warnings(), io.StringIO() as file:
        warnings.filterwarnings("ignore", "Glyph .* missing")  # the reader's browser has it
        figure = Figure(figsize=(width / 72, height / 72), dpi=72)
        figure.patch.set_visible(False)
        top = 30 if y_label else 12
        axes = figure.add_axes((left / width, bottom / height, 1 - (left + right) / width, 1 - (bottom + top) / height))
        axes.patch.set_visible(False)
        draw(axes)
        half = LETTER_PX * len(x_label) / 2  # so that a long label does not reach beyond the edge
        middle = max(half, min((left + width - right) / 2, width - half))
        figure.text(middle / width, 6 / height, x_label, ha="center", color=COLORS["soft"])
        figure.text(0, 1 - 14 / height, y_label, color=COLORS["soft"])
        figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
        return _to_inline_svg(file.getvalue(), width, height)


def _to_inline_svg(svg: str, width: float, height: float) -> str:
    inside = svg[svg.index("<g ") : svg.rindex("</svg>")]
    inside = re.sub(r"<defs>.*?</defs>", "", inside, flags=re.DOTALL)
    inside = re.sub(r"<[^<>]*>", lambda tag: _simplify_tag(tag[0]), inside)  # text is escaped, so it has no tags
    if "<g " not in inside:
        inside = re.sub(r"</?g ?/?>", "", inside)  # no group has an attribute
    inside = re.sub(r">\s+<", "><", inside.strip())
    return f'<svg viewBox="0 0 {width:g} {height:g}" width="{width:g}" height="{height:g}">{inside}</svg>'


def _simplify_tag(tag: str) -> str:
    """Remove ids and fonts from a tag, round its numbers to tenths of a pixel, and use the page's color variables."""
    tag = " ".join(tag.split())
    tag = re.sub(r' (?:id|clip-path)="[^"]*"|font-family: [^;"]*;? ?| transform="rotate\(-0 [^"]*"', "", tag)
    tag = re.sub(r"stroke-(?:miterlimit|linejoin): [^;\"]*;? ?", "", tag)
    tag = re.sub(r"-?\d+\.\d+", lambda number: f"{float(number[0]):.1f}".removesuffix(".0"), tag)
    tag = re.sub(r' style="font-size: 12px; ?', ' style="', tag)
    return re.sub(r"#0000([0-9a-f]{2})", lambda match: f"var(--{list(COLORS)[int(match[1], 16) - 1]})", tag)


def shorten(name: object, max_letters: int = MAX_NAME_LETTERS) -> str:
    """Shorten a name so that it fits beside a bar; a wide character of East Asia counts as two letters."""
    clean = " ".join("".join(" " if unicodedata.category(char)[0] == "C" else char for char in str(name)).split())
    prefix = ""
    letters_left = max_letters
    for char in clean:
        letters_left -= 2 if unicodedata.east_asian_width(char) in "WF" else 1
        if letters_left < 0:
            return f"{prefix[:-1].rstrip()}…"
        prefix += char
    return prefix or "“”"


def line_style(dash: str, width: float) -> Any:  # noqa: ANN401 - matplotlib has a type for each form of it
    """Return the line style for a line of this width with these dashes, in pixels."""
    return (0, [float(length) / width for length in dash.split()]) if dash else "-"


def percent(share: float) -> str:
    """Format a share with one decimal, so that shares in a column line up."""
    return f"{share:.1%}"


def use_percent_ticks(axes: "Axes", *, x: bool = False, y: bool = False) -> None:
    """Format the ticks of the x axis, the y axis or both as percent."""
    for use_percent, axis in ((x, axes.xaxis), (y, axes.yaxis)):
        if use_percent:
            axis.set_major_formatter(lambda share, _: f"{share:.0%}")


def line_chart(
    values: Sequence[float], names: Sequence[str], marked: Sequence[int], y_label: str, limit: float | None = None
) -> str:
    """Draw values in their order, with rings at the positions `marked` and a line at `limit`."""

    def draw(axes: "Axes") -> None:
        axes.plot(range(len(values)), values, color=COLORS["accent"], lw=1.5)
        dots(axes, list(range(len(values))), list(values), 6, "accent")
        for size, color in ((13, "accent"), (8, "card")):
            dots(axes, marked, [values[index] for index in marked], size, color)
        if limit is not None:
            axes.axhline(limit, color=COLORS["bad"], lw=1, ls=line_style(REFERENCE_DASH, 1))
        step = max(1, -(-len(names) // 6))
        axes.set_xticks(range(0, len(names), step), list(names)[::step])
        axes.set_xlim(-0.5, len(values) - 0.5)
        axes.margins(y=0.25)
        axes.set_ylim(min(0, *values))
        axes.grid(visible=False, axis="x")
        axes.locator_params(axis="y", nbins=4)

    return draw_svg(draw, "", y_label, (2 * WIDTH_PX, 190), 48, 28, 30)


def dots(axes: "Axes", x: Sequence[float], y: Sequence[float], size: float, color: str, alpha: float = 1) -> None:
    """Draw points as lines of length zero with round ends, since each marker would need an id of its own in the SVG."""
    gap = float("nan")
    xs = [coordinate for value in x for coordinate in (value, value, gap)]
    ys = [coordinate for value in y for coordinate in (value, value, gap)]
    axes.plot(xs, ys, color=COLORS[color], lw=size, solid_capstyle="round", alpha=alpha)
