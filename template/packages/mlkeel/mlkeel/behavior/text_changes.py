"""What can be changed in a row of texts, and how an answer should follow."""

from typing import TYPE_CHECKING, Any

import regex

from mlkeel.behavior.change import Change
from mlkeel.contract.suites import Contract
from mlkeel.data.words import WAYS, reworded

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

OFTEN = 0.05  # of the texts of a class, for a word to be telling
WORDS = 4  # of a text in which the loss of a word can be seen
ABOUT = (
    "A `row` holds the text; `change` names, for a column, words and what stands instead of them, or one of",
    '"a typo" (two letters of the longest word change places), "upper case", "a dot at the end". Invariance looks at',
    "the texts that a change reaches.",
)


def changed(rows: "pd.DataFrame", change: dict[str, Any]) -> "pd.DataFrame":
    """Reword texts as a case's `change` says."""
    return reworded(rows, change)


def small(_table: "pd.DataFrame", contract: Contract) -> list[Change]:
    """Changes that should decide nothing."""
    return [Change(f"{way} in {column.name}", {column.name: way}) for column in contract.columns for way in WAYS]


def away(table: "pd.DataFrame", contract: Contract, towards: "pd.Series[float]") -> list[tuple[float, Change]]:
    """Words whose loss should lower `towards`, 1 for rows of a class and else 0, and how much they tell of it."""
    of_class = towards.to_numpy() == 1
    changes = []
    for column in contract.columns:
        texts = table[column.name].fillna("").str.casefold()
        words = texts.map(lambda text: set(regex.findall(r"[\w\p{M}]{3,}", text)))
        counts = words[of_class].explode().value_counts()
        often = counts[counts >= max(OFTEN * of_class.sum(), 2)].index[:200]
        lifts = {word: _lift(words, of_class, word) for word in often}
        for word in sorted(lifts, key=lambda word: (-lifts[word], word))[:2]:
            holds = words.map(lambda some, word=word: word in some and len(some) >= WORDS).to_numpy() & of_class
            if holds.any():
                shortest = table[column.name][holds].loc[lambda some: some.str.len() == some.str.len().min()].iloc[0]
                changes.append(
                    (lifts[word], Change(f"no “{word}”", {column.name: {word: ""}}, {column.name: shortest}))
                )
    return changes


def _lift(words: "pd.Series[Any]", of_class: "npt.NDArray[np.bool_]", word: str) -> float:
    holds = words.map(lambda some: word in some).to_numpy()
    return float(holds[of_class].mean() - holds[~of_class].mean())
