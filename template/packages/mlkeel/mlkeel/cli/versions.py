"""The commands that show the versions of the model, and choose the one in use."""

import json
import logging
from dataclasses import asdict
from typing import Annotated

import typer

from mlkeel import logs
from mlkeel.cli.console import console
from mlkeel.cli.hints import remedy
from mlkeel.cli.session import session_of
from mlkeel.errors import Hint
from mlkeel.registry import versions

logger = logging.getLogger(__name__)


def runs(
    context: typer.Context, as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for a machine.")] = False
) -> None:
    """Show the versions of the model, newest first: scores, data, commit, and which is in use."""
    session = session_of(context)
    artifacts = session.root / "artifacts"
    found = versions.versions(artifacts)
    if as_json:
        typer.echo(json.dumps([asdict(one) for one in found], indent=2, ensure_ascii=False))
    elif logs.output() == "json":
        logger.info("The versions of the model.", extra={"versions": [asdict(one) for one in found]})
    elif found:
        from mlkeel.report.tables import versions_table

        shown = console()
        shown.print(versions_table(found, session.metrics, shown))
    else:
        package = session.given.package if session.given else None
        logger.info("%s: there are no versions yet. %s", artifacts, remedy(Hint.TRAIN, package))
    if found and not any(one.in_use for one in found):
        named = versions.in_use(artifacts)
        logger.warning(
            "None of these is in use: %s %s.", artifacts / "current", f"names {named}" if named else "is not there"
        )


def promote(
    context: typer.Context,
    version: Annotated[
        str,
        typer.Argument(
            envvar="ASKED_VERSION", show_envvar=False, help="A version, or how the name of just one begins."
        ),
    ],
) -> None:
    """Put another version in use, whatever the gate said of it."""
    logger.info(
        "%s is in use.", session_of(context).root / "artifacts" / versions.promote(session_of(context).root, version)
    )


def rollback(context: typer.Context) -> None:
    """Put the version in use again that was in use before."""
    logger.info(
        "%s is in use again.", session_of(context).root / "artifacts" / versions.rollback(session_of(context).root)
    )
