"""What a command is about: a folder and, unless it only answers, the project in it."""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import typer

from mlkeel.config import read_kept_settings
from mlkeel.contract.suites import read_contract
from mlkeel.errors import InputError
from mlkeel.project import Project
from mlkeel.registry import versions
from mlkeel.tasks.metrics import Metric
from mlkeel.tasks.task import task_of


@dataclass(frozen=True)
class Session:
    """The folder that a command is about, and the project that was handed over, if one was."""

    root: Path
    given: Project | None

    @property
    def project(self) -> Project:
        """The project.

        Raises:
            InputError: none was handed over, as in an image that only answers.
        """
        if self.given is None:
            raise InputError("This needs the code of a project, and there is none here. Run it in a project.")
        return self.given

    @property
    def metrics(self) -> Sequence[Metric]:
        """Those of the project or, where there is none, those that are usual for the task of a version."""
        if self.given is not None:
            return self.given.metrics
        artifacts = self.root / "artifacts"
        now = versions.in_use(artifacts)
        found = sorted(artifacts.glob("*/params.yaml"), key=lambda path: (path.parent.name != now, path))
        for folder in (path.parent for path in found):
            with contextlib.suppress(InputError):
                return task_of(read_contract(folder), read_kept_settings(folder).data.target).metrics
        return ()


def session_of(context: typer.Context) -> Session:
    """The session of a command."""
    session: Session = context.find_root().obj
    return session
