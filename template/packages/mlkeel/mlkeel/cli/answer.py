"""The commands that predict, serve, and summarize an access log."""

import logging
import os
import signal
import sys
from pathlib import Path
from typing import Annotated

import typer

from mlkeel.cli.console import console
from mlkeel.cli.session import session_of
from mlkeel.config import read_server_config
from mlkeel.registry import artifact

logger = logging.getLogger(__name__)


def predict(
    context: typer.Context,
    source: Annotated[
        Path, typer.Argument(envvar="ASKED_IN", show_envvar=False, help="A CSV file with the features of the contract.")
    ],
    goal: Annotated[
        Path,
        typer.Argument(envvar="ASKED_OUT", show_envvar=False, help="Where the rows go, with what is predicted added."),
    ],
) -> None:
    """Predict each row of a table with the current version."""
    from mlkeel.inference.batch import predict_file
    from mlkeel.inference.predictor import Predictor

    folder = artifact.current(session_of(context).root / "artifacts")
    predictions = predict_file(Predictor.load(folder), source, goal)
    logger.info("%s: %s rows were predicted with %s.", goal, f"{len(predictions):,}", folder)


def serve(context: typer.Context) -> None:
    """Serve the current version as an API; variables such as PORT and API_KEYS say how, see the README."""
    from mlkeel.serve.app import build
    from mlkeel.serve.model_manager import run

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # until the server sets its own handler
    server_config = read_server_config(os.environ)
    app, manager = build(session_of(context).root, server_config)
    run(app, manager, server_config)


def top_requests(
    log: Annotated[
        Path,
        typer.Argument(
            envvar="ASKED_LOG", show_envvar=False, help="An access log of nginx, also gzipped; /dev/stdin for a pipe."
        ),
    ],
) -> None:
    """Show the five most requested paths of an access log, with counts and shares of errors."""
    from mlkeel.monitor.access_log import requests_table
    from mlkeel.monitor.access_log import top_requests as run

    summary = run(log)
    console().print(requests_table(summary.top))
    logger.info("%s: %s requests; %s lines name no path.", log, f"{summary.requests:,}", f"{summary.unread:,}")
    if summary.missed:
        logger.warning("So many paths are rare that one with up to %s requests may be missing.", f"{summary.missed:,}")
