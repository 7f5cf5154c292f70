"""Find out how a CSV file is written: in which encoding, and what separates its fields."""

import codecs
import csv
import gzip
import re
from pathlib import Path
from typing import IO

SEPARATORS = ",;\t|"
ENCODINGS = ("cp1252", "cp1250", "cp1251", "shift_jis", "gb18030", "big5", "euc_kr")  # which no byte order mark tells
SAMPLE = 200_000  # bytes


def open_text(path: Path, packed: bool, encoding: str) -> IO[str]:
    """Open a file of texts, which may be `packed` by gzip; the lines keep their ends."""
    if packed:
        return gzip.open(path, "rt", encoding=encoding, newline="")
    return path.open(encoding=encoding, newline="")


def encoding_of(path: Path, packed: bool) -> str:
    """UTF-16 by its mark, UTF-8 if all of the file is, and else the likeliest of the older ones."""
    with gzip.open(path) if packed else path.open("rb") as file:
        sample = file.read(SAMPLE)
        if sample[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
            return "utf-16"
        decoder, part = codecs.getincrementaldecoder("utf-8")(), sample
        try:
            while part:
                decoder.decode(part)
                part = file.read(SAMPLE)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            from charset_normalizer import from_bytes

            odd = [line for line in (sample + part).splitlines() if not line.isascii()]
            if _looks_western(b"\n".join(odd)):
                return "cp1252"
            best = from_bytes(b"\n".join(odd), cp_isolation=list(ENCODINGS)).best()
            return best.encoding if best else "latin-1"
    return "utf-8-sig"


def _looks_western(lines: bytes) -> bool:
    """Whether, read as Windows' western encoding, few letters have accents and no sign stands within a word."""
    text = lines.decode("cp1252", errors="replace")
    letters = [sign for sign in text if sign.isalpha()]
    accented = sum(not sign.isascii() for sign in letters)
    return accented < len(letters) / 4 and not re.search(r"[^\W\d_][^\w\s\x00-\x7f]|[^\w\s\x00-\x7f][^\W\d_]", text)


def separator_of(lines: list[str]) -> str:
    """The sign that cuts most of the first lines into the same number of fields, two or more."""

    def agreement(sign: str) -> tuple[float, int]:
        widths = [len(row) for row in csv.reader(lines, delimiter=sign) if row]
        common = max(set(widths), key=widths.count, default=0)
        return (widths.count(common) / len(widths) if common > 1 else 0, common)

    return max(SEPARATORS, key=agreement)
