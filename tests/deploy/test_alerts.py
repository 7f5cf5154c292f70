"""The alerts of Prometheus, each held by promtool against series that raise it and against series that must not."""

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from ..conftest import ROOT, command, succeed
from ..support.engine import NEEDS_DEBIAN, install

DOCKER = ROOT / "template" / "deploy" / "docker"
GROUPS = yaml.safe_load((DOCKER / "rules.yml").read_text("utf-8"))["groups"]
RULES = [rule for group in GROUPS for rule in group["rules"]]
NAMES = [rule["alert"] for rule in RULES]
REQUESTS = 'api_request_seconds_count{path="/predict", status="%s", instance="api-1:8000"}'
WITHIN = 'api_request_seconds_bucket{path="/predict", le="%s", status="200", instance="api-1:8000"}'
# One sample a minute, for six hours.
HEALTHY = {
    'up{job="api", instance="api-1:8000"}': "1x360",
    'api_ready{instance="api-1:8000"}': "1x360",
    'api_ready{instance="api-2:8000"}': "1x360",
    'api_model{version="a", instance="api-1:8000"}': "1x360",
    'api_model{version="a", instance="api-2:8000"}': "1x360",
    'api_rejected_versions_total{instance="api-1:8000"}': "0x360",
    REQUESTS % 200: "0+600x360",
    'api_predicted_rows_total{instance="api-1:8000"}': "0+600x360",
    REQUESTS % 422: "0+1x360",
    REQUESTS % 500: "0+1x360",
    WITHIN % "0.05": "0+599x360",
    WITHIN % "0.1": "0+600x360",
    WITHIN % "+Inf": "0+600x360",
    'api_records_queued{instance="api-1:8000"}': "3x360",
    'api_records_written_total{instance="api-1:8000"}': "0+600x360",
    'api_records_spilled_total{instance="api-1:8000"}': "0x360",
    'api_records_dropped_total{instance="api-1:8000"}': "0x360",
    "monitor_alarm": "0x360",
    "monitor_could_not_run": "0x360",
    "monitor_time_seconds": "0x59 3600x59 7200x59 10800x59 14400x59 18000x59",  # each hour
    'monitor_violation{check="drift", column="colour"}': "0.5x360",
}
GONE = "_x360"


@dataclass(frozen=True)
class Case:
    """What is other than in a healthy stack, when somebody looks (in minutes), and what the alert then says."""

    alert: str
    series: dict[str, str]
    at: int
    phrases: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.alert}-{self.at}-{'-'.join(self.series.values())[:30]}"


FIRES = [
    Case(
        "MonitorAlarm",
        {
            "monitor_alarm": "0x59 1x300",
            'monitor_violation{check="drift", column="weight"}': "0x59 1x300",
            'monitor_violation{check="quality", column=""}': "0x59 1x300",
        },
        62,
        ("drift of weight; ", "quality; ", "critical"),
    ),
    Case("MonitorCouldNotRun", {"monitor_could_not_run": "0x59 1x300"}, 151),
    Case("MonitorSilent", {"monitor_time_seconds": "3600x360"}, 246, ("has not run for 3h 6m",)),
    Case("MonitorNeverRan", {"monitor_time_seconds": GONE}, 182),
    Case("ModelStale", {'monitor_violation{check="staleness", column=""}': "_x59 0.5x300"}, 121),
    Case("RecordsDropped", {'api_records_dropped_total{instance="api-2:8000"}': "0x59 1x300"}, 62, ("api-2:8000",)),
    Case("RecordsSpilled", {'api_records_spilled_total{instance="api-2:8000"}': "0x59 0+9x300"}, 70, ("api-2:8000",)),
    Case("RecordsQueued", {'api_records_queued{instance="api-1:8000"}': "0x59 1500x300"}, 65, ("1.5k records",)),
    Case("NoApiReady", {f'api_ready{{instance="api-{n}:8000"}}': "1x59 0x300" for n in (1, 2)}, 62),
    Case("NoApiReady", {f'api_ready{{instance="api-{n}:8000"}}': GONE for n in (1, 2)}, 2),
    Case("ApiDown", {'up{job="api", instance="api-2:8000"}': "1x59 0x300"}, 63, ("api-2:8000",)),
    Case("RequestsFail", {REQUESTS % 503: "0+12x360"}, 10, ("2.117% of",)),
    Case("RequestsFail", {REQUESTS % 200: "0x360"}, 10, ("50% of",)),
    Case(
        "RequestsRefused",
        {REQUESTS % 422: "0+60x360", 'api_violations_total{column="colour", rule="be one of"}': "0+60x360"},
        30,
        ("9.077% of", "colour (be one of); "),
    ),
    Case("AnswersSlow", {WITHIN % "0.05": "0+590x360"}, 20, ("longer than 70ms",)),
    Case("ModelsDiffer", {'api_model{version="b", instance="api-2:8000"}': "_x59 1x300"}, 71, ("2 different",)),
    Case("ArtifactRefused", {'api_rejected_versions_total{instance="api-2:8000"}': "0x59 1x300"}, 63, ("api-2:8000",)),
]
# Just begun, where it may be over before it matters, or not the thing at all.
QUIET = [
    Case("MonitorAlarm", {"monitor_alarm": "0x59 1x300"}, 60),
    Case("MonitorAlarm", {"monitor_alarm": "0x59 1x59 0x200"}, 125),  # it has gone since
    Case("MonitorAlarm", {'monitor_violation{check="drift", column="weight"}': "0.5x360"}, 300),  # seen once
    Case("MonitorCouldNotRun", {"monitor_could_not_run": "0x59 1x59 0x200"}, 119),  # one run in an empty hour
    Case("MonitorSilent", {"monitor_time_seconds": "3600x360"}, 239),
    Case("MonitorSilent", {"monitor_time_seconds": "3600x360"}, 243),
    Case("MonitorNeverRan", {"monitor_time_seconds": GONE}, 120),  # the stack was just started
    Case(
        "MonitorNeverRan",  # nothing is recorded, as somebody chose
        {"monitor_time_seconds": GONE, 'api_records_written_total{instance="api-1:8000"}': "0x360"},
        300,
    ),
    Case("ModelStale", {'monitor_violation{check="staleness", column=""}': "_x59 0.5x5 _x200"}, 90),  # it was trained
    Case("RecordsDropped", {'api_records_dropped_total{instance="api-1:8000"}': "0x59 1x300"}, 60),
    Case("RecordsDropped", {'api_records_dropped_total{instance="api-1:8000"}': "7x360"}, 300),  # long ago
    Case("RecordsSpilled", {'api_records_spilled_total{instance="api-1:8000"}': "0x59 9x300"}, 64),  # slow for once
    Case("RecordsSpilled", {'api_records_spilled_total{instance="api-1:8000"}': "0x59 9x300"}, 66),
    Case("RecordsQueued", {'api_records_queued{instance="api-1:8000"}': "0x59 9000x1 5x200"}, 61),  # a burst
    Case(
        "RecordsQueued",  # many, and not long
        {
            'api_records_queued{instance="api-1:8000"}': "9000x300",
            'api_predicted_rows_total{instance="api-1:8000"}': "0+600000x300",
        },
        200,
    ),
    Case("NoApiReady", {f'api_ready{{instance="api-{n}:8000"}}': "1x59 0x300" for n in (1, 2)}, 60),
    Case("NoApiReady", {'api_ready{instance="api-1:8000"}': "1x59 0x300"}, 300),  # the other is
    Case("ApiDown", {'up{job="api", instance="api-1:8000"}': "1x59 0x1 1x200"}, 61),  # it is started again
    Case("ApiDown", {'up{job="node", instance="elsewhere:9100"}': "0x360"}, 300),
    Case("RequestsFail", {REQUESTS % 200: "0x360", REQUESTS % 500: "0x59 1x300"}, 64),  # one, when nobody asks else
    Case("RequestsFail", {REQUESTS % 200: "0x360", REQUESTS % 500: "0x59 1x300"}, 66),
    Case("RequestsFail", {REQUESTS % 503: "0+4x360"}, 300),
    Case("RequestsRefused", {REQUESTS % 422: "0+25x360"}, 300),
    Case("RequestsRefused", {REQUESTS % 422: "0x59 0+99x5 500x200"}, 68),  # a client tries for five minutes
    Case("RequestsRefused", {REQUESTS % 422: "0x59 0+99x5 500x200"}, 78),
    Case("AnswersSlow", {WITHIN % "0.05": "0+590x360"}, 8),
    Case("AnswersSlow", {REQUESTS % 200: "0x360", WITHIN % "0.05": "0x360"}, 300),  # a handful says nothing
    Case("ModelsDiffer", {'api_model{version="b", instance="api-2:8000"}': "_x59 1x5 _x200"}, 65),  # a roll-out
    Case("ArtifactRefused", {'api_rejected_versions_total{instance="api-1:8000"}': "0x59 1x300"}, 60),
    Case("ArtifactRefused", {'api_rejected_versions_total{instance="api-1:8000"}': "0x59 1x300"}, 180),
]


def check_alerts(*names: str, series: dict[str, str], at: int, folder: Path) -> tuple[bool, str]:
    """Whether promtool finds the alerts of these names quiet, and what it prints."""
    input_series = [{"series": name, "values": values} for name, values in (HEALTHY | series).items()]
    quiet = [{"eval_time": f"{at}m", "alertname": name, "exp_alerts": []} for name in names]
    tests = {
        "rule_files": [str(DOCKER / "rules.yml")],
        "tests": [{"interval": "1m", "input_series": input_series, "alert_rule_test": quiet}],
    }
    install("prometheus")
    (folder / "tests.yml").write_text(yaml.safe_dump(tests), encoding="utf-8")
    completed = command("promtool", "test", "rules", "tests.yml", cwd=folder)
    return completed.returncode == 0, completed.stdout + completed.stderr


@NEEDS_DEBIAN
@pytest.mark.parametrize("case", FIRES, ids=str)
def test_an_alert_fires_and_says_what_to_do(case: Case, tmp_path: Path) -> None:
    quiet, output = check_alerts(case.alert, series=case.series, at=case.at, folder=tmp_path)
    assert not quiet
    assert f'alertname="{case.alert}"' in output
    assert all(phrase in output for phrase in case.phrases), output
    assert not re.search(r"error expanding|no value|\{\{|NaN|%!", output), output


@NEEDS_DEBIAN
@pytest.mark.parametrize("case", QUIET, ids=str)
def test_an_alert_that_is_not_due_stays_quiet(case: Case, tmp_path: Path) -> None:
    quiet, output = check_alerts(case.alert, series=case.series, at=case.at, folder=tmp_path)
    assert quiet, output


@NEEDS_DEBIAN
def test_a_healthy_stack_raises_none(tmp_path: Path) -> None:
    quiet, output = check_alerts(*NAMES, series={}, at=330, folder=tmp_path)
    assert quiet, output


@NEEDS_DEBIAN
def test_prometheus_takes_its_configuration_and_the_rules() -> None:
    install("prometheus")
    output = succeed("promtool", "check", "config", DOCKER / "prometheus.yml", cwd=DOCKER)
    assert f"{len(RULES)} rules found" in output


def test_each_alert_is_tried_both_ways_and_is_complete() -> None:
    assert len(NAMES) == len(set(NAMES))
    assert {case.alert for case in FIRES} == {case.alert for case in QUIET} == set(NAMES)
    for rule in RULES:
        assert set(rule) == {"alert", "expr", "for", "labels", "annotations"}
        assert rule["labels"]["severity"] in ("critical", "warning")
        assert set(rule["annotations"]) == {"summary", "description"}


# The names of all series of an API that has recorded, and whose monitor has run.
SERIES = """
from types import SimpleNamespace as Some
from mlkeel.serve.metrics import Metrics
from mlkeel.serve.monitor_series import MonitorSeries
manager = Some(model=Some(version="a", contract="b"), reloads=0, rejected_versions=0, stopping=False)
column = {"divergence": 0.1, "threshold": 0.1, "missing": 0.1}
run = {"time": "2026-11-23T08:00:00Z", "outcome": "fine", "window": {"rows": 9}, "columns": {"a": column}}
run |= {"violations": [], "quality": {"promised": {"accuracy": 1.0}, "live": {"accuracy": 1.0}}}
registry = Metrics(manager).registry
registry.register(MonitorSeries(Some(queued=0, written=0, spilled=0, dropped=0, run=run)))
print(*(family.name for family in registry.collect()))
"""
SUFFIXES = re.compile(r"_(total|bucket|count|sum)$")


def test_alerts_and_panels_ask_for_series_that_there_are(generated: Path) -> None:
    output = succeed(
        generated / ".venv" / "bin" / "python", "-c", SERIES, cwd=generated, env=os.environ | {"PYTHONPATH": "src"}
    )
    series_names = {*output.split(), "up", "ALERTS"}
    board = json.loads((DOCKER / "dashboard.json").read_text("utf-8"))
    expressions = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    expressions += [rule["expr"] for rule in RULES]
    for expression in expressions:
        names = re.findall(r"\b(?:(?:api|monitor|process)_[a-z_]+|ALERTS|up)\b", re.sub(r'"[^"]*"', "", expression))
        assert names, expression
        assert {SUFFIXES.sub("", name) for name in names} <= series_names
