"""Check the schedule of a CronJob as Kubernetes does."""

import re
from collections.abc import Iterator
from zoneinfo import available_timezones

from pods import Object

FIELDS = (("minute", 0, 59), ("hour", 0, 23), ("day", 1, 31), ("month", 1, 12), ("weekday", 0, 6))
NAMES = {
    "month": ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"),
    "weekday": ("sun", "mon", "tue", "wed", "thu", "fri", "sat"),
}
MACRO = re.compile(r"@(yearly|annually|monthly|weekly|daily|midnight|hourly|every ([0-9]+(\.[0-9]+)?(h|m|s))+)")
ZONES = available_timezones()  # none on a machine that has no table of them


def faults(spec: Object) -> Iterator[str]:
    """Yield each fault for which Kubernetes would refuse the schedule of a CronJob."""
    schedule = spec["schedule"]
    zone = spec.get("timeZone")
    fields = schedule.split()
    if zone is not None and ZONES and zone not in ZONES:
        yield f'timeZone "{zone}" is none; take one like Europe/Berlin or Etc/UTC'
    if MACRO.fullmatch(schedule):
        return
    if len(fields) != len(FIELDS):
        yield f'the schedule "{schedule}" has {len(fields)} fields; write 5: minute hour day month weekday'
    else:
        for text, (name, low, high) in zip(fields, FIELDS, strict=True):
            if not all(_is_time(part, name, low, high) for part in text.lower().split(",")):
                yield f'the schedule "{schedule}": "{text}" is no {name}; take {low} to {high}'


def _is_time(part: str, name: str, low: int, high: int) -> bool:
    for index, word in enumerate(NAMES.get(name, ())):
        part = re.sub(rf"\b{word}\b", str(low + index), part)
    match = re.fullmatch(r"(\*|\?|(\d+)(?:-(\d+))?)(?:/(\d+))?", part)
    if not match or match[4] == "0":
        return False
    begin = int(match[2] or low)
    end = int(match[3] or match[2] or high)
    return low <= begin <= end <= high
