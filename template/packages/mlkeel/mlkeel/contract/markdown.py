"""Escape names and values of a table for Markdown."""

import html
import re


def text(value: object) -> str:
    """Return `value` as plain text: it begins no tag, link, emphasis or code, and ends no line and no cell."""
    return re.sub(r"([\\`*\[\]|])", r"\\\1", html.escape(_one_line(value), quote=False))


def code(value: object) -> str:
    """Return `value` as a code span, which it cannot end, nor a cell of a table."""
    line = _one_line(value).replace("`", "'").replace("|", "\\|")
    return f"`{line}`"


def _one_line(value: object) -> str:
    return " ".join(str(value).split())
