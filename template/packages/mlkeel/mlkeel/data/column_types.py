"""Recognize numbers, dates, times and personal data among texts, and normalize numbers and times."""

import ipaddress
import re
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import pandas as pd

DASHES = {"-", "--", "."}  # missing in a column of numbers, values in one of texts
PLAIN_NUMBER = r"[+-]?\d*\.?\d+(?:[eE][+-]?\d+)?"
DECORATED_NUMBER = {  # by the decimal mark
    ".": r"[$€£¥]?\s?([+-]?(?:[1-9]\d{0,2}(?:,\d{3})+|\d+)(?:\.\d+)?)\s?%?",
    ",": r"[$€£¥]?\s?([+-]?(?:[1-9]\d{0,2}(?:\.\d{3})+|\d+)(?:,\d+)?)\s?%?",
}
SAMPLE_ROWS = 1000  # that are tried before all rows are
MIN_PERSONAL_SHARE = 0.9  # of the sample: some values may be mistyped
LEADING_ZERO = r"[+-]?0\d"
FORMATS = ("ISO8601", "%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%d-%m-%Y", "%Y/%m/%d", "%d/%m/%Y %H:%M", "%m/%d/%Y %H:%M")
MORE_FORMATS = ("%d.%m.%Y %H:%M", "%m/%d/%y", "%d/%m/%y", "%d %b %Y", "%b %d, %Y", "%B %d, %Y", "%b %d %Y", "%b %Y")
DATETIMES = ("%d/%m/%Y %H:%M:%S", "%m/%d/%Y %H:%M:%S", "%d.%m.%Y %H:%M:%S", "%m/%d/%Y %I:%M:%S %p", "%m/%d/%Y %I:%M %p")
DATE_START = "|".join(
    (
        r"\d{4}-\d\d",
        r"\d{4}/\d",
        r"\d{1,2}[/.-]\d{1,2}[/.-]\d{2,4}",
        r"\d{1,2} [A-Za-z]{3} \d{4}",
        r"[A-Za-z]{3,9} (\d{1,2},? )?\d{4}",
    )
)
EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[A-Za-z]{2,}")
PHONE = re.compile(r"(\+|00)?\d{0,3}[\s.-]?\(?\d{2,5}\)?([\s.-]?\d{2,5}){1,4}(\s?(x|ext\.?)\s?\d+)?")
IDENTIFIER_NAME = re.compile(r"(^|_|\b)(id|key|uuid|guid|code|no|nr|num|number)$|[a-z]I[dD]$", re.IGNORECASE)
NAMES_OF_PHONES = re.compile(r"phone|mobile|(^|[_ ])(tel|fax|cell)([_ ]?(no|nr|number))?$", re.IGNORECASE)
NAMES_OF_CARDS = re.compile(r"card|(^|_)(pan|cc)(_|$)", re.IGNORECASE)


def numbers(texts: "pd.Series[str]", lenient: bool = False) -> "pd.Series[float] | None":
    """Return the texts as numbers, or None if some text is no number.

    A leading zero, as in 007, makes it none unless `lenient`.
    """
    import pandas as pd

    if pd.api.types.is_numeric_dtype(texts):
        return texts.astype(np.float64)
    sample = pd.to_numeric(texts.head(SAMPLE_ROWS), errors="coerce")
    if sample.isna().any():
        return None
    values = pd.to_numeric(texts, errors="coerce").astype(np.float64)
    if not np.isfinite(values).all():
        return None
    return None if not lenient and texts.str.match(LEADING_ZERO).any() else values


def invalid_numbers(texts: "pd.Series[str]") -> "pd.Series[str]":
    """Return the texts that are no finite numbers."""
    import pandas as pd

    return texts[~np.isfinite(pd.to_numeric(texts, errors="coerce").astype(np.float64))]


def times(texts: "pd.Series[str]") -> "pd.Series[pd.Timestamp] | None":
    """Return the texts as dates or times if all have one format; day before month is tried first."""
    import pandas as pd

    sample = texts.head(SAMPLE_ROWS)
    if texts.empty or not sample.str.match(DATE_START).all():
        return None
    for date_format in (*FORMATS, *DATETIMES, *MORE_FORMATS):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if pd.to_datetime(sample, format=date_format, errors="coerce", utc=True).isna().any():
                continue
            moments = pd.to_datetime(texts, format=date_format, errors="coerce", utc=True)
        if not moments.isna().any():
            return moments
    return None


def as_iso(texts: "pd.Series[str]") -> "pd.Series[str]":
    """Write dates as 2026-11-22 and times as 2026-11-22T14:30:00Z; missing values stay missing."""
    present = texts.dropna()
    moments = times(present)
    if moments is None:
        return texts
    only_dates = (moments == moments.dt.normalize()).all()
    only_seconds = (moments == moments.dt.floor("s")).all()
    iso_format = "%Y-%m-%d" if only_dates else "%Y-%m-%dT%H:%M:%SZ" if only_seconds else "%Y-%m-%dT%H:%M:%S.%fZ"
    formatted = moments.dt.strftime(iso_format.replace("%Y", "")).radd(moments.dt.year.astype("str").str.zfill(4))
    return formatted.reindex(texts.index)


def is_ambiguous(texts: "pd.Series[str]") -> bool:
    """Return whether dates like 03/04/2021 can be read with the month first as well."""
    import pandas as pd

    dates = texts.dropna().drop_duplicates()
    if not dates.str.fullmatch(r"\d{1,2}/\d{1,2}/\d{4}.*").all():
        return False
    halves = dates.str.extract(r"(\d+)/(\d+)").astype(int)
    return bool((pd.concat([halves[0], halves[1]]) <= 12).all())


def personal_data_type(texts: "pd.Series[str]", name: str) -> str | None:
    """Return which kind of personal data nearly all of the first texts are, or None."""
    sample = texts.drop_duplicates().head(SAMPLE_ROWS)

    def nearly_all(matches: list[bool]) -> bool:
        return len(matches) >= 5 and sum(matches) >= MIN_PERSONAL_SHARE * len(matches)

    if nearly_all([bool(EMAIL.fullmatch(text)) for text in sample]):
        return "e-mail addresses"
    if nearly_all([_is_ip_address(text) for text in sample]):
        return "IP addresses"
    cards = nearly_all([_is_card_number(text) for text in sample])
    if cards and (NAMES_OF_CARDS.search(name) or sample.str.len().nunique() <= 3):
        return "card numbers"
    if nearly_all([_is_phone_number(text, bool(NAMES_OF_PHONES.search(name))) for text in sample]):
        return "phone numbers"
    return None


def _is_ip_address(text: str) -> bool:
    try:
        return bool(ipaddress.ip_address(text)) and ("." in text or ":" in text)
    except ValueError:
        return False


def _is_card_number(text: str) -> bool:
    """Return whether a text is 13 to 19 digits with a valid check digit (Luhn's; ISO/IEC 7812-1)."""
    digits = re.sub(r"[ -]", "", text)
    if not re.fullmatch(r"\d{13,19}", digits):
        return False
    doubled = [int(digit) * (2 if position % 2 else 1) for position, digit in enumerate(reversed(digits))]
    return sum(number - 9 if number > 9 else number for number in doubled) % 10 == 0


def _is_phone_number(text: str, named: bool) -> bool:
    """Return whether a text has the form of a phone number.

    If its column is not `named` so, it needs a plus, brackets or two zeros at the start, or three groups of digits.
    """
    n_digits = sum(character.isdigit() for character in text)
    if not 7 <= n_digits <= 15 or not PHONE.fullmatch(text) or re.match(r"\d{4}-\d\d-\d\d", text):
        return False
    return named or text.startswith(("+", "(", "00")) or bool(re.fullmatch(r"\d{3}[ .-]\d{3}[ .-]\d{4}", text))


def has_decimal_commas(values: "pd.Series[str]") -> bool:
    """Return whether all values are numbers, and some of them only with a comma as the decimal mark."""
    present = values.dropna()
    if not present.head(SAMPLE_ROWS).str.contains(",", regex=False).any():
        return False
    return bool(
        present.str.fullmatch(DECORATED_NUMBER[","]).all() and not present.str.fullmatch(DECORATED_NUMBER["."]).all()
    )


def plain_numbers(values: "pd.Series[str]", decimal: str) -> "pd.Series[str]":
    """Write numbers without currency, percent and thousands separators, and with a decimal point.

    Other values stay as they are. A dash is a missing value if all others are numbers.
    """
    dashes = values.isin(DASHES)
    present = values[~dashes].dropna()
    if present.empty or not present.head(1000).str.contains(r"\d").any():
        return values
    if dashes.any() and present.str.fullmatch(PLAIN_NUMBER).all():
        return values.mask(dashes)
    units = present.str.replace(r"[^%$€£¥]", "", regex=True).unique()
    if len(units) > 1 or (not units[0] and not present.str.contains(",", regex=False).any()):
        return values  # amounts in several units are no numbers yet
    for mark in (decimal, "," if decimal == "." else "."):
        if present.str.fullmatch(DECORATED_NUMBER[mark]).all():
            amounts = values.mask(dashes).str.extract(DECORATED_NUMBER[mark], expand=False)
            thousands = "," if mark == "." else "."
            return amounts.str.replace(thousands, "", regex=False).str.replace(",", ".", regex=False)
    return values


def describe_values(values: "pd.Series[Any]") -> str:
    """Describe a column by its number of distinct values and the most frequent of them."""
    counts = values.value_counts()
    examples = ", ".join(map(shorten, sorted(counts.index[:4], key=str)))
    return f"{len(counts):,} values: {examples}{', …' if len(counts) > 4 else ''}"


def shorten(value: object) -> str:
    """Format a value as one short line."""
    text = "".join(character if character.isprintable() else " " for character in str(value))
    return text if len(text) <= 24 else f"{text[:24]}…"


def codes_of(values: "pd.Series[Any]") -> npt.NDArray[np.int64]:
    """Encode each value as an integer, in the order of first occurrence; missing is -1."""
    import pandas as pd

    codes: npt.NDArray[np.int64] = pd.factorize(values)[0]
    return codes
