"""What the records and the newest run of the monitor say, for Prometheus.

A scrape reads what the recorder's thread has left here; it never waits for the store.
"""

import logging
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from mlkeel.store.recorder import Recorder

logger = logging.getLogger(__name__)
Labelled = dict[tuple[str, ...], float]
COLUMNS = (
    ("divergence", "divergence", "How far a column is from the training rows."),
    ("threshold", "threshold", "The divergence that chance hardly exceeds."),
    ("missing_share", "missing", "Share of a column's values that are missing."),
)
SCORES = (
    ("quality", "live", "Scores over rows of which the truth is known."),
    ("promised_quality", "promised", "Scores of the test rows, after training."),
)


class MonitorSeries(Collector):
    """The series of the records and of the monitor."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    def collect(self) -> Iterator[Metric]:
        """Tell what is known now."""
        recorder = self._recorder
        yield GaugeMetricFamily("api_records_queued", "Rows that wait in memory.", value=recorder.queued)
        for name, number in (
            ("written", recorder.written),
            ("spilled", recorder.spilled),
            ("dropped", recorder.dropped),
        ):
            yield CounterMetricFamily(f"api_records_{name}", f"Rows that were {name}.", value=number)
        if recorder.run:
            try:
                yield from [*_of(recorder.run)]
            except (KeyError, TypeError, ValueError, AttributeError):
                logger.warning("The newest run of the monitor is not written as this version reads it.")


def _of(run: dict[str, Any]) -> Iterator[Metric]:
    outcome, columns, quality = run["outcome"], run["columns"], run["quality"] or {}
    yield _gauge("time_seconds", "When it ran.", datetime.fromisoformat(run["time"]).timestamp())
    yield _gauge("rows", "Rows of its window.", run["window"]["rows"])
    yield _gauge("alarm", "Whether it raised an alarm.", outcome == "alarm")
    yield _gauge("could_not_run", "Whether it could not tell.", outcome == "could not run")
    breaches: Labelled = {}
    for breach in run["breaches"]:
        about = (breach["check"], breach["column"] or "")
        breaches[about] = max(breaches.get(about, 0), 1 if breach["alarm"] else 0.5)
    yield _labelled("breach", "What it found: 1 is an alarm, 0.5 may become one.", ["check", "column"], breaches)
    for name, key, said in COLUMNS:
        yield _labelled(name, said, ["column"], _numbers({column: one.get(key) for column, one in columns.items()}))
    for name, key, said in SCORES:
        yield _labelled(name, said, ["score"], _numbers(quality.get(key)))


def _numbers(values: dict[str, Any] | None) -> Labelled:
    """Those of `values` that are numbers."""
    return {(name,): value for name, value in (values or {}).items() if type(value) in (int, float)}


def _gauge(name: str, said: str, value: float) -> Metric:
    return GaugeMetricFamily(f"monitor_{name}", said, value=value)


def _labelled(name: str, said: str, labels: list[str], values: Labelled) -> Metric:
    family = GaugeMetricFamily(f"monitor_{name}", said, labels=labels)
    for key, value in values.items():
        family.add_metric(key, value)
    return family
