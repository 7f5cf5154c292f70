"""The command line of a project, or of a folder that only holds versions of a model.

Exit codes: 0 done, 1 trained but not good enough for use, 2 bad input. A message says what, where and what to do.
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
from mlkeel.cli.hints import remedy
from mlkeel.cli.session import Session
from mlkeel.cli.train import evaluate, summary, train
from mlkeel.cli.versions import promote, rollback, runs
from mlkeel.cli.watch import monitor, report
from mlkeel.errors import Hint, InputError
from mlkeel.project import Project
from mlkeel.tasks.metrics import primary

ANSWERING = (serve, predict, monitor, runs, promote, rollback, top_requests)
MAKING = (train, evaluate, summary, adopt, prove, report)
logger = logging.getLogger(__name__)


def command_line(project: Project | None) -> typer.Typer:
    """All commands of `project`, its own among them; without one, those that need none."""
    app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)

    @app.callback()
    def start(
        context: typer.Context,
        root: Annotated[Path, typer.Option(help="The project's folder.")] = Path(),
        debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,  # noqa: ARG001 - for main
    ) -> None:
        """Train, evaluate and use a model."""
        logs.configure(root)
        refuse_code_of_another_folder(root, project)
        if project is not None:
            primary(project.metrics)  # models can be compared
        finish(root)
        context.obj = Session(root, project)

    for command in (*ANSWERING, *(MAKING if project else ()), *(project.commands if project else ())):
        app.command(command.__name__.replace("_", "-"))(command)
    return app


def refuse_code_of_another_folder(root: Path, project: Project | None) -> None:
    """See that what runs is the source of the project in `root`, if it has any.

    Raises:
        InputError: it is that of another folder, as in an environment that was copied.
    """
    running = {"packages/mlkeel/mlkeel": Path(mlkeel.__file__).parent}
    if project is not None and (own := sys.modules.get(project.package)) and own.__file__:
        running[f"src/{project.package}"] = Path(own.__file__).parent
    for name, folder in running.items():
        source = root / name
        if source.is_dir() and not source.samefile(folder):
            raise InputError(
                f"{source}: this is not the code that runs, since the environment was made for {folder}.", Hint.SETUP
            )


def main(project: Project | None = None, arguments: list[str] | None = None) -> None:
    """Run the command line; bad input ends in one paragraph and exit code 2, or in a traceback with --debug."""
    given = sys.argv[1:] if arguments is None else arguments
    try:
        command_line(project)(args=given)
    except InputError as error:
        if "--debug" in given:
            raise
        hint = "" if error.hint is None else f" {remedy(error.hint, project.package if project else None)}"
        logger.error("%s%s", error, hint)
        raise SystemExit(2) from None
