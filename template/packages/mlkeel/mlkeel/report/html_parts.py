"""The HTML elements of the report: figures with their numbers, tables, badges, notes and texts."""

import unicodedata
from collections.abc import Sequence
from datetime import datetime

import htpy as h
from htpy import Node
from markupsafe import Markup, escape

from mlkeel.report.plots import WIDTH_PX, Chart, LegendEntry

MAX_OPEN_ROWS = 40  # of a table; the rest is collapsed


def figure_of(chart: Chart, caption: Node = None, level: h.Element | None = h.h3) -> Node:
    """Return a chart with its title, its text alternative for screen readers, and its numbers in a table."""
    svg = chart.svg.replace("<svg ", f'<svg role="img" aria-label="{escape(clean(chart.description))}" ', 1)
    wide = chart.width > WIDTH_PX
    scroll_attributes = {"tabindex": "0", "role": "group", "aria-label": clean(chart.title)} if wide else {}
    return h.figure(class_={"wide": wide})[
        h.figcaption[
            level[h.bdi[clean(chart.title)]] if level else h.p(".caption")[clean(chart.title)],
            h.p(".note")[caption] if caption else None,
        ],
        h.div(".plot", **scroll_attributes)[Markup(svg)],  # noqa: S704 - plots.py escapes every text of it
        h.p(".keys")[[legend_entry(entry) for entry in chart.legend]] if chart.legend else None,
        note(chart.note) if chart.note else None,
        h.details[h.summary["Numbers"], table_of(chart.title, chart.headings, chart.rows)] if chart.rows else None,
    ]


def legend_entry(entry: LegendEntry) -> Node:
    """Return a piece of a bar or line with its label."""
    width, dash = ("8", None) if entry.dash is None else ("2", entry.dash or None)
    piece = h.line(x2="24", y1="5", y2="5", stroke=f"var(--{entry.color})", stroke_width=width, stroke_dasharray=dash)
    return h.span[h.svg(width="24", height="10", aria_hidden="true")[piece], user_text(entry.label)]


def table_of(
    title: str,
    headings: Sequence[str],
    rows: Sequence[Sequence[object]],
    text_columns: int = 1,
    open_rows: int = MAX_OPEN_ROWS,
) -> Node:
    """Return a table that scrolls on a narrow screen; the rows after the first `open_rows` are collapsed.

    The first `text_columns` columns are aligned as text, the others as numbers.
    """
    alignments = ["text" if index < text_columns else None for index in range(len(headings))]

    def table(rows: Sequence[Sequence[object]]) -> Node:
        head = h.tr[
            (h.th(scope="col", class_=side)[heading] for heading, side in zip(headings, alignments, strict=True))
        ]
        body = (
            h.tr[(h.td(class_=side)[_cell(value)] for value, side in zip(row, alignments, strict=True))] for row in rows
        )
        return h.div(".scroll", tabindex="0", role="group", aria_label=clean(title))[
            h.table[h.thead[head], h.tbody[body]]
        ]

    rest = rows[open_rows:]
    return [table(rows[:open_rows]), h.details[h.summary[f"{len(rest):,} more"], table(rest)] if rest else None]


def _cell(value: object) -> Node:
    if isinstance(value, h.BaseElement):
        return value
    return f"{value:,}" if isinstance(value, int) else user_text(value)


def user_text(text: object) -> Node:
    """Return a text of a user, which may run from right to left."""
    return h.bdi[clean(text)]


def badge(text: str, *, bad: bool = False) -> h.Element:
    """Return a highlighted word."""
    return h.span(class_={"mark": True, "bad": bad})[text]


def note(text: str) -> h.Element:
    """Return a paragraph in small print."""
    return h.p(".note", dir="auto")[clean(text)]


def clean(text: object) -> str:
    """Replace control characters and surrogates, which may hide text or are not allowed in HTML, by spaces."""
    return "".join(char if unicodedata.category(char) not in ("Cc", "Cs") else " " for char in str(text))


def pluralize(count: int, singular: str, plural: str | None = None) -> str:
    """Return a count with its noun."""
    return f"{count:,} {singular if count == 1 else plural or singular + 's'}"


def format_time(time: str) -> str:
    """Format a time given in ISO 8601 for a person; return any other text as it is."""
    try:
        moment = datetime.fromisoformat(time)
    except ValueError:
        return clean(time)
    return f"{moment.day} {moment:%B %Y, %H:%M} UTC"


def format_age(days: float) -> str:
    """Say how many days ago something was."""
    return "today" if days < 1 else f"{pluralize(int(days), 'day')} ago"
