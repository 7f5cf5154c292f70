"""The commands that monitor a model in production, write its report, and hold the project against a rubric."""

import logging
import os
import signal
import threading
from pathlib import Path
from typing import Annotated

import typer

from mlkeel.cli.console import console
from mlkeel.cli.hints import instruction
from mlkeel.cli.session import session_of
from mlkeel.config import read_server_config
from mlkeel.errors import Hint, InputError

logger = logging.getLogger(__name__)


def monitor(
    context: typer.Context,
    source: Annotated[
        Path | None,
        typer.Argument(
            envvar="ASKED_IN", show_envvar=False, help="A CSV file of rows, instead of what the API recorded."
        ),
    ] = None,
    hours: Annotated[float | None, typer.Option(min=0.001, help="How far back to look; 1 if nothing is said.")] = None,
    last: Annotated[int | None, typer.Option(min=1, help="So many of the last rows instead.")] = None,
    every: Annotated[float | None, typer.Option(min=1, help="Go on for ever, with so many seconds between.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the document of the run.")] = False,
) -> None:
    """Hold recent rows against the contract and the training data; exit code 1 is an alarm, 2 that it could not run."""
    import json

    from mlkeel.monitor.monitor import EXIT_CODES, WindowQuery, log_summary, run_forever
    from mlkeel.monitor.monitor import monitor as run

    if sum(option is not None for option in (source, hours, last)) > 1:
        raise InputError("Rows of a file, of some hours, or the last so many: name one of a file, --hours and --last.")
    session = session_of(context)
    metrics = session.given.metrics if session.given else ()
    query = WindowQuery(source, hours or 1, last)
    store = read_server_config(os.environ).api_store
    if every is not None:
        stop = threading.Event()
        for signal_number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(signal_number, lambda *_: stop.set())
        run_forever(lambda: run(session.root, query, store, metrics), lambda: stop.wait(every))
        return
    document = run(session.root, query, store, metrics)
    if as_json:
        typer.echo(json.dumps(document, indent=2, ensure_ascii=False))
    log_summary(document)
    if document["hint"]:
        package = session.given.package if session.given else None
        logger.error("%s", instruction(Hint[document["hint"]], package))
    raise typer.Exit(EXIT_CODES[document["outcome"]])


def report(context: typer.Context) -> None:
    """Write reports/report.html: the data, the model, its history, and what to do next."""
    from mlkeel.report.html_report import write

    session = session_of(context)
    path = write(session.project, session.root, read_server_config(os.environ).api_store)
    logger.info("%s was written. Open it in a browser.", path)


def rubric(
    context: typer.Context, as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for a machine.")] = False
) -> None:
    """Show which of the 28 tests of the ML Test Score are automated, done by hand, or absent."""
    import json

    from mlkeel.report.rubric import score
    from mlkeel.report.rubric_table import rubric_table

    session = session_of(context)
    scored = score(session.project, session.root)
    if as_json:
        typer.echo(json.dumps(scored.to_dict(), indent=2, ensure_ascii=False))
        return
    console().print(rubric_table(scored))
    if scored.version is None:
        logger.warning(
            "No version is current, so none is counted. %s", instruction(Hint.TRAIN, session.project.package)
        )
    points = ", ".join(f"{name} {points:g}" for name, points in scored.scores.items())
    logger.info("The score is %g of 7, that of the lowest section: %s.", scored.score, points)
    for result in scored.next_steps:
        logger.info("Missing there, %s: %s", result.test.key, result.test.remedy)
