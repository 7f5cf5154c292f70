"""Expose the counters of the prediction logger and the latest run of the monitor to Prometheus.

A scrape reads what the thread of the logger has fetched; it never waits for the store.
"""

import logging
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from mlkeel.store.prediction_logger import PredictionLogger

logger = logging.getLogger(__name__)
LabeledValues = dict[tuple[str, ...], float]
COLUMN_SERIES = (
    ("divergence", "divergence", "How far a column is from the training rows."),
    ("threshold", "threshold", "The divergence that chance hardly exceeds."),
    ("missing_share", "missing", "Share of a column's values that are missing."),
)
SCORE_SERIES = (
    ("quality", "live", "Scores over rows of which the truth is known."),
    ("promised_quality", "promised", "Scores of the test rows, after training."),
)


class MonitorSeries(Collector):
    """Collects the series of the prediction logger and of the monitor."""

    def __init__(self, prediction_logger: PredictionLogger) -> None:
        self._prediction_logger = prediction_logger

    def collect(self) -> Iterator[Metric]:
        """Yield the current values."""
        prediction_logger = self._prediction_logger
        yield GaugeMetricFamily("api_records_queued", "Rows that wait in memory.", value=prediction_logger.queued)
        for name, rows in (
            ("written", prediction_logger.written),
            ("spilled", prediction_logger.spilled),
            ("dropped", prediction_logger.dropped),
        ):
            yield CounterMetricFamily(f"api_records_{name}", f"Rows that were {name}.", value=rows)
        if prediction_logger.run:
            try:
                yield from [*_run_metrics(prediction_logger.run)]  # all of them or none
            except (KeyError, TypeError, ValueError, AttributeError):
                logger.warning("The newest run of the monitor is not written as this version reads it.")


def _run_metrics(run: dict[str, Any]) -> Iterator[Metric]:
    outcome = run["outcome"]
    columns = run["columns"]
    quality = run["quality"] or {}
    yield _gauge("time_seconds", "When it ran.", datetime.fromisoformat(run["time"]).timestamp())
    yield _gauge("rows", "Rows of its window.", run["window"]["rows"])
    yield _gauge("alarm", "Whether it raised an alarm.", outcome == "alarm")
    yield _gauge("could_not_run", "Whether it could not tell.", outcome == "could not run")
    severities: LabeledValues = {}
    for violation in run["violations"]:
        labels = (violation["check"], violation["column"] or "")
        severities[labels] = max(severities.get(labels, 0), 1 if violation["alarm"] else 0.5)
    yield _gauges("violation", "What it found: 1 is an alarm, 0.5 may become one.", ["check", "column"], severities)
    for name, key, documentation in COLUMN_SERIES:
        values = {column: figures.get(key) for column, figures in columns.items()}
        yield _gauges(name, documentation, ["column"], _numbers(values))
    for name, key, documentation in SCORE_SERIES:
        yield _gauges(name, documentation, ["score"], _numbers(quality.get(key)))


def _numbers(values: dict[str, Any] | None) -> LabeledValues:
    """Return those of `values` that are numbers, by the label."""
    return {(name,): value for name, value in (values or {}).items() if type(value) in (int, float)}


def _gauge(name: str, documentation: str, value: float) -> Metric:
    return GaugeMetricFamily(f"monitor_{name}", documentation, value=value)


def _gauges(name: str, documentation: str, label_names: list[str], values: LabeledValues) -> Metric:
    family = GaugeMetricFamily(f"monitor_{name}", documentation, labels=label_names)
    for labels, value in values.items():
        family.add_metric(labels, value)
    return family
