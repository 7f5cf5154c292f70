"""What came before: the versions in `artifacts/`, and the runs of the monitor from the store or from its last file."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from mlkeel.errors import InputError
from mlkeel.registry.metrics_file import MetricsFile
from mlkeel.tasks.metrics import Scores

VERSIONS, RUNS = 30, 60  # shown at most, the latest


@dataclass(frozen=True)
class Version:
    """A version with its scores, what it saves of the baseline's loss, and why it was not put in use, if it was not."""

    name: str
    created: str
    rows: int
    scores: Scores
    saved: float
    shortcomings: list[str]
    in_use: bool


class Document(BaseModel):
    """A part of what the monitor wrote; more may be there than is read here, and what is null is as if left out."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, given: object) -> object:
        return {name: value for name, value in given.items() if value is not None} if isinstance(given, dict) else given


class Window(Document):
    """The rows that a run looked at."""

    source: str = ""
    rows: int = 0


class Breach(Document):
    """What a run found wrong."""

    check: str
    sentence: str
    column: str | None = None
    severity: str = "critical"
    alarm: bool = False

    @property
    def may_alarm(self) -> bool:
        """Whether it is an alarm, or one in the making; a warning is neither."""
        return self.severity != "warning"


class Watched(Document):
    """A column as a run saw it, beside the rows that the model learnt from."""

    divergence: float = 0.0
    threshold: float = 0.0
    missing: float = 0.0
    missing_before: float = 0.0
    labels: list[str] = []
    before: list[float] = []
    now: list[float] = []

    @property
    def moved(self) -> float:
        """How much of the divergence that is allowed is used up."""
        return self.divergence / self.threshold if self.threshold else 0.0


class Quality(Document):
    """The scores that were promised, and those of the answers whose truth is known by now, overall and by slice."""

    promised: Scores
    live: Scores
    slices: dict[str, Scores] = {}


class Run(Document):
    """One run of the monitor."""

    time: str
    artifact: str = ""  # none where there was none to run
    outcome: str
    reason: str | None = None
    window: Window = Window()
    breaches: list[Breach] = []
    columns: dict[str, Watched] = {}
    quality: Quality | None = None

    @property
    def pending(self) -> int:
        """How many things it found that become alarms if the next run finds them too."""
        return sum(breach.may_alarm and not breach.alarm for breach in self.breaches)

    @property
    def said(self) -> str:
        """What came of it, in a few words."""
        things = "1 thing was not as it was" if self.pending == 1 else f"{self.pending} things were not as they were"
        return f"{self.outcome}, but {things}" if self.outcome == "fine" and self.pending else self.outcome

    @property
    def worst(self) -> float:
        """How much of what is allowed the column has used up that moved most."""
        return max((column.moved for column in self.columns.values()), default=0.0)


def versions(artifacts: Path, in_use: str) -> list[Version]:
    """The latest versions that can be read, oldest first."""
    found = []
    for path in sorted(artifacts.glob("[0-9]*/metrics.json"))[-VERSIONS:]:
        try:
            metrics, name = MetricsFile.read(path.parent), path.parent.name
            rows, saved = metrics.rows["train"], metrics.saved
        except (InputError, KeyError):
            continue  # another release wrote it, or something broke it; the rest can be shown
        found.append(Version(name, metrics.created, rows, metrics.model, saved, metrics.shortcomings, name == in_use))
    return found


def runs(root: Path, store: str) -> tuple[list[Run], list[str]]:
    """The latest runs of the monitor in the project at `root`, oldest first, and what should be said of them."""
    found, said = _stored(root, store)
    if not found and (root / "reports" / "monitor.json").is_file():
        try:
            found = [json.loads((root / "reports" / "monitor.json").read_text(encoding="utf-8"))]
        except (OSError, ValueError) as error:
            said.append(f"reports/monitor.json cannot be read ({error}).")
    read, unread = [], 0
    for document in found:
        try:
            read.append(Run.model_validate(document))
        except ValidationError:
            unread += 1
    if unread:
        said.append(f"{unread} of {len(found)} runs are not in the form that this project writes, and were left out.")
    return read, said


def _stored(root: Path, url: str) -> tuple[list[dict[str, Any]], list[str]]:
    if url == "off":
        return [], ["Recording is off (API_STORE=off), so no runs but the last are known."]
    name, _, place = url.partition(":///")
    if name == "sqlite" and not (root / place).is_file():
        return [], []  # nothing was recorded yet, and to look must not make a store
    from mlkeel.store.store import Store

    try:
        store = Store.open(url, root)
        try:
            return store.runs(RUNS), []
        finally:
            store.close()
    except (InputError, ValueError) as error:
        return [], [f"The store of records cannot be read: {' '.join(str(error).split())[:400]}"]
