"""The command line; the Makefile calls nothing else.

Exit codes: 0 done, 1 trained but not good enough for use, 2 bad input. A message says what, where and what to do.
"""

import json
import logging
import os
import signal
import sys
from pathlib import Path
from typing import Annotated

import typer

from . import artifact, logs
from .cli_adopt import adopt, prove
from .cli_versions import promote, rollback, runs
from .cli_watch import monitor, report
from .console import console, show
from .settings import InputError, read_serving, read_settings
from .transaction import finish
from .wording import shortened

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)
logger = logging.getLogger(__name__)


@app.callback()
def start(
    context: typer.Context,
    root: Annotated[Path, typer.Option(help="The project's folder.")] = Path(),
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,  # noqa: ARG001 - for main
) -> None:
    """Train, evaluate and use the model of this project."""
    logs.configure(root)
    refuse_code_of_another_folder(root)
    finish(root)
    context.obj = root


def refuse_code_of_another_folder(root: Path) -> None:
    """See that what runs is the source of the project in `root`, if it has any.

    Raises:
        InputError: it is that of another folder, as in an environment that was copied.
    """
    running = Path(__file__).parent
    source = root / "src" / running.name
    if source.is_dir() and not source.samefile(running):
        raise InputError(
            f"{source}: this is not the code that runs, since the environment was made for {running}. Make one for "
            "this folder with: make setup"
        )


@app.command()
def train(context: typer.Context) -> None:
    """Train, evaluate, write an artifact, and put it in use if it is good enough."""
    from .train import train as run

    outcome = run(read_settings(context.obj / "conf" / "params.yaml"), context.obj)
    show(outcome.evaluation)
    if outcome.duel:
        logger.info("The new model and the one in use: %s.", outcome.duel.sentence)
    if outcome.shortcomings:
        logger.error(
            "%s is kept, and not put in use. %s To put it in use all the same: make promote VERSION=%s",
            outcome.folder,
            shortened(outcome.shortcomings, f"{outcome.folder}/MODEL_CARD.md"),
            outcome.folder.name,
        )
        raise typer.Exit(1)
    logger.info("%s is in use.", outcome.folder)


@app.command()
def evaluate(context: typer.Context) -> None:
    """Evaluate the model in use on the test part of the table, by the settings and contract it was trained under."""
    from .evaluate import evaluate as judge
    from .predict import Predictor
    from .prepare import prepare

    folder = artifact.current(context.obj / "artifacts")
    predictor, settings = Predictor.load(folder), read_settings(folder / "params.yaml")
    prepared = prepare(settings, predictor.contract, context.obj)
    test = prepared.table.test
    found = judge(test, predictor.predict(test), prepared.truth["test"], prepared.truth["train"], settings.gate)
    show(found)
    if prepared.digest != json.loads((folder / "metrics.json").read_text(encoding="utf-8"))["data"]["sha256"]:
        logger.warning(
            "%s is not as it was in training: a row that was changed since may have been learnt from in its old form, "
            "so these scores can be too good. Train again for scores that hold.",
            settings.data.path,
        )
    logger.info("%s was evaluated on %s rows.", folder, f"{found.model.rows:,}")


@app.command()
def predict(
    context: typer.Context,
    source: Annotated[Path, typer.Argument(help="A CSV file with the features of the contract.")],
    goal: Annotated[Path, typer.Argument(help="Where the rows go, with what is predicted added.")],
) -> None:
    """Predict each row of a table with the model in use."""
    from .predict import Predictor, predict_file

    folder = artifact.current(context.obj / "artifacts")
    answer = predict_file(Predictor.load(folder), source, goal)
    logger.info("%s: %s rows were predicted with %s.", goal, f"{len(answer):,}", folder)


@app.command()
def summary(context: typer.Context) -> None:
    """Print the metrics of the model in use and what the contract says of the table, in Markdown."""
    from .report import summary as run

    typer.echo(run(context.obj))


@app.command()
def serve(context: typer.Context) -> None:
    """Serve the model in use as an API; variables such as PORT and API_KEYS say how, see the README."""
    from .lifecycle import run
    from .serve import build

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # until the server has its own way to stop
    serving = read_serving(os.environ)
    run(*build(context.obj, serving), serving)


@app.command("top-requests")
def top_requests(
    log: Annotated[Path, typer.Argument(help="An access log of nginx, also gzipped; /dev/stdin for a pipe.")],
) -> None:
    """Show the five most requested paths of an access log, with counts and shares of errors."""
    from .access_log import requests_table
    from .access_log import top_requests as run

    summary = run(log)
    console().print(requests_table(summary.top))
    logger.info("%s: %s requests; %s lines name no path.", log, f"{summary.requests:,}", f"{summary.unread:,}")
    if summary.missed:
        logger.warning("So many paths are rare that one with up to %s requests may be missing.", f"{summary.missed:,}")


for command in (adopt, prove, monitor, report, promote, rollback, runs):
    app.command()(command)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; bad input ends in one paragraph and exit code 2, or in a traceback with --debug."""
    given = sys.argv[1:] if arguments is None else arguments
    try:
        app(args=given)
    except InputError as error:
        if "--debug" in given:
            raise
        logger.error("%s", error)
        raise SystemExit(2) from None
