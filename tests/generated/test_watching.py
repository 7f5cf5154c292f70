"""The monitor over days of traffic in which something changes, as `make bench` runs it at length."""

import json
import subprocess
import sys

import pytest

from ..conftest import ROOT

pytestmark = pytest.mark.project
Stories = dict[str, list[list[str]]]


@pytest.fixture(scope="module")
def watched() -> dict[str, dict]:
    command = [sys.executable, ROOT / "bench" / "watching.py", "--small", "--json"]
    return dict(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))


def test_every_change_becomes_an_alarm_that_names_it(watched: dict[str, dict]) -> None:
    for story, expected in watched["expected"].items():
        named = [name for day in watched["alarms"][story] for name in day]
        assert (expected in named) == (expected is not None), story


def test_no_quiet_day_is_an_alarm(watched: dict[str, dict]) -> None:
    for story, days in watched["alarms"].items():
        quiet = days[: watched["changes"][story]]
        assert not any(quiet), story
