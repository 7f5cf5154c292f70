"""Perturb words of a text, with the effect that a model should show."""

from typing import TYPE_CHECKING, Any

import regex

from mlkeel.behavior.perturbation import Perturbation
from mlkeel.contract.suites import Contract
from mlkeel.data.words import WAYS, reword

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

MIN_WORD_SHARE = 0.05  # of the texts of a class that hold a word, for it to be a candidate
MIN_TEXT_WORDS = 4  # different words of a text, so that enough is left without one of them
ABOUT = (
    "A `row` holds the text; `change` names, for a column, words and what stands instead of them, or one of",
    '"a typo" (two letters of the longest word change places), "upper case", "a dot at the end". Invariance looks at',
    "the texts that a change reaches.",
)


def apply(rows: "pd.DataFrame", change: dict[str, Any]) -> "pd.DataFrame":
    """Reword texts as a case's `change` says."""
    return reword(rows, change)


def small_steps(_table: "pd.DataFrame", contract: Contract) -> list[Perturbation]:
    """Return perturbations that should hardly change the outputs."""
    return [Perturbation(f"{way} in {column.name}", {column.name: way}) for column in contract.columns for way in WAYS]


def away_from_class(
    table: "pd.DataFrame", contract: Contract, target: "pd.Series[float]"
) -> list[tuple[float, Perturbation]]:
    """Return removals of words that should lower `target`, 1 for rows of a class and else 0, each with the lift."""
    in_class = target.to_numpy() == 1
    perturbations = []
    for column in contract.columns:
        texts = table[column.name].fillna("").str.casefold()
        words_by_row = texts.map(lambda text: set(regex.findall(r"[\w\p{M}]{3,}", text)))
        counts = words_by_row[in_class].explode().value_counts()
        frequent = counts[counts >= max(MIN_WORD_SHARE * in_class.sum(), 2)].index[:200]
        lifts = {word: _lift(words_by_row, in_class, word) for word in frequent}
        for word in sorted(lifts, key=lambda word: (-lifts[word], word))[:2]:
            has_word = words_by_row.map(lambda words, word=word: word in words and len(words) >= MIN_TEXT_WORDS)
            examples = table[column.name][has_word.to_numpy() & in_class]
            if len(examples):
                shortest = examples.loc[examples.str.len() == examples.str.len().min()].iloc[0]
                perturbations.append(
                    (lifts[word], Perturbation(f"no “{word}”", {column.name: {word: ""}}, {column.name: shortest}))
                )
    return perturbations


def _lift(words_by_row: "pd.Series[Any]", in_class: "npt.NDArray[np.bool_]", word: str) -> float:
    """Return the share of the rows with a word in the class, less the share in all other rows."""
    has_word = words_by_row.map(lambda words: word in words).to_numpy()
    return float(has_word[in_class].mean() - has_word[~in_class].mean())
