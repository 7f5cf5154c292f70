"""The monitor over days of traffic in which something changes, as `make bench` runs it at length."""

import json
import subprocess
import sys

import pytest

from ..conftest import ROOT

pytestmark = pytest.mark.project
Stories = dict[str, list[list[str]]]


@pytest.fixture(scope="module")
def bench_result() -> dict[str, dict]:
    command = [sys.executable, ROOT / "bench" / "watching.py", "--small", "--json"]
    return dict(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))


def test_every_change_becomes_an_alarm_that_names_it(bench_result: dict[str, dict]) -> None:
    for story, expected in bench_result["expected"].items():
        named = [name for day in bench_result["alarms"][story] for name in day]
        assert (expected in named) == (expected is not None), story


def test_no_quiet_day_is_an_alarm(bench_result: dict[str, dict]) -> None:
    for story, days in bench_result["alarms"].items():
        quiet = days[: bench_result["changes"][story]]
        assert not any(quiet), story
