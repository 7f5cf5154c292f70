"""Replace words of texts, or change how they are written."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import regex

from mlkeel.data.tables import with_columns

if TYPE_CHECKING:
    import pandas as pd


def reword(rows: "pd.DataFrame", change: dict[str, Any]) -> "pd.DataFrame":
    """Reword columns of texts; `change` maps each to one of `WAYS`, or to a mapping of words to their replacements."""
    return with_columns(rows, {name: rows[name].map(_reworder(rewording)) for name, rewording in change.items()})


def _reworder(rewording: str | dict[str, str]) -> Callable[[Any], Any]:
    """Return a function that rewords a text and leaves a missing one alone."""

    def reword(text: Any) -> Any:  # noqa: ANN401 - a text or nothing
        if not isinstance(text, str):
            return text
        if isinstance(rewording, str):
            return WAYS[rewording](text)
        for old, new in rewording.items():
            text = regex.sub(rf"\b{regex.escape(old)}\b", new.replace("\\", r"\\"), text, flags=regex.IGNORECASE)
        return text

    return reword


def _with_typo(text: str) -> str:
    word = max(regex.findall(r"\w+", text), key=len, default="")
    middle = len(word) // 2
    if not middle:
        return text
    return text.replace(word, word[: middle - 1] + word[middle] + word[middle - 1] + word[middle + 1 :], 1)


WAYS: dict[str, Callable[[str], str]] = {
    "a typo": _with_typo,
    "upper case": str.upper,
    "a dot at the end": lambda text: f"{text}.",
}
