"""Read the history of a project: the versions in `artifacts/`, and the monitor's runs in its store or last document."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from mlkeel.errors import InputError
from mlkeel.registry.metrics_file import MetricsFile
from mlkeel.tasks.metrics import Scores

MAX_VERSIONS = 30  # the latest
MAX_RUNS = 60  # the latest


@dataclass(frozen=True)
class Version:
    """A version of the model with its scores, its skill, and the failures that kept it from becoming current."""

    name: str
    created: str
    rows: int
    scores: Scores
    skill: float
    failures: list[str]
    is_current: bool


class MonitorDocument(BaseModel):
    """A part of a run's JSON document: unknown keys are ignored, and null counts as missing."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    @model_validator(mode="before")
    @classmethod
    def _drop_nulls(cls, document: object) -> object:
        if not isinstance(document, dict):
            return document
        return {key: value for key, value in document.items() if value is not None}


class WindowSummary(MonitorDocument):
    """The rows that a run checked."""

    source: str = ""
    rows: int = 0


class Violation(MonitorDocument):
    """A check that a run found violated."""

    check: str
    sentence: str
    column: str | None = None
    severity: str = "critical"
    alarm: bool = False

    @property
    def may_alarm(self) -> bool:
        """Whether it is an alarm or can become one; a warning cannot."""
        return self.severity != "warning"


class MonitoredColumn(MonitorDocument):
    """The drift of a column: its values in the window of a run against those in the training rows."""

    divergence: float = 0.0
    threshold: float = 0.0
    missing: float = 0.0
    missing_before: float = 0.0
    labels: list[str] = []
    before: list[float] = []
    now: list[float] = []

    @property
    def drift_ratio(self) -> float:
        """The divergence as a multiple of its threshold; above 1 is drift."""
        return self.divergence / self.threshold if self.threshold else 0.0


class Quality(MonitorDocument):
    """The scores of the evaluation, and those of predictions whose target is known by now, overall and by slice."""

    promised: Scores
    live: Scores
    slices: dict[str, Scores] = {}


class Run(MonitorDocument):
    """One run of the monitor."""

    time: str
    artifact: str = ""  # empty if there was no version to monitor
    outcome: str
    reason: str | None = None
    window: WindowSummary = WindowSummary()
    violations: list[Violation] = []
    columns: dict[str, MonitoredColumn] = {}
    quality: Quality | None = None

    @property
    def pending(self) -> int:
        """The number of violations that become alarms if the next run finds them too."""
        return sum(violation.may_alarm and not violation.alarm for violation in self.violations)

    @property
    def summary(self) -> str:
        """The outcome in a few words."""
        things = "1 thing was not as it was" if self.pending == 1 else f"{self.pending} things were not as they were"
        return f"{self.outcome}, but {things}" if self.outcome == "fine" and self.pending else self.outcome

    @property
    def max_drift_ratio(self) -> float:
        """The drift ratio of the column that drifted most."""
        return max((column.drift_ratio for column in self.columns.values()), default=0.0)


def read_versions(artifacts: Path, current: str) -> list[Version]:
    """Return the latest versions that can be read, oldest first."""
    versions = []
    for path in sorted(artifacts.glob("[0-9]*/metrics.json"))[-MAX_VERSIONS:]:
        name = path.parent.name
        try:
            metrics = MetricsFile.read(path.parent)
            rows = metrics.rows["train"]
            skill = metrics.skill
        except (InputError, KeyError):
            continue  # another release wrote it, or it is damaged; the others can be shown
        versions.append(Version(name, metrics.created, rows, metrics.model, skill, metrics.failures, name == current))
    return versions


def read_runs(root: Path, store: str) -> tuple[list[Run], list[str]]:
    """Return the latest runs of the monitor in the project at `root`, oldest first, and notes on those left out."""
    documents, notes = _stored_runs(root, store)
    last_run = root / "reports" / "monitor.json"
    if not documents and last_run.is_file():
        try:
            documents = [json.loads(last_run.read_text(encoding="utf-8"))]
        except (OSError, ValueError) as error:
            notes.append(f"reports/monitor.json cannot be read ({error}).")
    runs = []
    unread = 0
    for document in documents:
        try:
            runs.append(Run.model_validate(document))
        except ValidationError:
            unread += 1
    if unread:
        notes.append(
            f"{unread} of {len(documents)} runs are not in the form that this project writes, and were left out."
        )
    return runs, notes


def _stored_runs(root: Path, url: str) -> tuple[list[dict[str, Any]], list[str]]:
    if url == "off":
        return [], ["Recording is off (API_STORE=off), so no runs but the last are known."]
    scheme, _, path = url.partition(":///")
    if scheme == "sqlite" and not (root / path).is_file():
        return [], []  # nothing was recorded yet, and to open a store would create it
    from mlkeel.store.store import Store

    try:
        store = Store.open(url, root)
        try:
            return store.runs(MAX_RUNS), []
        finally:
            store.close()
    except (InputError, ValueError) as error:
        return [], [f"The store of records cannot be read: {' '.join(str(error).split())[:400]}"]
