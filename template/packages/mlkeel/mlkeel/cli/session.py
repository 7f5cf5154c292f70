"""The context of a command: a folder and, unless it only serves a model, the project in it."""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import typer

from mlkeel.config import read_version_settings
from mlkeel.contract.suites import read_contract
from mlkeel.errors import InputError
from mlkeel.project import Project
from mlkeel.registry import versions
from mlkeel.tasks.metrics import Metric
from mlkeel.tasks.task import task_of


@dataclass(frozen=True)
class Session:
    """The folder of a command, and its project, if there is one."""

    root: Path
    given: Project | None

    @property
    def project(self) -> Project:
        """The project.

        Raises:
            InputError: there is none, as in an image that only serves a model.
        """
        if self.given is None:
            raise InputError("This needs the code of a project, and there is none here. Run it in a project.")
        return self.given

    @property
    def metrics(self) -> Sequence[Metric]:
        """The metrics of the project or, without one, the default metrics for the task of a version."""
        if self.given is not None:
            return self.given.metrics
        artifacts = self.root / "artifacts"
        current = versions.current_name(artifacts)
        paths = sorted(artifacts.glob("*/params.yaml"), key=lambda path: (path.parent.name != current, path))
        for folder in (path.parent for path in paths):
            with contextlib.suppress(InputError):
                return task_of(read_contract(folder), read_version_settings(folder).data.target).metrics
        return ()


def session_of(context: typer.Context) -> Session:
    """Return the session of a command."""
    session: Session = context.find_root().obj
    return session
