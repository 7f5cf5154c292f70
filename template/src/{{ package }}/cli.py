"""The command line; the Makefile calls nothing else.

Exit codes: 0 done, 1 trained but not good enough for use, 2 bad input. A message says what, where and what to do.
"""

import json
import logging
import os
import signal
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from . import artifact, logs
from .progress import progress
from .settings import InputError, read_serving, read_settings
from .transaction import finish

if TYPE_CHECKING:
    from .adopt import Plan
    from .evaluate import Evaluation

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)
logger = logging.getLogger(__name__)
WIDTH = 140


@app.callback()
def start(
    context: typer.Context,
    root: Annotated[Path, typer.Option(help="The project's folder.")] = Path(),
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,  # noqa: ARG001 - for main
) -> None:
    """Train, evaluate and use the model of this project."""
    finish(root)
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
    found = judge(test, predictor.predict(test), prepared.truth["test"], prepared.truth["train"], settings.gate)
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
    _console().print(requests_table(summary.top))
    logger.info("%s: %s requests; %s lines name no path.", log, f"{summary.requests:,}", f"{summary.unread:,}")
    if summary.missed:
        logger.warning("So many paths are rare that one with up to %s requests may be missing.", f"{summary.missed:,}")


@app.command()
def adopt(
    context: typer.Context,
    source: Annotated[str, typer.Argument(help="CSV, Parquet, or the URL of a database with #table at its end.")],
    target: Annotated[str, typer.Argument(help="The column to predict.")],
    id_: Annotated[str | None, typer.Option("--id", help="The column that names a record.")] = None,
    time: Annotated[str | None, typer.Option(help="The column that says when a record was made.")] = None,
    role: Annotated[
        list[str] | None, typer.Option(help="column=role, for a decision that is wrong; repeatable.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would change, and change nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace files that have uncommitted changes.")] = False,
) -> None:
    """Make this project about another table: settings, contract, behaviour, model."""
    from .adopt import adopt as run
    from .columns import roles
    from .report import changes_table, decisions_table

    given = roles(role or [])
    given |= {id_: "identifier"} if id_ else {}
    given |= {time: "time"} if time else {}

    def agree(plan: "Plan") -> bool:
        _console().print(decisions_table(plan.decisions, f"{plan.origin}, {plan.rows:,} rows"))
        for note in plan.notes:
            logger.info("%s: %s.", plan.origin, note)
        if personal := [name for name, one in plan.decisions.items() if one.role == "personal"]:
            logger.warning("%s: personal data. Think before you commit %s.", ", ".join(personal), plan.path)
        asks = sys.stdin.isatty() and not yes and not dry_run
        return not asks or typer.confirm("Replace the project's table, settings, contract and behaviour?", default=True)

    try:
        adopted = run(source, target, given, context.obj, agree, force=force, dry_run=dry_run)
    except KeyboardInterrupt:
        logger.error("Stopped. The project is as it was.")
        raise typer.Exit(130) from None
    if adopted is None:
        logger.info("Nothing was changed.")
        return
    _show(adopted.evaluation)
    _console().print(changes_table(adopted.changes))
    logger.info("%s", adopted.trial.sentence)
    if any(path.name == ".gitignore" for path in adopted.changes):
        logger.info("%s is large and kept out of git; data/.gitignore says so.", adopted.plan.path)
    if adopted.copies:
        logger.info("Copies of what git did not have are in %s.", adopted.copies)
    if dry_run:
        logger.info("Nothing was changed: this was a dry run.")
    else:
        logger.info("The project is about %s now. Look at git diff, run make test, and commit.", adopted.plan.path)


@app.command()
def prove(
    context: typer.Context,
    only: Annotated[str | None, typer.Option(help="One of data, code and model.")] = None,
) -> None:
    """Plant faults into data, code and model, one at a time, and see that the tests catch each."""
    from .prove import PARTS
    from .prove import prove as run
    from .report import proof_table

    if only not in (None, *PARTS):
        raise InputError(f"--only {only}: there is no such part. Choose one of {', '.join(PARTS)}.")
    with progress("Planting", 45) as advance:
        proofs = []
        for proof in run(context.obj.resolve(), (only,) if only else PARTS):
            proofs.append(proof)
            advance(len(proofs), None)
    _console().print(proof_table(proofs))
    planted = [proof for proof in proofs if proof.caught_by is not None]
    if missed := [proof.fault for proof in planted if not proof.caught_by]:
        logger.error("%s of %s planted faults were missed: %s.", len(missed), len(planted), ", ".join(missed))
        raise typer.Exit(1)
    logger.info("All %s planted faults were caught.", len(planted))


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


def _console() -> Console:
    """Wide enough for tables where nobody's window sets the width."""
    console = Console()
    return console if console.is_terminal else Console(width=WIDTH)


def _show(evaluation: "Evaluation") -> None:
    """A table for a person, a log record for a machine."""
    if logs.output() == "json":
        logger.info("Evaluated on the test part.", extra={"evaluation": asdict(evaluation)})
    else:
        from .report import evaluation_table

        _console().print(evaluation_table(evaluation))
