"""Show results on the terminal, or in the log if that is JSON for a machine."""

import logging
from typing import TYPE_CHECKING

from rich.console import Console

from mlkeel import logs

if TYPE_CHECKING:
    from mlkeel.tasks.comparison import RivalComparison
    from mlkeel.tasks.cross_validation import CrossValidation
    from mlkeel.tasks.evaluation import Evaluation

logger = logging.getLogger(__name__)
WIDTH_WITHOUT_TERMINAL = 140  # characters


def console() -> Console:
    """Return a console as wide as the terminal or, without one, wide enough for tables."""
    console = Console()
    return console if console.is_terminal else Console(width=WIDTH_WITHOUT_TERMINAL)


def show_rival(rival: "RivalComparison | None") -> None:
    """Log how a model compares with a simpler one, as a warning if the simpler one would do."""
    if rival is not None:
        logger.log(logging.WARNING if rival.within_noise else logging.INFO, "%s.", rival.sentence.rstrip("."))


def show(evaluation: "Evaluation", cross_validation: "CrossValidation | None" = None) -> None:
    """Print the evaluation as a table, or log it as a record if the log is JSON."""
    if logs.environment_format() == "json":
        folds = cross_validation and cross_validation.scores.model_dump()
        logger.info(
            "Evaluated on the test split.", extra={"evaluation": evaluation.to_dict() | {"cross_validation": folds}}
        )
    else:
        from mlkeel.report.tables import class_table, evaluation_table

        console().print(evaluation_table(evaluation, cross_validation))
        if evaluation.classes:
            console().print(class_table(evaluation))
    judged = cross_validation.evaluation if cross_validation else evaluation
    logger.info("%s.", judged.skill_sentence)
    for remark in (*evaluation.remarks, *(each.remark for each in judged.fairness if each.remark)):
        logger.warning("%s", remark)
