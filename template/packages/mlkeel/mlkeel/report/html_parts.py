"""What the sections of the report are made of: figures with their numbers, tables, marks and words."""

import unicodedata
from collections.abc import Sequence
from datetime import datetime

import htpy as h
from htpy import Node
from markupsafe import Markup, escape

from mlkeel.report.charts import WIDTH, Chart, Key

FOLDED = 40  # rows of a table, after which the rest is folded away


def figure_of(chart: Chart, said: Node = None, level: h.Element | None = h.h3) -> Node:
    """A drawing with its title, the words for who does not see it, and its numbers in a table."""
    svg = chart.svg.replace("<svg ", f'<svg role="img" aria-label="{escape(clean(chart.says))}" ', 1)
    wide = chart.width > WIDTH
    scrolled = {"tabindex": "0", "role": "group", "aria-label": clean(chart.title)} if wide else {}
    return h.figure(class_={"wide": wide})[
        h.figcaption[
            level[h.bdi[clean(chart.title)]] if level else h.p(".caption")[clean(chart.title)],
            h.p(".note")[said] if said else None,
        ],
        h.div(".plot", **scrolled)[Markup(svg)],  # noqa: S704 - charts.py escapes every text of it
        h.p(".keys")[[key_of(key) for key in chart.keys]] if chart.keys else None,
        note(chart.note) if chart.note else None,
        h.details[h.summary["Numbers"], table_of(chart.title, chart.headings, chart.rows)] if chart.rows else None,
    ]


def key_of(key: Key) -> Node:
    """A piece of a bar or of a line, and what it stands for."""
    width, dash = ("8", None) if key.dash is None else ("2", key.dash or None)
    piece = h.line(x2="24", y1="5", y2="5", stroke=f"var(--{key.colour})", stroke_width=width, stroke_dasharray=dash)
    return h.span[h.svg(width="24", height="10", aria_hidden="true")[piece], said_as(key.said)]


def table_of(
    title: str, headings: Sequence[str], rows: Sequence[Sequence[object]], texts: int = 1, folded: int = FOLDED
) -> Node:
    """A table that scrolls on a narrow screen; the first `texts` columns are texts, the others numbers.

    What comes after `folded` rows is folded away.
    """
    sides = ["text" if place < texts else None for place in range(len(headings))]

    def part(rows: Sequence[Sequence[object]]) -> Node:
        head = h.tr[(h.th(scope="col", class_=side)[name] for name, side in zip(headings, sides, strict=True))]
        body = (h.tr[(h.td(class_=side)[_cell(one)] for one, side in zip(row, sides, strict=True))] for row in rows)
        return h.div(".scroll", tabindex="0", role="group", aria_label=clean(title))[
            h.table[h.thead[head], h.tbody[body]]
        ]

    rest = rows[folded:]
    return [part(rows[:folded]), h.details[h.summary[f"{len(rest):,} more"], part(rest)] if rest else None]


def _cell(value: object) -> Node:
    if isinstance(value, h.BaseElement):
        return value
    return f"{value:,}" if isinstance(value, int) else said_as(value)


def said_as(text: object) -> Node:
    """A name, a value or a sentence of a person's, in whichever direction it runs."""
    return h.bdi[clean(text)]


def mark(said: str, *, bad: bool = False) -> h.Element:
    """A word that catches the eye."""
    return h.span(class_={"mark": True, "bad": bad})[said]


def note(said: str) -> h.Element:
    """A remark that need not be read."""
    return h.p(".note", dir="auto")[clean(said)]


def clean(text: object) -> str:
    """Text without signs that command: a control sign may hide a word, and no page may hold a zero."""
    return "".join(sign if unicodedata.category(sign) not in ("Cc", "Cs") else " " for sign in str(text))


def counted(number: int, one: str, several: str | None = None) -> str:
    """A number of things."""
    return f"{number:,} {one if number == 1 else several or one + 's'}"


def day(time: str) -> str:
    """A time in ISO 8601 as a person writes it."""
    try:
        found = datetime.fromisoformat(time)
    except ValueError:
        return clean(time)
    return f"{found.day} {found:%B %Y, %H:%M} UTC"


def ago(days: float) -> str:
    """How long ago something was."""
    return "today" if days < 1 else f"{counted(int(days), 'day')} ago"
