"""The commands that watch a model in production, and show it."""

import logging
from pathlib import Path
from typing import Annotated

import typer

from . import artifact

logger = logging.getLogger(__name__)


def monitor(context: typer.Context, source: Annotated[Path, typer.Argument(help="A CSV file of recent rows.")]) -> None:
    """Hold recent rows against the contract and the training data of the model in use; exit code 1 is an alarm."""
    from .contract import read_suite
    from .data import load
    from .monitor import watch
    from .predict import Predictor

    folder = artifact.current(context.obj / "artifacts")
    predictor = Predictor.load(folder)
    recent = load(source, predictor.contract)
    found = watch(recent, predictor, read_suite(folder / "drift.json"))
    for finding in found:
        logger.log(logging.ERROR if finding.critical else logging.WARNING, "%s: %s", source, finding.sentence)
    if any(finding.critical for finding in found):
        raise typer.Exit(1)
    logger.info("%s: %s rows are like those that %s learnt from.", source, f"{len(recent):,}", folder.name)
