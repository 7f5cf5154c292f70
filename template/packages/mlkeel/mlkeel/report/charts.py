"""Draw charts as SVG inside of a page, which lends them its font and its colours, by day, by night and on paper.

Colours are drawn as marks, which become the page's variables afterwards. Text stays text, so that it can be read, found
and copied. Nothing has an id, so that many charts can stand on one page.
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

COLOURS = {
    name: f"#0000{place:02x}"
    for place, name in enumerate(
        ("ink", "soft", "line", "accent", "pale", "bad", "heat", "one", "two", "three", "four", "five", "card"), start=1
    )
}
LINES = ("one", "two", "three", "four", "five")  # colours that can be told from each other
DASHES = ("", "10 4", "2 3", "14 4 2 4", "6 2")  # and so can these, without colours
APART = "4 3"  # of a line to compare with
STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "report",
    "text.parse_math": False,  # a dollar in a name is a dollar
    "text.color": COLOURS["ink"],
    "path.simplify": False,
    "axes.edgecolor": COLOURS["line"],
    "axes.labelcolor": COLOURS["soft"],
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.unicode_minus": True,
    "grid.color": COLOURS["line"],
    "grid.linewidth": 1,
    "xtick.color": COLOURS["line"],
    "ytick.color": COLOURS["line"],
    "xtick.labelcolor": COLOURS["soft"],
    "ytick.labelcolor": COLOURS["soft"],
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
WIDTH, LETTER = 330, 6.6  # pixels: of a chart, and of a letter on average
RIGHT = 14  # pixels, for half a name of a value
SHORT = 20  # letters of a name beside a bar


@dataclass(frozen=True)
class Key:
    """What a colour stands for: of a bar or, with the lengths of its dashes and gaps, of a line."""

    colour: str
    said: str
    dash: str | None = None


@dataclass(frozen=True)
class Chart:
    """A drawing, and the same in words and numbers."""

    title: str
    says: str
    svg: str
    headings: tuple[str, ...] = ()
    rows: Sequence[tuple[object, ...]] = ()
    keys: tuple[Key, ...] = ()
    note: str = ""

    @property
    def width(self) -> float:
        """How wide it is drawn, in pixels."""
        return float(self.svg.split('width="', 1)[1].split('"', 1)[0])


def drawing(
    draw: "Callable[[Axes], None]",
    x: str,
    y: str,
    size: tuple[float, float] = (WIDTH, 230),
    left: float = 48,
    bottom: float = 42,
    right: float = RIGHT,
) -> str:
    """What `draw` puts between axes that are called `x` and `y`, as the inside of an `<svg>` and the tag that opens it.

    `size` is that of all, and `left`, `bottom` and `right` are the room for the names of values, in pixels.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    width, height = size
    with mpl.rc_context(STYLE), warnings.catch_warnings(), io.StringIO() as file:
        warnings.filterwarnings("ignore", "Glyph .* missing")  # the reader's browser has it
        figure = Figure(figsize=(width / 72, height / 72), dpi=72)
        figure.patch.set_visible(False)
        top = 30 if y else 12
        axes = figure.add_axes((left / width, bottom / height, 1 - (left + right) / width, 1 - (bottom + top) / height))
        axes.patch.set_visible(False)
        draw(axes)
        half = LETTER * len(x) / 2  # so that a long name does not reach beyond the edge
        middle = max(half, min((left + width - right) / 2, width - half))
        figure.text(middle / width, 6 / height, x, ha="center", color=COLOURS["soft"])
        figure.text(0, 1 - 14 / height, y, color=COLOURS["soft"])
        figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
        return _themed(file.getvalue(), width, height)


def _themed(svg: str, width: float, height: float) -> str:
    inside = svg[svg.index("<g ") : svg.rindex("</svg>")]
    inside = re.sub(r"<defs>.*?</defs>", "", inside, flags=re.DOTALL)
    inside = re.sub(r"<[^<>]*>", lambda tag: _plainer(tag[0]), inside)  # signs of a text are escaped, so no tags
    if "<g " not in inside:
        inside = re.sub(r"</?g ?/?>", "", inside)  # nothing hung on them
    inside = re.sub(r">\s+<", "><", inside.strip())
    return f'<svg viewBox="0 0 {width:g} {height:g}" width="{width:g}" height="{height:g}">{inside}</svg>'


def _plainer(tag: str) -> str:
    """One tag without ids, with numbers as exact as a screen, and with the page's colours and font."""
    tag = " ".join(tag.split())
    tag = re.sub(r' (?:id|clip-path)="[^"]*"|font-family: [^;"]*;? ?| transform="rotate\(-0 [^"]*"', "", tag)
    tag = re.sub(r"stroke-(?:miterlimit|linejoin): [^;\"]*;? ?", "", tag)
    tag = re.sub(r"-?\d+\.\d+", lambda number: f"{float(number[0]):.1f}".removesuffix(".0"), tag)
    tag = re.sub(r' style="font-size: 12px; ?', ' style="', tag)
    return re.sub(r"#0000([0-9a-f]{2})", lambda found: f"var(--{list(COLOURS)[int(found[1], 16) - 1]})", tag)


def short(name: object, letters: int = SHORT) -> str:
    """A name that fits beside a bar; signs of East Asia take the room of two."""
    clean = " ".join("".join(" " if unicodedata.category(sign)[0] == "C" else sign for sign in str(name)).split())
    kept, room = "", letters
    for sign in clean:
        room -= 2 if unicodedata.east_asian_width(sign) in "WF" else 1
        if room < 0:
            return f"{kept[:-1].rstrip()}…"
        kept += sign
    return kept or "“”"


def dashed(dash: str, width: float) -> Any:  # noqa: ANN401 - matplotlib has a type for each way to say it
    """How a line of this width gets these dashes, in pixels."""
    return (0, [float(length) / width for length in dash.split()]) if dash else "-"


def percent(share: float) -> str:
    """A share as it stands among others: all with as many figures."""
    return f"{share:.1%}"


def as_percent(axis: "Axes", *, x: bool = False, y: bool = False) -> None:
    """Write shares along an axis as percent."""
    for wanted, one in ((x, axis.xaxis), (y, axis.yaxis)):
        if wanted:
            one.set_major_formatter(lambda share, _: f"{share:.0%}")


def course(
    values: Sequence[float], names: Sequence[str], marked: Sequence[int], y: str, limit: float | None = None
) -> str:
    """Values one after the other, with the one in use marked, and a line at `limit`."""

    def draw(axes: "Axes") -> None:
        axes.plot(range(len(values)), values, color=COLOURS["accent"], lw=1.5)
        dots(axes, list(range(len(values))), list(values), 6, "accent")
        for size, colour in ((13, "accent"), (8, "card")):
            dots(axes, marked, [values[place] for place in marked], size, colour)
        if limit is not None:
            axes.axhline(limit, color=COLOURS["bad"], lw=1, ls=dashed(APART, 1))
        every = max(1, -(-len(names) // 6))
        axes.set_xticks(range(0, len(names), every), list(names)[::every])
        axes.set_xlim(-0.5, len(values) - 0.5)
        axes.margins(y=0.25)
        axes.set_ylim(min(0, *values))
        axes.grid(visible=False, axis="x")
        axes.locator_params(axis="y", nbins=4)

    return drawing(draw, "", y, (2 * WIDTH, 190), 48, 28, 30)


def dots(axes: "Axes", x: Sequence[float], y: Sequence[float], size: float, colour: str, alpha: float = 1) -> None:
    """Points as lines of no length with round ends, which need no marker of their own in the file."""
    gap = float("nan")
    xs, ys = [part for one in x for part in (one, one, gap)], [part for one in y for part in (one, one, gap)]
    axes.plot(xs, ys, color=COLOURS[colour], lw=size, solid_capstyle="round", alpha=alpha)
