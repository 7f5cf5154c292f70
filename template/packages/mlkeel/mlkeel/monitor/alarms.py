"""Tell alarms from what happened once: what is not as it was has to be so in some of the last windows."""

from contextlib import suppress
from dataclasses import asdict
from datetime import datetime
from typing import Any

from mlkeel.config import Watching
from mlkeel.monitor.checks import Breach

Document = dict[str, Any]
COULD_NOT_RUN, RECORDS = "could not run", "records"


def judge(
    breaches: list[Breach], window: Document, artifact: str, past: list[Document] | None, watching: Watching
) -> list[Document]:
    """Tell alarms from what happened once: a breach must hold in some of the last windows; without a past, at once.

    Args:
        breaches: what is not as it was in this window.
        window: `from` and `to` of its rows, as ISO 8601 has them.
        artifact: the version that it was held against; what was said of others does not count.
        past: the documents of earlier runs, oldest first, or None for rows of a file.
        watching: how many windows count, and in how many a breach must hold.
    """
    earlier = _earlier(window, artifact, past or [], watching.windows - 1)
    judged = []
    for one in breaches:
        seen = 1 + sum((one.check, one.column) in other for other in earlier)
        alarm = one.severity == "critical" and (past is None or seen >= watching.breaches)
        counted = {"seen": seen, "windows": watching.windows, "needed": watching.breaches}
        judged.append(asdict(one) | counted | {"alarm": alarm})
    return judged


def _earlier(window: Document, artifact: str, past: list[Document], most: int) -> list[set[tuple[str, str | None]]]:
    """What was broken in windows before this one, the nearest first; those that share half of their time are one."""
    found: list[set[tuple[str, str | None]]] = []
    start, room = _epoch(window["from"]), (_epoch(window["to"]) - _epoch(window["from"])) / 2
    for run in reversed(past):
        with suppress(KeyError, TypeError, ValueError):  # what another release wrote does not count
            seen = run["window"]
            counts = run["outcome"] != COULD_NOT_RUN and seen["source"] == RECORDS and run["artifact"] == artifact
            if counts and len(found) < most and _epoch(seen["to"]) < start + room:
                found.append({(one["check"], one["column"]) for one in run["breaches"]})
                start = _epoch(seen["from"])
    return found


def _epoch(moment: str | None) -> float:
    return 0.0 if moment is None else datetime.fromisoformat(moment).timestamp()
