"""The commands that list the versions of the model, and choose the current one."""

import json
import logging
from pathlib import Path
from typing import Annotated

import typer

from mlkeel import logs
from mlkeel.cli.console import console
from mlkeel.cli.hints import instruction
from mlkeel.cli.session import session_of
from mlkeel.errors import Hint, InputError
from mlkeel.files import atomic_write
from mlkeel.registry import artifact
from mlkeel.registry import versions as registry

logger = logging.getLogger(__name__)


def versions(
    context: typer.Context, as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for a machine.")] = False
) -> None:
    """Show the versions of the model, newest first: scores, data, commit, and which is current."""
    session = session_of(context)
    artifacts = session.root / "artifacts"
    listed = registry.versions(artifacts)
    if as_json:
        typer.echo(json.dumps([version.to_dict() for version in listed], indent=2, ensure_ascii=False))
    elif logs.environment_format() == "json":
        logger.info("The versions of the model.", extra={"versions": [version.to_dict() for version in listed]})
    elif listed:
        from mlkeel.report.tables import versions_table

        terminal = console()
        terminal.print(versions_table(listed, session.metrics, terminal))
    else:
        package = session.given.package if session.given else None
        logger.info("%s: there are no versions yet. %s", artifacts, instruction(Hint.TRAIN, package))
    if listed and not any(version.is_current for version in listed):
        current = registry.current_name(artifacts)
        logger.warning(
            "None of these is current: %s %s.", artifacts / "current", f"names {current}" if current else "is not there"
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
    """Make another version current, whatever the gate said of it."""
    root = session_of(context).root
    promoted = registry.promote(root, version)
    logger.info("%s is current.", root / "artifacts" / promoted)


def export(
    context: typer.Context,
    goal: Annotated[Path, typer.Argument(envvar="ASKED_OUT", show_envvar=False, help="The ONNX file to write.")],
) -> None:
    """Write the current version as an ONNX graph with one named input a column, for other programs."""
    from mlkeel.features.export import with_named_inputs
    from mlkeel.inference.predictor import Predictor

    folder = artifact.current(session_of(context).root / "artifacts")
    encoder = Predictor.load(folder).encoder
    content = with_named_inputs(encoder)
    try:
        with atomic_write(goal, "wb") as file:
            file.write(content)
    except OSError as error:
        raise InputError(f"{goal}: cannot be written ({error.strerror}).", Hint.OTHER_GOAL) from error
    logger.info("%s holds %s.", goal, folder.name)
    if python := encoder.layout.python:
        logger.warning("%s are inputs of it, since Python computes them: give them their values.", ", ".join(python))


def rollback(context: typer.Context) -> None:
    """Go back to the version that was current before."""
    root = session_of(context).root
    version = registry.rollback(root)
    logger.info("%s is current again.", root / "artifacts" / version)
