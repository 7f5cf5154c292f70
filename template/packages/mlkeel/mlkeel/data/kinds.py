"""Recognise what texts are: numbers, dates and times, or personal data; and write numbers and times plainly."""

import ipaddress
import re
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import pandas as pd

DASHES = {"-", "--", "."}  # missing among numbers, values among texts
PLAIN = r"[+-]?\d*\.?\d+(?:[eE][+-]?\d+)?"
DECORATED = {  # by the sign of decimals
    ".": r"[$€£¥]?\s?([+-]?(?:[1-9]\d{0,2}(?:,\d{3})+|\d+)(?:\.\d+)?)\s?%?",
    ",": r"[$€£¥]?\s?([+-]?(?:[1-9]\d{0,2}(?:\.\d{3})+|\d+)(?:,\d+)?)\s?%?",
}
LOOKED_AT = 1000  # values, before all are
MOST = 0.9  # of these, for personal data: some may be mistyped
LEADING_ZERO = r"[+-]?0\d"
FORMS = ("ISO8601", "%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%d-%m-%Y", "%Y/%m/%d", "%d/%m/%Y %H:%M", "%m/%d/%Y %H:%M")
MORE_FORMS = ("%d.%m.%Y %H:%M", "%m/%d/%y", "%d/%m/%y", "%d %b %Y", "%b %d, %Y", "%B %d, %Y", "%b %d %Y", "%b %Y")
SECONDS = ("%d/%m/%Y %H:%M:%S", "%m/%d/%Y %H:%M:%S", "%d.%m.%Y %H:%M:%S", "%m/%d/%Y %I:%M:%S %p", "%m/%d/%Y %I:%M %p")
DATE = "|".join(
    (
        r"\d{4}-\d\d",
        r"\d{4}/\d",
        r"\d{1,2}[/.-]\d{1,2}[/.-]\d{2,4}",
        r"\d{1,2} [A-Za-z]{3} \d{4}",
        r"[A-Za-z]{3,9} (\d{1,2},? )?\d{4}",
    )
)
MAIL = re.compile(r"[^@\s]+@[^@\s]+\.[A-Za-z]{2,}")
PHONE = re.compile(r"(\+|00)?\d{0,3}[\s.-]?\(?\d{2,5}\)?([\s.-]?\d{2,5}){1,4}(\s?(x|ext\.?)\s?\d+)?")
NAMES_OF_IDENTIFIERS = re.compile(r"(^|_|\b)(id|key|uuid|guid|code|no|nr|num|number)$|[a-z]I[dD]$", re.IGNORECASE)
NAMES_OF_PHONES = re.compile(r"phone|mobile|(^|[_ ])(tel|fax|cell)([_ ]?(no|nr|number))?$", re.IGNORECASE)
NAMES_OF_CARDS = re.compile(r"card|(^|_)(pan|cc)(_|$)", re.IGNORECASE)


def numbers(texts: "pd.Series[str]", lenient: bool = False) -> "pd.Series[float] | None":
    """The texts as numbers if all are; a leading zero, as in 007, makes them none unless `lenient`."""
    import pandas as pd

    if pd.api.types.is_numeric_dtype(texts):
        return texts.astype(np.float64)
    some = pd.to_numeric(texts.head(LOOKED_AT), errors="coerce")
    if some.isna().any():
        return None
    found = pd.to_numeric(texts, errors="coerce").astype(np.float64)
    if not np.isfinite(found).all():
        return None
    return None if not lenient and texts.str.match(LEADING_ZERO).any() else found


def not_numbers(texts: "pd.Series[str]") -> "pd.Series[str]":
    """Those of the texts that are no finite numbers."""
    import pandas as pd

    return texts[~np.isfinite(pd.to_numeric(texts, errors="coerce").astype(np.float64))]


def times(texts: "pd.Series[str]") -> "pd.Series[pd.Timestamp] | None":
    """The texts as dates or times if all have one form, of which day before month goes first."""
    import pandas as pd

    some = texts.head(LOOKED_AT)
    if texts.empty or not some.str.match(DATE).all():
        return None
    for form in (*FORMS, *SECONDS, *MORE_FORMS):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if pd.to_datetime(some, format=form, errors="coerce", utc=True).isna().any():
                continue
            found = pd.to_datetime(texts, format=form, errors="coerce", utc=True)
        if not found.isna().any():
            return found
    return None


def as_iso(texts: "pd.Series[str]") -> "pd.Series[str]":
    """Dates as 2026-11-22, times as 2026-11-22T14:30:00Z; missing ones stay missing."""
    present = texts.dropna()
    moments = times(present)
    if moments is None:
        return texts
    whole, seconds = (moments == moments.dt.normalize()).all(), (moments == moments.dt.floor("s")).all()
    form = "%Y-%m-%d" if whole else "%Y-%m-%dT%H:%M:%SZ" if seconds else "%Y-%m-%dT%H:%M:%S.%fZ"
    written = moments.dt.strftime(form.replace("%Y", "")).radd(moments.dt.year.astype("str").str.zfill(4))
    return written.reindex(texts.index)


def is_ambiguous(texts: "pd.Series[str]") -> bool:
    """Whether dates like 03/04/2021 could as well be read with the month first."""
    import pandas as pd

    some = texts.dropna().drop_duplicates()
    if not some.str.fullmatch(r"\d{1,2}/\d{1,2}/\d{4}.*").all():
        return False
    halves = some.str.extract(r"(\d+)/(\d+)").astype(int)
    return bool((pd.concat([halves[0], halves[1]]) <= 12).all())


def personal(texts: "pd.Series[str]", name: str) -> str | None:
    """Say which kind of personal data nearly all of the first texts are, if any."""
    some = texts.drop_duplicates().head(LOOKED_AT)

    def most(judged: list[bool]) -> bool:
        return len(judged) >= 5 and sum(judged) >= MOST * len(judged)

    if most([bool(MAIL.fullmatch(text)) for text in some]):
        return "e-mail addresses"
    if most([_is_address(text) for text in some]):
        return "IP addresses"
    if most([_is_card(text) for text in some]) and (NAMES_OF_CARDS.search(name) or some.str.len().nunique() <= 3):
        return "card numbers"
    if most([_is_phone(text, bool(NAMES_OF_PHONES.search(name))) for text in some]):
        return "phone numbers"
    return None


def _is_address(text: str) -> bool:
    try:
        return bool(ipaddress.ip_address(text)) and ("." in text or ":" in text)
    except ValueError:
        return False


def _is_card(text: str) -> bool:
    """13 to 19 digits with a right check digit (Luhn's; ISO/IEC 7812-1)."""
    digits = re.sub(r"[ -]", "", text)
    if not re.fullmatch(r"\d{13,19}", digits):
        return False
    doubled = [int(sign) * (2 if place % 2 else 1) for place, sign in enumerate(reversed(digits))]
    return sum(number - 9 if number > 9 else number for number in doubled) % 10 == 0


def _is_phone(text: str, named: bool) -> bool:
    """By its form; without a name that says so, only with a plus or brackets, or cut into three or more parts."""
    digits = sum(sign.isdigit() for sign in text)
    if not 7 <= digits <= 15 or not PHONE.fullmatch(text) or re.match(r"\d{4}-\d\d-\d\d", text):
        return False
    return named or text.startswith(("+", "(", "00")) or bool(re.fullmatch(r"\d{3}[ .-]\d{3}[ .-]\d{4}", text))


def has_decimal_commas(values: "pd.Series[str]") -> bool:
    """Whether all are numbers, and some can only be read with the comma before decimals."""
    present = values.dropna()
    if not present.head(LOOKED_AT).str.contains(",", regex=False).any():
        return False
    return bool(present.str.fullmatch(DECORATED[","]).all() and not present.str.fullmatch(DECORATED["."]).all())


def plain_numbers(values: "pd.Series[str]", decimal: str) -> "pd.Series[str]":
    """Write numbers without signs of currency or per cent, without separators of thousands, and with a point.

    A dash is a missing value if all others are numbers.
    """
    dashes = values.isin(DASHES)
    present = values[~dashes].dropna()
    if present.empty or not present.head(1000).str.contains(r"\d").any():
        return values
    if dashes.any() and present.str.fullmatch(PLAIN).all():
        return values.mask(dashes)
    marks = present.str.replace(r"[^%$€£¥]", "", regex=True).unique()
    if len(marks) > 1 or (not marks[0] and not present.str.contains(",", regex=False).any()):
        return values  # amounts in several units are no numbers yet
    for sign in (decimal, "," if decimal == "." else "."):
        if present.str.fullmatch(DECORATED[sign]).all():
            numbers = values.mask(dashes).str.extract(DECORATED[sign], expand=False)
            thousands = "," if sign == "." else "."
            return numbers.str.replace(thousands, "", regex=False).str.replace(",", ".", regex=False)
    return values


def listed(values: "pd.Series[Any]") -> str:
    """How many values there are and the most frequent of them."""
    counts = values.value_counts()
    shown = ", ".join(map(short, sorted(counts.index[:4], key=str)))
    return f"{len(counts):,} values: {shown}{', …' if len(counts) > 4 else ''}"


def short(value: object) -> str:
    """A value in one line of a few signs."""
    text = "".join(sign if sign.isprintable() else " " for sign in str(value))
    return text if len(text) <= 24 else f"{text[:24]}…"


def codes_of(values: "pd.Series[Any]") -> npt.NDArray[np.int64]:
    """Each value as the place of its first occurrence among the different ones; missing is -1."""
    import pandas as pd

    codes: npt.NDArray[np.int64] = pd.factorize(values)[0]
    return codes
