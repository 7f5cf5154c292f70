"""Which words the answers hang on: what it costs when one is taken out."""

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import regex

from mlkeel.contract.suites import Column
from mlkeel.data.words import reworded

if TYPE_CHECKING:
    import pandas as pd

Losses = Callable[["pd.DataFrame"], npt.NDArray[np.float64]]
TITLE = "Which words it hangs on"
ABOUT = "How much more an answer costs, on average over texts that hold a word, when it is taken out of them."
WORDS, ROWS = 60, 2000  # looked at
FEW, MANY = 3, 100  # texts that must hold a word, and from which it is taken out
WORD = regex.compile(r"[\w\p{M}]{2,}")


def importances(rows: "pd.DataFrame", columns: tuple[Column, ...], losses: Losses) -> list[tuple[str, float, float]]:
    """Each frequent word, by how much `losses` rise without it, and the standard error over the texts that hold it."""
    some = rows if len(rows) <= ROWS else rows.sample(ROWS, random_state=7)
    before, found = losses(some), []
    for column in columns:
        words = [set(WORD.findall(text.casefold())) if isinstance(text, str) else set() for text in some[column.name]]
        often = Counter(word for one in words for word in one)
        for word, count in sorted(often.items(), key=lambda one: (-one[1], one[0]))[:WORDS]:
            if count < FEW:
                break
            holds = np.flatnonzero([word in one for one in words])[:MANY]
            risen = losses(reworded(some.iloc[holds], {column.name: {word: ""}})) - before[holds]
            found.append((word, float(risen.mean()), float(risen.std() / np.sqrt(len(holds)))))
    return sorted(found, key=lambda one: -one[1])
