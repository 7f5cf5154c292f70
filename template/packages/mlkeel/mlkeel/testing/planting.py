"""Plant a fault into the project whose tests run."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from mlkeel.project import Project

PlantFault = Callable[[Project], Project]
_active: list[PlantFault] = []


@contextmanager
def planted(plant: PlantFault | None) -> Iterator[None]:
    """Let the fixture `project` be a project with this fault, if any, within a `with` block."""
    if plant is not None:
        _active.append(plant)
    try:
        yield
    finally:
        _active.clear()


def fixture_for(project: Project) -> Callable[[], Project]:
    """Return the fixture `project`, from which all other fixtures are made; `prove` plants faults into it."""

    @pytest.fixture(scope="session", name="project")
    def project_fixture() -> Project:
        planted_project = project
        for plant in _active:
            planted_project = plant(planted_project)
        return planted_project

    return project_fixture
