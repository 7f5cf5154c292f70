"""The command line; the Makefile calls nothing else.

Exit codes: 0 done, 1 trained but not good enough for use, 2 bad input. A message says what, where and what to do.
"""

import json
import logging
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from . import artifact, logs
from .settings import InputError, read_settings

if TYPE_CHECKING:
    from .evaluate import Evaluation

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
    context.obj = root


@app.command()
def train(context: typer.Context) -> None:
    """Train, evaluate, write an artifact, and put it in use if it is good enough."""
    from .train import train as run

    outcome = run(read_settings(context.obj / "conf" / "params.yaml"), context.obj)
    _show(outcome.evaluation)
    if outcome.shortcomings:
        logger.error("%s is not in use: %s.", outcome.folder, "; ".join(outcome.shortcomings))
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
    found = judge(test, predictor.probabilities(test), prepared.truth["test"], prepared.truth["train"], settings.gate)
    _show(found)
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
    goal: Annotated[Path, typer.Argument(help="Where the rows go, with class and probabilities added.")],
) -> None:
    """Predict each row of a table with the model in use."""
    from .predict import Predictor, predict_file

    folder = artifact.current(context.obj / "artifacts")
    answer = predict_file(Predictor.load(folder), source, goal)
    logger.info("%s: %s rows were predicted with %s.", goal, f"{len(answer):,}", folder)


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


def _show(evaluation: "Evaluation") -> None:
    """A table for a person, a log record for a machine."""
    if logs.output() == "json":
        logger.info("Evaluated on the test part.", extra={"evaluation": asdict(evaluation)})
    else:
        from .report import evaluation_table

        Console().print(evaluation_table(evaluation))
