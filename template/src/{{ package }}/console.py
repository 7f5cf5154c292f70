"""Show results on the terminal, or in the log where a machine reads it."""

import logging
from dataclasses import asdict
from typing import TYPE_CHECKING

from rich.console import Console

from . import logs

if TYPE_CHECKING:
    from .evaluate import Evaluation

logger = logging.getLogger(__name__)
WIDTH = 140


def console() -> Console:
    """Wide enough for tables where nobody's window sets the width."""
    console = Console()
    return console if console.is_terminal else Console(width=WIDTH)


def show(evaluation: "Evaluation") -> None:
    """A table for a person, a log record for a machine."""
    if logs.output() == "json":
        logger.info("Evaluated on the test part.", extra={"evaluation": asdict(evaluation)})
    else:
        from .report import evaluation_table

        console().print(evaluation_table(evaluation))
