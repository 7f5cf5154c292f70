"""The fault that is planted while the tests of a project run, if any."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from mlkeel.project import Project

Plant = Callable[[Project], Project]
_planted: list[Plant] = []


@contextmanager
def planted(plant: Plant | None) -> Iterator[None]:
    """Give tests a project with this fault for a while."""
    if plant is not None:
        _planted.append(plant)
    try:
        yield
    finally:
        _planted.clear()


def fixture_for(project: Project) -> Callable[[], Project]:
    """The fixture `project`, from which all other fixtures are made; `prove` plants faults into what it gives."""

    @pytest.fixture(scope="session", name="project")
    def give() -> Project:
        found = project
        for plant in _planted:
            found = plant(found)
        return found

    return give
