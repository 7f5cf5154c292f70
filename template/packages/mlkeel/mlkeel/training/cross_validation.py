"""Cross-validate a training: run its flow fold by fold, so that each row is tested by a model that never saw it.

On a small table the test split is a few dozen rows, and its score mostly chance. Folds are made by the rule of
`data.split`, so that no group, time or duplicate stands on two sides of one.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from mlkeel.data.folds import Fold
from mlkeel.data.split_description import SplitDescription
from mlkeel.errors import InputError
from mlkeel.project import Prepared, Project, Run, Trained, TrainingResult
from mlkeel.tasks.cross_validation import CrossValidation, fold_scores
from mlkeel.tasks.evaluation import evaluate
from mlkeel.training.fairness import with_fairness
from mlkeel.training.reevaluate import run_flow
from mlkeel.training.rival import compare_with_rival

logger = logging.getLogger(__name__)
DEFAULT_FOLDS = 5
MAX_ROWS = 2000  # of a table that is cross-validated by default


@dataclass(frozen=True)
class CrossValidate:
    """Cross-validates what a run trains, and then publishes it."""

    project: Project
    run: Run
    publish: Callable[[Prepared, Trained], TrainingResult]

    def __call__(self, prepared: Prepared, trained: Trained) -> TrainingResult:
        """Add the cross-validation to `trained`, and publish it."""
        return self.publish(prepared, cross_validated(self.project, self.run, prepared, trained))


def cross_validated(project: Project, run: Run, prepared: Prepared, trained: Trained) -> Trained:
    """Return `trained` with the cross-validation of the training that `run` describes, if there is to be one.

    Where a fold cannot be trained, such as one without a rare class, the log says why, and there is none.
    """
    count = fold_count(prepared, run)
    if not count:
        return trained
    runs = [
        replace(run, fold=Fold(number, count), checkpoint=None, model=None, encoder=None) for number in range(count)
    ]
    try:
        folds = [run_flow(project, each) for each in runs]
    except InputError as error:
        logger.warning("It is not cross-validated, since a fold cannot be trained: %s", error)
        return trained
    if prepared.table.description.by == "own":
        logger.warning("It is not cross-validated: split in train.py is the project's own, and must make run.fold.")
        return trained
    return replace(trained, cross_validation=_summary(project, run, prepared, trained, folds))


def fold_count(prepared: Prepared, run: Run) -> int:
    """Return the number of folds; 0 if there is to be no cross-validation."""
    split = run.settings.data.split
    if split.folds is not None:
        return split.folds
    rows = sum(len(frame) for frame in prepared.table.all_frames.values())
    return DEFAULT_FOLDS if rows < MAX_ROWS and split.by != "given" and prepared.table.description.by != "own" else 0


def _summary(
    project: Project, run: Run, prepared: Prepared, trained: Trained, folds: list[tuple[Prepared, Trained]]
) -> CrossValidation:
    import pandas as pd

    table = pd.concat([fold.table.test for fold, _ in folds])
    outputs = np.concatenate([of_fold.model.predict(fold.features["test"]) for fold, of_fold in folds])
    y_true = np.concatenate([fold.targets["test"] for fold, _ in folds])
    baselines = [  # of each fold's own training rows: in time, those of the version come after the first test rows
        project.task.baseline(fold.targets["train"], len(fold.targets["test"]), len(fold.output_names))
        for fold, _ in folds
    ]
    description = prepared.table.description
    pooled = evaluate(
        project.task,
        project.metrics,
        table,
        outputs,
        y_true,
        prepared.targets["train"],
        run.settings.gate,
        run.contract.values(run.target),
        trained.evaluation.decision,
        SplitDescription(
            by=description.by,
            columns=description.columns,
            sentence=f"{len(folds)} folds, {description.sentence}",
        ),
        baseline_outputs=np.concatenate(baselines),
    )
    pooled = with_fairness(pooled, table, outputs, y_true, run)
    evaluations = [of_fold.evaluation for _, of_fold in folds]
    models = [evaluation.model for evaluation in evaluations]
    scores = fold_scores(models, [evaluation.baseline for evaluation in evaluations])
    scores = scores.model_copy(update={"calibration_error": pooled.calibration_error})
    rival = compare_with_rival(pooled, outputs, [(fold, of_fold.model) for fold, of_fold in folds])
    return CrossValidation(scores, pooled, rival)
