"""Escape names and values of a table for Markdown."""

import html
import re


def text(value: object) -> str:
    """Return `value` as plain text: it begins no tag, link, emphasis or code, and ends no line and no cell."""
    return re.sub(r"([\\`*\[\]|~]|(?<!\w)_|_(?!\w))", r"\\\1", html.escape(_one_line(value), quote=False))


def code(value: object) -> str:
    """Return `value` as a code span, which it cannot end."""
    line = _one_line(value).replace("`", "'")
    return f"`{line}`"


def code_cell(value: object) -> str:
    """Return `value` as a code span in a table, of which it ends no cell."""
    return code(value).replace("|", "\\|")


def _one_line(value: object) -> str:
    return " ".join(str(value).split())
