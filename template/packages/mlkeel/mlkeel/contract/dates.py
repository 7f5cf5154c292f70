"""Dates and times of the contract: how they are written, and what moments they are."""

import math
from datetime import UTC, datetime

ISO_DATE = r"^\d{4}-\d\d-\d\d(?:T\d\d:\d\d:\d\d(?:\.\d+)?Z)?$"  # a column with this pattern holds dates or times


def seconds(value: object) -> float:
    """Return the seconds from 1970-01-01 (UTC) to a date such as 2026-11-22 or 2026-11-22T14:30:00Z.

    NaN if it is none, as 2026-02-30.
    """
    if not isinstance(value, str):
        return math.nan
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return math.nan
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def is_date(value: str) -> bool:
    """Return whether there is such a date in the calendar."""
    return not math.isnan(seconds(value))
