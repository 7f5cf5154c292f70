"""Encode texts as a matrix: the hashed tokens of each row.

A token is a word, a pair of words, or three characters of a word, so that a typo leaves most tokens as they were
(Bojanowski et al. 2017, "Enriching Word Vectors with Subword Information"). Its number is a hash of it (Weinberger et
al. 2009, "Feature Hashing for Large Scale Multitask Learning"): nothing is fitted to data, so training and serving
cannot differ, and no script, language or emoji is unknown. It needs no pandas, so that a request does not either.
"""

import unicodedata
import zlib
from collections.abc import Iterator
from itertools import islice

import numpy as np
import regex

from mlkeel.contract.suites import Contract
from mlkeel.features.encoder import Matrix, Rows

N_BUCKETS = 2**15  # of the hash
LONGEST = 512  # distinct tokens of a row that are encoded, those of about its first hundred words
WORD = regex.compile(r"[\w\p{M}]+|[^\w\s]")


class TextEncoder:
    """Encodes rows of texts by a contract; several columns of text are joined."""

    def __init__(self, contract: Contract) -> None:
        """Read the columns of `contract`."""
        self.columns = contract.columns

    @property
    def width(self) -> int:
        """The number of columns of the matrix: one for each token that is encoded."""
        return LONGEST

    def encode(self, rows: Rows) -> Matrix:
        """Encode n rows as a matrix of shape (n, width): the numbers of their tokens, then NaN."""
        columns = [rows[column.name] for column in self.columns]
        matrix = np.full((len(columns[0]), LONGEST), np.nan, dtype=np.float32)
        for row, texts in enumerate(zip(*columns, strict=True)):
            joined = "\n".join(text for text in texts if isinstance(text, str))
            buckets = list(islice(dict.fromkeys(map(_bucket, islice(tokens(joined), 4 * LONGEST))), LONGEST))
            matrix[row, : len(buckets)] = buckets
        return matrix


def tokens(text: str) -> Iterator[str]:
    """Yield the words of `text` in their order, each followed by the pair that it ends and its character trigrams."""
    previous = ""
    for match in WORD.finditer(unicodedata.normalize("NFKC", text).casefold()):
        word = match[0]
        yield word
        yield f"{previous} {word}"
        if len(word) > 2:
            padded = f"<{word}>"
            yield from (f"#{padded[start : start + 3]}" for start in range(len(padded) - 2))
        previous = word


def _bucket(token: str) -> int:
    return zlib.crc32(token.encode("utf-8", "surrogatepass")) % N_BUCKETS
