"""Show results on the terminal, or in the log where a machine reads it."""

import logging
from typing import TYPE_CHECKING

from rich.console import Console

from mlkeel import logs

if TYPE_CHECKING:
    from mlkeel.tasks.evaluation import Evaluation

logger = logging.getLogger(__name__)
WIDTH = 140


def console() -> Console:
    """Wide enough for tables where nobody's window sets the width."""
    console = Console()
    return console if console.is_terminal else Console(width=WIDTH)


def show(evaluation: "Evaluation") -> None:
    """A table for a person, a log record for a machine."""
    if logs.output() == "json":
        logger.info("Evaluated on the test part.", extra={"evaluation": evaluation.document()})
    else:
        from mlkeel.report.tables import evaluation_table

        console().print(evaluation_table(evaluation))
