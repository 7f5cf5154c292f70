"""The schema of `metrics.json` of a version, for reading and writing."""

import contextlib
import json
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from mlkeel.config import Fit
from mlkeel.data.split_description import SplitDescription
from mlkeel.errors import ArtifactError
from mlkeel.tasks.calibration import Calibration, CalibrationError
from mlkeel.tasks.cross_validation import FoldScores
from mlkeel.tasks.fairness import GroupFairness
from mlkeel.tasks.metrics import Scores


class TableRead(BaseModel):
    """The file that a version was trained on, and its SHA-256."""

    path: str = ""
    sha256: str


class MetricsFile(BaseModel):
    """How a version was trained and how it scored; `losses` are those on the validation split after each step.

    `primary` names the metric that versions are compared by; `skill` is the share of the baseline's loss that is saved
    by it, and `skill_se` its standard error. `classes` holds recall and precision of each class, and `decision` says
    how one is decided on, if not by likelihood. Early releases do not say what follows: `split`, by what the rows were
    split; `cross_validation`, the scores of its folds; `derived_rules`, whether `derived.json` belongs to the version;
    `fit`, which rows it learnt from; `n_models`, how many models it averages; `fairness`, how the groups of protected
    columns are treated, on the rows that the gate judges by; `rival`, how it compares with a simpler model;
    `build`, a digest of the code of the model; `calibration`, how its outputs were corrected; and `calibration_error`,
    of its probabilities.
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
    skill: float = 0.0
    skill_se: float = 0.0
    split: SplitDescription | None = None
    cross_validation: FoldScores | None = None
    commit: str | None = None
    champion: dict[str, Any] | None = None
    failures: list[str]
    derived_rules: bool = False
    fit: Fit = "train"
    n_models: int = 1
    classes: dict[str, Scores] = {}
    decision: str | None = None
    calibration: Calibration | None = None
    calibration_error: CalibrationError | None = None
    fairness: tuple[GroupFairness, ...] = ()
    rival: dict[str, Any] | None = None
    build: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _with_skill(cls, values: Any) -> Any:  # noqa: ANN401 - what a file holds
        """Add the skill, which early releases did not say: their primary metrics were losses."""
        with contextlib.suppress(KeyError, TypeError, ZeroDivisionError):
            loss, baseline = (values[name][values["primary"]] for name in ("model", "baseline"))
            return {"skill": 1 - loss / baseline} | values
        return values

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read `metrics.json` of the version in `folder`.

        Raises:
            ArtifactError: it cannot be read, or does not have the schema.
        """
        path = folder / "metrics.json"
        try:
            return cls.model_validate(json.loads(path.read_text(encoding="utf-8")))
        except ValidationError as error:
            reason = ", ".join(".".join(map(str, detail["loc"])) for detail in error.errors()[:3])
            raise ArtifactError(f"{path}: this is not what training writes ({reason}). Train another model.") from error
        except (OSError, ValueError) as error:
            raise ArtifactError(f"{path}: this is not what training writes ({error}). Train another model.") from error
