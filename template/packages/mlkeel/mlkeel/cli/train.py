"""The commands that train a model, judge it and say what it is."""

import logging

import typer

from mlkeel.cli.console import show
from mlkeel.cli.hints import promote
from mlkeel.cli.session import session_of
from mlkeel.config import read_kept_settings
from mlkeel.contract.wording import shortened
from mlkeel.registry import artifact
from mlkeel.registry.metrics_file import MetricsFile

logger = logging.getLogger(__name__)


def train(context: typer.Context) -> None:
    """Train, evaluate, write an artifact, and put it in use if it is good enough."""
    from mlkeel.training.training import train as run

    session = session_of(context)
    outcome = run(session.project, session.root)
    show(outcome.evaluation)
    if outcome.compared:
        logger.info("The new model and the one in use: %s.", outcome.compared)
    if outcome.shortcomings:
        logger.error(
            "%s is kept, and not put in use. %s To put it in use all the same: %s",
            outcome.folder,
            shortened(outcome.shortcomings, f"{outcome.folder}/MODEL_CARD.md"),
            promote(outcome.folder.name, session.project.package),
        )
        raise typer.Exit(1)
    logger.info("%s is in use.", outcome.folder)


def evaluate(context: typer.Context) -> None:
    """Evaluate the model in use on the test part of the table, by the settings and contract it was trained under."""
    from mlkeel.inference.predictor import Predictor
    from mlkeel.training.again import judge_again

    session = session_of(context)
    folder = artifact.current(session.root / "artifacts")
    predictor, settings = Predictor.load(folder), read_kept_settings(folder, session.project.settings)
    prepared, judged = judge_again(session.project, predictor, settings, session.root)
    show(judged.evaluation)
    if prepared.digest != MetricsFile.read(folder).data.sha256:
        logger.warning(
            "%s is not as it was in training: a row that was changed since may have been learnt from in its old form, "
            "so these scores can be too good. Train again for scores that hold.",
            settings.data.path,
        )
    logger.info("%s was evaluated on %s rows.", folder, f"{judged.evaluation.model.rows:,}")


def summary(context: typer.Context) -> None:
    """Print the metrics of the model in use and what the contract says of the table, in Markdown."""
    from mlkeel.report.tables import summary as run

    session = session_of(context)
    typer.echo(run(session.root, session.project.load))
