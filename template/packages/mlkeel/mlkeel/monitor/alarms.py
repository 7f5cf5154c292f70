"""Decide which violations are alarms: an alarm must hold in several of the last windows."""

from contextlib import suppress
from dataclasses import asdict
from datetime import datetime
from typing import Any

from mlkeel.config import MonitorConfig
from mlkeel.monitor.checks import Violation

Document = dict[str, Any]
COULD_NOT_RUN = "could not run"  # outcome of a run
RECORDS = "records"  # source of a window


def judge(
    violations: list[Violation], window: Document, artifact: str, past: list[Document] | None, limits: MonitorConfig
) -> list[Document]:
    """Decide which critical violations are alarms: those that hold in enough windows or, without a past, in this one.

    Args:
        violations: those of this window.
        window: `from` and `to` of its rows, in ISO 8601.
        artifact: the version that the window was checked against; runs of others do not count.
        past: the documents of earlier runs, oldest first, or None for rows of a file.
        limits: how many windows count, and in how many a violation must hold.
    """
    earlier_windows = _earlier_windows(window, artifact, past or [], limits.windows - 1)
    documents = []
    for violation in violations:
        count = 1 + sum((violation.check, violation.column) in earlier for earlier in earlier_windows)
        is_alarm = violation.severity == "critical" and (past is None or count >= limits.alarm_after)
        counts = {"seen": count, "windows": limits.windows, "needed": limits.alarm_after}
        documents.append(asdict(violation) | counts | {"alarm": is_alarm})
    return documents


def _earlier_windows(
    window: Document, artifact: str, past: list[Document], max_windows: int
) -> list[set[tuple[str, str | None]]]:
    """Return check and column of the violations of each earlier window, latest first.

    A window counts if it overlaps the one after it by less than half of the length of `window`.
    """
    windows: list[set[tuple[str, str | None]]] = []
    start = _epoch(window["from"])
    max_overlap_s = (_epoch(window["to"]) - _epoch(window["from"])) / 2
    for run in reversed(past):
        with suppress(KeyError, TypeError, ValueError):  # a document of another release does not count
            earlier = run["window"]
            counts = run["outcome"] != COULD_NOT_RUN and earlier["source"] == RECORDS and run["artifact"] == artifact
            if counts and len(windows) < max_windows and _epoch(earlier["to"]) < start + max_overlap_s:
                windows.append({(violation["check"], violation["column"]) for violation in run["violations"]})
                start = _epoch(earlier["from"])
    return windows


def _epoch(iso: str | None) -> float:
    return 0.0 if iso is None else datetime.fromisoformat(iso).timestamp()
