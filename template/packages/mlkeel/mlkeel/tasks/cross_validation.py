"""The scores of a cross-validation: their mean and spread over its folds."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from pydantic import BaseModel, ConfigDict

from mlkeel.tasks.evaluation import Evaluation
from mlkeel.tasks.metrics import Scores


class FoldScores(BaseModel):
    """The mean of each score over the folds, and its spread, the standard deviation between them."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    folds: int
    mean: Scores
    spread: Scores

    def rows(self) -> dict[str, Scores]:
        """Return mean and spread by what they are called in tables."""
        return {f"mean of {self.folds} folds": self.mean, "spread between folds": self.spread}


@dataclass(frozen=True)
class CrossValidation:
    """Models that were trained and evaluated fold by fold.

    Attributes:
        scores: mean and spread over the folds.
        evaluation: of the test rows of all folds together, each row by the model that did not learn from it.
    """

    scores: FoldScores
    evaluation: Evaluation


def fold_scores(scores: Sequence[Scores]) -> FoldScores:
    """Summarize the scores of folds; what is undefined in one is undefined in all."""
    rows = sum(each.rows for each in scores)
    means: dict[str, float | None] = {}
    spreads: dict[str, float | None] = {}
    for name in scores[0].__pydantic_extra__:
        values = [each.get(name) for each in scores]
        defined = [value for value in values if value is not None]
        is_defined = len(defined) == len(values)
        means[name] = float(np.mean(defined)) if is_defined else None
        spreads[name] = float(np.std(defined, ddof=1)) if is_defined else None
    return FoldScores(
        folds=len(scores),
        mean=Scores.model_validate({"rows": rows} | means),
        spread=Scores.model_validate({"rows": rows} | spreads),
    )
