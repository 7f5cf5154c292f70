"""The command line of a project, or of a folder that only holds versions of a model.

Exit codes: 0 for success, 1 for a failure of the gate, an alarm or a missed fault, 2 for bad input. A message says what
is wrong, where, and what to do.
"""

import logging
import sys
from pathlib import Path
from typing import Annotated

import typer

import mlkeel
from mlkeel import logs
from mlkeel.adopt.transaction import finish
from mlkeel.cli.adopt import adopt, prove
from mlkeel.cli.answer import predict, serve, top_requests
from mlkeel.cli.hints import instruction
from mlkeel.cli.session import Session
from mlkeel.cli.train import check_features, contract, evaluate, summary, train
from mlkeel.cli.versions import export, promote, rollback, versions
from mlkeel.cli.watch import monitor, report, rubric
from mlkeel.errors import Hint, InputError
from mlkeel.project import Project
from mlkeel.tasks.metrics import primary

COMMANDS_WITHOUT_PROJECT = (serve, predict, monitor, versions, promote, rollback, top_requests)
PROJECT_COMMANDS = (train, check_features, contract, export, evaluate, summary, adopt, prove, report, rubric)
logger = logging.getLogger(__name__)


def build_app(project: Project | None) -> typer.Typer:
    """Return all commands of `project`, including its own or, without a project, those that need none."""
    app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)

    @app.callback()
    def start(
        context: typer.Context,
        root: Annotated[Path, typer.Option(help="The project's folder.")] = Path(),
        debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,  # noqa: ARG001 - for main
    ) -> None:
        """Train, evaluate and use a model."""
        logs.configure(root)
        check_environment(root, project)
        if project is not None:
            primary(project.metrics)  # models can be compared
        finish(root)
        context.obj = Session(root, project)

    own_commands = project.commands if project else ()
    for command in (*COMMANDS_WITHOUT_PROJECT, *(PROJECT_COMMANDS if project else ()), *own_commands):
        app.command(command.__name__.replace("_", "-"))(command)
    return app


def check_environment(root: Path, project: Project | None) -> None:
    """Check that the running code is that of the project in `root`, if it has any.

    Raises:
        InputError: it is that of another folder, as in an environment that was copied.
    """
    loaded_from = {"packages/mlkeel/mlkeel": Path(mlkeel.__file__).parent}
    if project is not None and (package := sys.modules.get(project.package)) and package.__file__:
        loaded_from[f"src/{project.package}"] = Path(package.__file__).parent
    for name, folder in loaded_from.items():
        source = root / name
        if source.is_dir() and not source.samefile(folder):
            raise InputError(
                f"{source}: this is not the code that runs, since the environment was made for {folder}.", Hint.SETUP
            )


def main(project: Project | None = None, arguments: list[str] | None = None) -> None:
    """Run the command line; bad input ends in a message and exit code 2, or in a traceback with --debug."""
    words = sys.argv[1:] if arguments is None else arguments
    try:
        build_app(project)(args=words)
    except InputError as error:
        if "--debug" in words:
            raise
        hint = "" if error.hint is None else f" {instruction(error.hint, project.package if project else None)}"
        logger.error("%s%s", error, hint)
        raise SystemExit(2) from None
