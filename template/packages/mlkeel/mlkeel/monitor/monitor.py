"""Check a window of production against the contract and the reference of the current version, and raise alarms.

Each run is one JSON document, which is added to the store: a violation is an alarm only if it holds in several of the
last windows, and the report and Prometheus read the documents as well.
"""

import contextlib
import json
import logging
import math
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from mlkeel.config import LenientSettings, Settings, read_settings, read_version_settings
from mlkeel.contract.messages import number
from mlkeel.contract.suites import read_suite
from mlkeel.errors import Hint, InputError
from mlkeel.files import atomic_write
from mlkeel.inference.predictor import Predictor
from mlkeel.monitor import checks
from mlkeel.monitor.alarms import COULD_NOT_RUN, RECORDS, Document, judge
from mlkeel.monitor.checks import Violation
from mlkeel.monitor.window import Window, of_file, of_records
from mlkeel.registry import artifact
from mlkeel.registry.metrics_file import MetricsFile
from mlkeel.store.store import Store
from mlkeel.tasks.metrics import Metric, Scores
from mlkeel.tasks.task import task_of

logger = logging.getLogger(__name__)
FINE = "fine"
ALARM = "alarm"
EXIT_CODES = {FINE: 0, ALARM: 1, COULD_NOT_RUN: 2}


@dataclass(frozen=True)
class WindowQuery:
    """Which rows to check: those of a file or, of the records, those of the last `hours` or the `last` so many."""

    file: Path | None = None
    hours: float = 1
    last: int | None = None


def monitor(root: Path, query: WindowQuery, store: str, metrics: Sequence[Metric] = ()) -> Document:
    """Check the rows of `query`, add the document of the run to the store at the URL `store`, and return it.

    Where targets are known, the scores are those of `metrics` or, if there are none, the default metrics of the task.
    """
    started = time.time()
    try:
        document = _run(root, query, store, metrics)
    except Exception as error:  # no error is an alarm, and the next run may succeed
        if "--debug" in sys.argv:
            raise
        source = RECORDS if query.file is None else str(query.file)
        window = {"source": source, "from": None, "to": None, "rows": 0}
        is_input_error = isinstance(error, InputError)
        reason = str(error) if is_input_error else f"{type(error).__name__}: {error}; --debug shows where."
        hint = error.hint.name if isinstance(error, InputError) and error.hint else None
        document = _document(None, COULD_NOT_RUN, window, reason=reason, hint=hint)
    document = {"time": _iso(started), **_finite(document)}
    _save(document, root, store)
    return document


def _run(root: Path, query: WindowQuery, url: str, metrics: Sequence[Metric]) -> Document:
    folder = artifact.current(root / "artifacts")
    predictor = Predictor.load(folder)
    settings = read_version_settings(folder)
    if (params := root / "conf" / "params.yaml").is_file():  # an image has none
        private = {"private": settings.monitor.private}  # the version decides what is recorded
        limits = read_settings(params, LenientSettings).monitor.model_copy(update=private)
        settings = settings.model_copy(update={"monitor": limits})
    past = None
    if query.file is not None:
        window = of_file(query.file, predictor)
    else:
        if url == "off":
            raise InputError("API_STORE is off, so nothing was recorded. Name a store there, or a file of rows.")
        store = Store.open(url, root)
        try:
            window = _recorded_window(store, query, predictor, folder.name, settings)
            past = store.runs(10 * settings.monitor.windows)
        finally:
            store.close()
    violations, figures = watch(window, predictor, folder, settings, metrics)
    window_document = {
        "source": window.source,
        "from": _iso(window.since),
        "to": _iso(window.until),
        "rows": len(window.table),
    }
    judged = judge(violations, window_document, folder.name, past, settings.monitor)
    outcome = ALARM if any(violation["alarm"] for violation in judged) else FINE
    return _document(folder.name, outcome, window_document, violations=judged, **figures)


def _recorded_window(
    store: Store, query: WindowQuery, predictor: Predictor, version: str, settings: Settings
) -> Window:
    """Return the rows that the current version predicted; other versions may have had another contract."""
    now = time.time()
    since = None if query.last else now - query.hours * 3600
    batches = store.iter_batches(since=since, until=now, last=query.last, version=version)
    window = of_records(batches, predictor, set(settings.monitor.private))
    since = since if since is not None else window.since or now
    rejected = store.rejected_rows(since, now)
    if window.table.empty and not rejected.rows:
        raise InputError(
            f"No answer of {version} was recorded in this window. See whether the API records at all: "
            "api_records_written_total at its /metrics.",
            Hint.LONGER_WINDOW,
        )
    return replace(window, rejected=rejected, since=since, until=now)


def watch(
    window: Window, predictor: Predictor, folder: Path, settings: Settings, metrics: Sequence[Metric] = ()
) -> tuple[list[Violation], Document]:
    """Return the violations in `window`, and the figures behind them; `folder` is the version of `predictor`."""
    metrics_file = MetricsFile.read(folder)
    limits = settings.monitor
    # Drift gets half of the rate of false alarms, and each of the four other checks with a rate an eighth.
    half = limits.false_alarm_rate / 2
    eighth = limits.false_alarm_rate / 8
    contract_violations = checks.contract(window, eighth)
    drift_suite = read_suite(folder / "drift.json")
    drift_violations, columns = checks.drift(window, predictor, drift_suite, half, limits.min_effect)
    quality_violations, quality = checks.quality(window, predictor, metrics_file, settings.gate, eighth, metrics)
    violations = [
        *contract_violations,
        *drift_violations,
        *checks.rejected(window, limits.max_rejected_share, eighth),
        *quality_violations,
        *checks.skew(window, predictor, set(limits.private)),
        *checks.latency(window, limits.p99_budget_ms, eighth),
        *checks.staleness(metrics_file.created, limits.stale_days),
    ]
    return violations, {
        "columns": columns,
        "quality": quality,
        "error": _task_error(quality, predictor),
        "latency_ms": _latency(window),
        "rejected": _rejected(window),
    }


def run_forever(run_once: Callable[[], Document], wait: Callable[[], bool]) -> None:
    """Run and log repeatedly, until `wait`, which is called after each run, returns True."""
    while True:
        log_summary(run_once())
        if wait():
            return


def log_summary(document: Document) -> None:
    """Log the violations of a run and, at the end, its outcome."""
    window = document["window"]
    source = window["source"]
    violations = document["violations"]
    if document["reason"]:
        logger.error("%s: nothing could be found out. %s", source, document["reason"])
        return
    for violation in violations:
        note = ""
        if not violation["alarm"]:
            frequency = f"in {violation['seen']} of the last {violation['windows']} windows"
            is_warning = violation["severity"] == "warning"
            note = " (a warning)" if is_warning else f" ({frequency}; {violation['needed']} make an alarm)"
        level = logging.ERROR if violation["alarm"] else logging.WARNING
        logger.log(level, "%s: %s%s.", source, violation["sentence"], note)
    rows = f"{window['rows']:,} rows"
    version = document["artifact"]
    if alarms := sum(violation["alarm"] for violation in violations):
        logger.error(
            "%s: alarm, in %s of %s findings on %s. The report says what to do.", source, alarms, len(violations), rows
        )
    elif violations:
        logger.info(
            "%s: no alarm, and %s findings on %s, beside those that %s learnt from.",
            source,
            len(violations),
            rows,
            version,
        )
    else:
        logger.info("%s: %s are like those that %s learnt from%s.", source, rows, version, _describe_error(document))


def _task_error(quality: Document | None, predictor: Predictor) -> Document | None:
    """Return the error by which the task judges production, in words and numbers."""
    if quality is None:
        return None
    task = task_of(predictor.contract, predictor.target)
    errors = {name: task.error(Scores.model_validate(quality[name])) for name in ("live", "promised")}
    return {"words": task.error_name} | errors


def _describe_error(document: Document) -> str:
    error = document.get("error")
    quality = document["quality"]
    if error is None or quality is None:
        return ""
    live = f"; {error['words']} is {number(error['live'])} on {quality['live']['rows']:,} whose truth is known"
    return f"{live}, and {number(error['promised'])} was promised"


def _save(document: Document, root: Path, url: str) -> None:
    """Write the document to `reports/` and to the store; if either fails, that is logged, and the run still counts."""
    text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    try:
        (root / "reports").mkdir(exist_ok=True)
        with atomic_write(root / "reports" / "monitor.json") as file:
            file.write(text)
    except OSError as error:
        logger.info("reports/monitor.json was not written (%s).", error.strerror)
    if url != "off":
        try:
            with contextlib.closing(Store.open(url, root)) as store:
                store.add_monitor_run(document)
        except InputError as error:
            if document["outcome"] != COULD_NOT_RUN:
                logger.warning("This run was not noted in the store: %s", error)


def _document(version: str | None, outcome: str, window: Document, **fields: Any) -> Document:  # noqa: ANN401 - JSON
    defaults: Document = {
        "reason": None,
        "hint": None,
        "violations": [],
        "columns": {},
        "quality": None,
        "error": None,
        "latency_ms": None,
        "rejected": None,
    }
    return {"artifact": version, "outcome": outcome, "window": window} | defaults | fields


def _latency(window: Window) -> dict[str, float] | None:
    if window.milliseconds is None or not len(window.milliseconds):
        return None
    median, p99 = np.quantile(window.milliseconds, [0.5, 0.99])
    return {"median": float(median), "p99": float(p99)}


def _rejected(window: Window) -> Document | None:
    if window.rejected is None:
        return None
    counts = [{"column": column, "rule": rule, "count": count} for (column, rule), count in window.rejected.by.items()]
    rows = window.rejected.rows
    return {"rows": rows, "share": rows / max(rows + len(window.table), 1), "by": counts}


def _iso(timestamp: float | None) -> str | None:
    return None if timestamp is None else f"{datetime.fromtimestamp(timestamp, UTC):%Y-%m-%dT%H:%M:%SZ}"


def _finite(value: Any) -> Any:  # noqa: ANN401 - JSON, which has no infinite numbers
    if isinstance(value, dict):
        return {name: _finite(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
