"""Make tokens of texts: the hashed words, pairs of words and trigrams of each row.

A token is a word, a pair of words, or three characters of a word, so that a typo leaves most tokens as they were
(Bojanowski et al. 2017, "Enriching Word Vectors with Subword Information"). Its number is a hash of it (Weinberger et
al. 2009, "Feature Hashing for Large Scale Multitask Learning"): nothing is fitted to data, so training and serving
cannot differ, and no script, language or emoji is unknown. It needs no pandas, so that a request does not either.
"""

import unicodedata
import zlib
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

import numpy as np
import numpy.typing as npt
import regex

TOKENIZER = 1  # its version, which a graph names that takes tokens; another way to make tokens is another version
N_BUCKETS = 2**15  # of the hash
LONGEST = 512  # distinct tokens of a row that are encoded, those of about its first hundred words
WORD = regex.compile(r"[\w\p{M}]+|[^\w\s]")


def token_numbers(columns: Sequence[Iterable[object]]) -> npt.NDArray[np.int64]:
    """Return the numbers of the tokens of n rows, shape (n, 512), then -1; several columns of text are joined."""
    rows = list(zip(*columns, strict=True))
    matrix = np.full((len(rows), LONGEST), -1, dtype=np.int64)
    for row, texts in enumerate(rows):
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
