"""Detect the dialect of a CSV file: its encoding and its separator."""

import codecs
import csv
import gzip
import re
from pathlib import Path
from typing import IO

SEPARATORS = ",;\t|"
ENCODINGS = ("cp1252", "cp1250", "cp1251", "shift_jis", "gb18030", "big5", "euc_kr")  # legacy, without byte order mark
CHUNK_BYTES = 200_000


def open_text(path: Path, compressed: bool, encoding: str) -> IO[str]:
    """Open a text file, which may be `compressed` by gzip; the lines keep their ends."""
    if compressed:
        return gzip.open(path, "rt", encoding=encoding, newline="")
    return path.open(encoding=encoding, newline="")


def encoding_of(path: Path, compressed: bool) -> str:
    """Detect the encoding: UTF-16 by its byte order mark, UTF-8 if the whole file is, else the likeliest legacy one."""
    with gzip.open(path) if compressed else path.open("rb") as file:
        sample = file.read(CHUNK_BYTES)
        if sample[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
            return "utf-16"
        decoder = codecs.getincrementaldecoder("utf-8")()
        chunk = sample
        try:
            while chunk:
                decoder.decode(chunk)
                chunk = file.read(CHUNK_BYTES)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            from charset_normalizer import from_bytes

            lines = [line for line in (sample + chunk).splitlines() if not line.isascii()]
            if _looks_western(b"\n".join(lines)):
                return "cp1252"
            best = from_bytes(b"\n".join(lines), cp_isolation=list(ENCODINGS)).best()
            return best.encoding if best else "latin-1"
    return "utf-8-sig"


def _looks_western(lines: bytes) -> bool:
    """Return whether, read as cp1252, few letters have accents and no symbol touches a letter."""
    text = lines.decode("cp1252", errors="replace")
    letters = [character for character in text if character.isalpha()]
    n_accented = sum(not letter.isascii() for letter in letters)
    return n_accented < len(letters) / 4 and not re.search(r"[^\W\d_][^\w\s\x00-\x7f]|[^\w\s\x00-\x7f][^\W\d_]", text)


def separator_of(lines: list[str]) -> str:
    """Return the separator that cuts most of the first lines into the same number of fields, two or more."""

    def agreement(separator: str) -> tuple[float, int]:
        widths = [len(row) for row in csv.reader(lines, delimiter=separator) if row]
        common = max(set(widths), key=widths.count, default=0)
        return (widths.count(common) / len(widths) if common > 1 else 0, common)

    return max(SEPARATORS, key=agreement)
