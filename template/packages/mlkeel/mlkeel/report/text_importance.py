"""Word importance: how much the loss rises when a word is removed from the texts that hold it."""

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import regex

from mlkeel.contract.suites import Column
from mlkeel.data.words import reword

if TYPE_CHECKING:
    import pandas as pd

Losses = Callable[["pd.DataFrame"], npt.NDArray[np.float64]]
CHART_TITLE = "Which words it hangs on"
CHART_NOTE = "How much more an answer costs, on average over texts that hold a word, when it is taken out of them."
MAX_WORDS = 60
MAX_ROWS = 2000
MIN_TEXTS = 3  # that must hold a word
MAX_TEXTS = 100  # from which a word is removed
WORD_PATTERN = regex.compile(r"[\w\p{M}]{2,}")


def importances(rows: "pd.DataFrame", columns: tuple[Column, ...], losses: Losses) -> list[tuple[str, float, float]]:
    """Return each frequent word, the mean rise of `losses` without it, and the standard error over its texts."""
    sample = rows if len(rows) <= MAX_ROWS else rows.sample(MAX_ROWS, random_state=7)
    losses_before = losses(sample)
    results = []
    for column in columns:
        word_sets = [
            set(WORD_PATTERN.findall(text.casefold())) if isinstance(text, str) else set()
            for text in sample[column.name]
        ]
        counts = Counter(word for words in word_sets for word in words)
        for word, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:MAX_WORDS]:
            if count < MIN_TEXTS:
                break
            positions = np.flatnonzero([word in words for words in word_sets])[:MAX_TEXTS]
            rises = losses(reword(sample.iloc[positions], {column.name: {word: ""}})) - losses_before[positions]
            results.append((word, float(rises.mean()), float(rises.std() / np.sqrt(len(positions)))))
    return sorted(results, key=lambda result: -result[1])
