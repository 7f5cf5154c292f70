"""The scores of a cross-validation: their mean and spread over its folds."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict

from mlkeel.tasks.calibration import CalibrationError
from mlkeel.tasks.comparison import RivalComparison
from mlkeel.tasks.evaluation import Evaluation
from mlkeel.tasks.metrics import Scores


class FoldScores(BaseModel):
    """The mean of each score over the folds, and its spread, the standard deviation between them.

    `calibration_error` is of the rows of all folds together. Versions of earlier releases lack it, and the mean of the
    baseline.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    folds: int
    mean: Scores
    spread: Scores
    baseline: Scores | None = None
    calibration_error: CalibrationError | None = None

    def rows(self) -> dict[str, Scores]:
        """Return means and spread by what they are called in tables."""
        baseline = {"their baseline": self.baseline} if self.baseline else {}
        return {f"mean of {self.folds} folds": self.mean, "spread between folds": self.spread, **baseline}


@dataclass(frozen=True)
class CrossValidation:
    """Models that were trained and evaluated fold by fold.

    Attributes:
        scores: mean and spread over the folds.
        evaluation: of the test rows of all folds together, each row by the model that did not learn from it.
        rival: how the models compare on these rows with simpler ones that were fitted to the same folds.
    """

    scores: FoldScores
    evaluation: Evaluation
    rival: RivalComparison | None = None


def fold_scores(models: Sequence[Scores], baselines: Sequence[Scores]) -> FoldScores:
    """Summarize the scores of folds; what is undefined in one is undefined in all."""
    return FoldScores(
        folds=len(models),
        mean=_summary(models, np.mean),
        spread=_summary(models, lambda values: np.std(values, ddof=1)),
        baseline=_summary(baselines, np.mean),
    )


def _summary(scores: Sequence[Scores], statistic: Callable[[list[float]], np.floating[Any]]) -> Scores:
    summary: dict[str, float | None] = {}
    for name in scores[0].__pydantic_extra__:
        values = [each.get(name) for each in scores]
        defined = [value for value in values if value is not None]
        summary[name] = float(statistic(defined)) if len(defined) == len(values) else None
    return Scores.model_validate({"rows": sum(each.rows for each in scores)} | summary)
