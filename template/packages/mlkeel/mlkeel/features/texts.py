"""Turn texts into the matrix that a model takes: the tokens of each row, as numbers.

A token is a word, a pair of words, or three signs of a word, so that a typing error leaves most tokens as they were
(Bojanowski et al. 2017, "Enriching Word Vectors with Subword Information"). Its number is a hash of it (Weinberger et
al. 2009, "Feature Hashing for Large Scale Multitask Learning"): nothing is learnt from data here, so training and
serving cannot differ, and no script, language or emoji is unknown. Needs no pandas, so that a request does not either.
"""

import unicodedata
import zlib
from collections.abc import Iterator
from itertools import islice

import numpy as np
import regex

from mlkeel.contract.suites import Contract
from mlkeel.features.encoder import Matrix, Rows

BUCKETS = 2**15  # different numbers of tokens
LONGEST = 512  # different tokens of a row that are read, those of about the first hundred words
WORD = regex.compile(r"[\w\p{M}]+|[^\w\s]")


class TextEncoder:
    """Encodes rows under one contract; several columns of text are read one after the other."""

    def __init__(self, contract: Contract) -> None:
        """Learn the columns of `contract`."""
        self.columns = contract.columns

    @property
    def width(self) -> int:
        """How many columns a matrix has: one for each token that is read."""
        return LONGEST

    def encode(self, rows: Rows) -> Matrix:
        """Encode n rows as a matrix of shape (n, width): the numbers of their tokens, then NaN."""
        columns = [rows[column.name] for column in self.columns]
        matrix = np.full((len(columns[0]), LONGEST), np.nan, dtype=np.float32)
        for place, texts in enumerate(zip(*columns, strict=True)):
            joined = "\n".join(text for text in texts if isinstance(text, str))
            seen = list(islice(dict.fromkeys(map(_bucket, islice(tokens(joined), 4 * LONGEST))), LONGEST))
            matrix[place, : len(seen)] = seen
        return matrix


def tokens(text: str) -> Iterator[str]:
    """Words in the order of the text, each with the pair that it ends and the threes of signs that it holds."""
    before = ""
    for found in WORD.finditer(unicodedata.normalize("NFKC", text).casefold()):
        word = found[0]
        yield word
        yield f"{before} {word}"
        if len(word) > 2:
            framed = f"<{word}>"
            yield from (f"#{framed[start : start + 3]}" for start in range(len(framed) - 2))
        before = word


def _bucket(token: str) -> int:
    return zlib.crc32(token.encode("utf-8", "surrogatepass")) % BUCKETS
