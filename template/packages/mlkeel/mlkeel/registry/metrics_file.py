"""`metrics.json` of a version: one schema for whoever writes or reads it."""

import json
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from mlkeel.errors import ArtifactError
from mlkeel.tasks.metrics import Scores


class TableRead(BaseModel):
    """The file that a version learnt from, and its SHA-256."""

    path: str = ""
    sha256: str


class MetricsFile(BaseModel):
    """How a version was made and how it did; `losses` are those of the validation part after each step.

    `primary` names the metric that versions are compared by, and `error` is the standard error of `saved`.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    version: str
    created: str
    data: TableRead
    rows: dict[str, int]
    losses: list[float] = []
    primary: str
    model: Scores
    baseline: Scores
    slices: dict[str, Scores] = {}
    error: float = 0.0
    commit: str | None = None
    champion: dict[str, Any] | None = None
    shortcomings: list[str]

    @property
    def saved(self) -> float:
        """The share of the baseline's loss that the version saves; of nothing, it saves nothing."""
        baseline = self.baseline[self.primary]
        return 1 - self.model[self.primary] / baseline if baseline else 0.0

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read that of the version in `folder`.

        Raises:
            ArtifactError: it cannot be read, or is not what training writes.
        """
        path = folder / "metrics.json"
        try:
            return cls.model_validate(json.loads(path.read_text(encoding="utf-8")))
        except ValidationError as error:
            reason = ", ".join(".".join(map(str, fault["loc"])) for fault in error.errors()[:3])
            raise ArtifactError(f"{path}: this is not what training writes ({reason}). Train another model.") from error
        except (OSError, ValueError) as error:
            raise ArtifactError(f"{path}: this is not what training writes ({error}). Train another model.") from error
