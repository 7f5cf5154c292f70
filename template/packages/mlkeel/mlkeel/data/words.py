"""Change the words of texts."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import regex

from mlkeel.data.tables import with_columns

if TYPE_CHECKING:
    import pandas as pd


def reworded(rows: "pd.DataFrame", change: dict[str, Any]) -> "pd.DataFrame":
    """Texts with one of `WAYS`, or with words and what stands instead of them, by column."""
    return with_columns(rows, {name: rows[name].map(_reworder(how)) for name, how in change.items()})


def _reworder(how: str | dict[str, str]) -> Callable[[Any], Any]:
    """A function that rewords a text and lets a missing one be."""

    def reword(text: Any) -> Any:  # noqa: ANN401 - a text or nothing
        if not isinstance(text, str):
            return text
        if isinstance(how, str):
            return WAYS[how](text)
        for old, new in how.items():
            text = regex.sub(rf"\b{regex.escape(old)}\b", new.replace("\\", r"\\"), text, flags=regex.IGNORECASE)
        return text

    return reword


def _with_typo(text: str) -> str:
    word = max(regex.findall(r"\w+", text), key=len, default="")
    half = len(word) // 2
    return text.replace(word, word[: half - 1] + word[half] + word[half - 1] + word[half + 1 :], 1) if half else text


WAYS: dict[str, Callable[[str], str]] = {
    "a typo": _with_typo,
    "upper case": str.upper,
    "a dot at the end": lambda text: f"{text}.",
}
