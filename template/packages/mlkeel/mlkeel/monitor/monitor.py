"""Hold a window of production against the contract and the reference of the model in use, and say if that is alarming.

Each run is one document in JSON, which the store keeps: what is not as it was has to be so in some of the last windows
before it is an alarm, and the report and Prometheus read the documents as well.
"""

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

from mlkeel.config import KeptSettings, Settings, read_kept_settings, read_settings
from mlkeel.contract.suites import read_suite
from mlkeel.contract.wording import number
from mlkeel.errors import Hint, InputError
from mlkeel.files import whole_file
from mlkeel.inference.predictor import Predictor
from mlkeel.monitor import checks
from mlkeel.monitor.alarms import COULD_NOT_RUN, RECORDS, Document, judge
from mlkeel.monitor.checks import Breach
from mlkeel.monitor.window import Window, of_file, of_records
from mlkeel.registry import artifact
from mlkeel.registry.metrics_file import MetricsFile
from mlkeel.store.store import Store
from mlkeel.tasks.metrics import Metric, Scores
from mlkeel.tasks.task import task_of

logger = logging.getLogger(__name__)
FINE, ALARM = "fine", "alarm"
EXIT = {FINE: 0, ALARM: 1, COULD_NOT_RUN: 2}


@dataclass(frozen=True)
class Asked:
    """Which rows to look at: those of a file or, of what was recorded, those of some hours or the last so many."""

    file: Path | None = None
    hours: float = 1
    last: int | None = None


def monitor(root: Path, asked: Asked, store: str, metrics: Sequence[Metric] = ()) -> Document:
    """Look at the rows that were `asked` for, note the run in the store at the URL `store`, and tell what was found.

    Where the truth is known the scores are those of `metrics`, or else those that are usual for the task.
    """
    started = time.time()
    try:
        document = _run(root, asked, store, metrics)
    except Exception as error:  # whatever it is, it is no alarm, and the next run may do better
        if "--debug" in sys.argv:
            raise
        source = RECORDS if asked.file is None else str(asked.file)
        window = {"source": source, "from": None, "to": None, "rows": 0}
        said = str(error) if isinstance(error, InputError) else f"{type(error).__name__}: {error}; --debug shows where."
        document = _document(None, COULD_NOT_RUN, window, reason=said)
    document = {"time": _iso(started), **_finite(document)}
    _note(document, root, store)
    return document


def _run(root: Path, asked: Asked, url: str, metrics: Sequence[Metric]) -> Document:
    folder = artifact.current(root / "artifacts")
    predictor, settings = Predictor.load(folder), read_kept_settings(folder)
    if (params := root / "conf" / "params.yaml").is_file():  # an image holds none
        private = {"private": settings.monitor.private}  # what is recorded, the artifact says
        watching = read_settings(params, KeptSettings).monitor.model_copy(update=private)
        settings = settings.model_copy(update={"monitor": watching})
    if asked.file is not None:
        window, past = of_file(asked.file, predictor), None
    else:
        if url == "off":
            raise InputError("API_STORE is off, so nothing was recorded. Name a store there, or a file with IN=.")
        store = Store.open(url, root)
        try:
            window = _recorded(store, asked, predictor, folder.name, settings)
            past = store.runs(10 * settings.monitor.windows)
        finally:
            store.close()
    breaches, seen = watch(window, predictor, folder, settings, metrics)
    rows = {"source": window.source, "from": _iso(window.since), "to": _iso(window.until), "rows": len(window.table)}
    judged = judge(breaches, rows, folder.name, past, settings.monitor)
    outcome = ALARM if any(one["alarm"] for one in judged) else FINE
    return _document(folder.name, outcome, rows, breaches=judged, **seen)


def _recorded(store: Store, asked: Asked, predictor: Predictor, version: str, settings: Settings) -> Window:
    """What the model in use answered; other versions may have had another contract."""
    now = time.time()
    since = None if asked.last else now - asked.hours * 3600
    pieces = store.pieces(since=since, until=now, last=asked.last, version=version)
    window = of_records(pieces, predictor, set(settings.monitor.private))
    since = since if since is not None else window.since or now
    refused = store.refused(since, now)
    if window.table.empty and not refused.rows:
        raise InputError(
            f"No answer of {version} was recorded in this window. See whether the API records at all: "
            "api_records_written_total at its /metrics.",
            Hint.LONGER_WINDOW,
        )
    return replace(window, refused=refused, since=since, until=now)


def watch(
    window: Window, predictor: Predictor, folder: Path, settings: Settings, asked: Sequence[Metric] = ()
) -> tuple[list[Breach], Document]:
    """What is not as it was in `window`, and the figures behind it; `folder` is the artifact of `predictor`."""
    metrics = MetricsFile.read(folder)
    watching = settings.monitor
    half, eighth = watching.false_alarms / 2, watching.false_alarms / 8
    broken = checks.contract(window, eighth)
    moved, columns = checks.drift(window, predictor, read_suite(folder / "drift.json"), half, watching.least_effect)
    fallen, quality = checks.quality(window, predictor, metrics, settings.gate, eighth, asked)
    breaches = [
        *broken,
        *moved,
        *checks.refused(window, watching.refused, eighth),
        *fallen,
        *checks.skew(window, predictor, set(watching.private)),
        *checks.latency(window, watching.slower_than_ms, eighth),
        *checks.staleness(metrics.created, watching.stale_days),
    ]
    return breaches, {
        "columns": columns,
        "quality": quality,
        "error": _error(quality, predictor),
        "latency_ms": _latency(window),
        "refused": _refused(window),
    }


def repeat(once: Callable[[], Document], pause: Callable[[], bool]) -> None:
    """Run again and again until `pause`, which waits, says that it is enough."""
    while True:
        tell(once())
        if pause():
            return


def tell(document: Document) -> None:
    """Say in the log what a run found, and in the end what that means."""
    window, source, breaches = document["window"], document["window"]["source"], document["breaches"]
    if document["reason"]:
        logger.error("%s: nothing could be found out. %s", source, document["reason"])
        return
    for one in breaches:
        once = f" (in {one['seen']} of the last {one['windows']} windows; {one['needed']} make an alarm)"
        said = "" if one["alarm"] else " (a warning)" if one["severity"] == "warning" else once
        logger.log(logging.ERROR if one["alarm"] else logging.WARNING, "%s: %s%s.", source, one["sentence"], said)
    rows, model = f"{window['rows']:,} rows", document["artifact"]
    if alarms := sum(one["alarm"] for one in breaches):
        logger.error(
            "%s: alarm, in %s of %s findings on %s. The report says what to do.", source, alarms, len(breaches), rows
        )
    elif breaches:
        logger.info(
            "%s: no alarm, and %s findings on %s, beside those that %s learnt from.", source, len(breaches), rows, model
        )
    else:
        logger.info("%s: %s are like those that %s learnt from%s.", source, rows, model, _known(document))


def _error(quality: Document | None, predictor: Predictor) -> Document | None:
    """What the task judges production by, in words and numbers."""
    if quality is None:
        return None
    task = task_of(predictor.contract, predictor.target)
    live, promised = (task.error(Scores.model_validate(quality[name])) for name in ("live", "promised"))
    return {"words": task.error_words, "live": live, "promised": promised}


def _known(document: Document) -> str:
    error, quality = document.get("error"), document["quality"]
    if error is None or quality is None:
        return ""
    known = f"; {error['words']} is {number(error['live'])} on {quality['live']['rows']:,} whose truth is known"
    return f"{known}, and {number(error['promised'])} was promised"


def _note(document: Document, root: Path, url: str) -> None:
    """Keep the document where the report and Prometheus look for it; that it cannot be kept changes nothing else."""
    text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    try:
        (root / "reports").mkdir(exist_ok=True)
        with whole_file(root / "reports" / "monitor.json") as file:
            file.write(text)
    except OSError as error:
        logger.info("reports/monitor.json was not written (%s).", error.strerror)
    if url != "off":
        try:
            store = Store.open(url, root)
            store.add_run(document)
            store.close()
        except InputError as error:
            if document["outcome"] != COULD_NOT_RUN:
                logger.warning("This run was not noted in the store: %s", error)


def _document(version: str | None, outcome: str, window: Document, **found: Any) -> Document:  # noqa: ANN401 - JSON
    nothing: Document = {
        "reason": None,
        "breaches": [],
        "columns": {},
        "quality": None,
        "error": None,
        "latency_ms": None,
        "refused": None,
    }
    return {"artifact": version, "outcome": outcome, "window": window} | nothing | found


def _latency(window: Window) -> dict[str, float] | None:
    if window.milliseconds is None or not len(window.milliseconds):
        return None
    median, p99 = np.quantile(window.milliseconds, [0.5, 0.99])
    return {"median": float(median), "p99": float(p99)}


def _refused(window: Window) -> Document | None:
    if window.refused is None:
        return None
    by = [{"column": column, "rule": rule, "count": count} for (column, rule), count in window.refused.by.items()]
    rows = window.refused.rows
    return {"rows": rows, "share": rows / max(rows + len(window.table), 1), "by": by}


def _iso(moment: float | None) -> str | None:
    return None if moment is None else f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%dT%H:%M:%SZ}"


def _finite(value: Any) -> Any:  # noqa: ANN401 - JSON, of which infinite numbers are no part
    if isinstance(value, dict):
        return {name: _finite(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
