"""The monitor over days of traffic in which something changes, as `make bench` runs it at length."""

from pathlib import Path

import pytest
from watching import days_of

from ..conftest import clone

DAYS = 16
ROWS = 300  # a day


@pytest.fixture(scope="module")
def bench_result(generated: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict]:
    folder = tmp_path_factory.mktemp("watched")
    return days_of(clone(generated, folder / "twin"), DAYS, ROWS, folder)


def test_every_change_becomes_an_alarm_that_names_it(bench_result: dict[str, dict]) -> None:
    for story, expected in bench_result["expected"].items():
        named = [name for day in bench_result["alarms"][story] for name in day]
        assert (expected in named) == (expected is not None), story


def test_no_quiet_day_is_an_alarm(bench_result: dict[str, dict]) -> None:
    for story, days in bench_result["alarms"].items():
        quiet = days[: bench_result["changes"][story]]
        assert not any(quiet), story
