"""What a project can show for the rubric: its tests, pipelines, settings, current version, alerts and notes.

All is read from files of the project, and nothing is run. What cannot be read counts as not there.
"""

import ast
import contextlib
import datetime
import json
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from mlkeel.config import ConfigModel, Settings, checked, read_settings
from mlkeel.contract.suites import Contract, read_contract
from mlkeel.errors import InputError
from mlkeel.project import Project
from mlkeel.registry import artifact
from mlkeel.registry.metrics_file import MetricsFile

NOTES = Path("conf/rubric.yaml")
COMPOSE = Path("deploy/docker/compose.yaml")
ALERTS = Path("deploy/docker/rules.yml")
CRON_JOB = Path("deploy/kubernetes/base/monitor.yaml")
MONITOR_RUN = Path("reports/monitor.json")
PIPELINES = (".github/workflows/*.y*ml", ".gitlab-ci.yml", ".lighthouse/**/*.yaml")
SCRIPT_KEYS = ("run", "script")  # of GitHub; of GitLab and Tekton
SELECTING_OPTIONS = r"(?:^|\s)(?:-k|-m|--ignore\S*|--deselect\S*)(?:[\s=]|$)"  # of pytest
ASSERTING_CALL = re.compile(r"(?:^|\.|_)(?:assert|raises|fail|warns)")


class Note(ConfigModel):
    """The result of a test that somebody did by hand, as `conf/rubric.yaml` holds it.

    Attributes:
        by: who did it.
        date: when.
        result: what came of it.
        at: a file of the project that says more.
    """

    by: str
    date: datetime.date
    result: str
    at: Path | None = None


@dataclass(frozen=True)
class Evidence:
    """What the `project` in `root` can show, read when it is first asked for."""

    project: Project
    root: Path

    @cached_property
    def settings(self) -> Settings:
        """The settings of `conf/params.yaml`."""
        return read_settings(self.root / "conf" / "params.yaml", self.project.settings)

    @cached_property
    def contract(self) -> Contract:
        """The contract in `expectations/`."""
        return read_contract(self.root / "expectations")

    @cached_property
    def version(self) -> Path | None:
        """The folder of the current version, if there is one."""
        try:
            return artifact.current(self.root / "artifacts")
        except InputError:
            return None

    @cached_property
    def metrics(self) -> MetricsFile | None:
        """The metrics of the current version, if they can be read."""
        with contextlib.suppress(InputError):
            return None if self.version is None else MetricsFile.read(self.version)
        return None

    @cached_property
    def figures(self) -> dict[str, Any]:
        """All of `metrics.json` of the current version; empty if there is none."""
        return {} if self.version is None else _read_json(self.version / "metrics.json")

    @cached_property
    def monitor_run(self) -> dict[str, Any]:
        """The document of the latest run of the monitor here; empty if there is none."""
        return _read_json(self.root / MONITOR_RUN)

    @cached_property
    def alerts(self) -> dict[str, str]:
        """The expressions of the alerts of Prometheus, by their names."""
        groups = _read_yaml(self.root / ALERTS).get("groups") or []
        rules = [rule for group in groups if isinstance(group, dict) for rule in group.get("rules") or []]
        return {str(rule.get("alert")): str(rule.get("expr")) for rule in rules if isinstance(rule, dict)}

    @cached_property
    def monitor_schedule(self) -> str | None:
        """The file that runs the monitor by the clock, if there is one."""
        services = _read_yaml(self.root / COMPOSE).get("services")
        listed = services.values() if isinstance(services, dict) else ()
        commands = [service.get("command") for service in listed if isinstance(service, dict)]
        if any(isinstance(words, list) and {"monitor", "--every"} <= set(map(str, words)) for words in commands):
            return COMPOSE.as_posix()
        return CRON_JOB.as_posix() if _read_yaml(self.root / CRON_JOB).get("kind") == "CronJob" else None

    @cached_property
    def commands(self) -> list[str]:
        """The lines of the scripts that pipelines run on a pull request or a push."""
        documents = [_read_yaml(path) for pattern in PIPELINES for path in sorted(self.root.glob(pattern))]
        scripts = [script for document in documents if _is_triggered(document) for script in _scripts(document)]
        return [line.strip() for script in scripts for line in script.splitlines() if not line.strip().startswith("#")]

    def runs(self, target: str) -> bool:
        """Whether a pipeline makes this target."""
        return any(target in _targets(line) for line in self.commands)

    def runs_test(self, node: str) -> bool:
        """Whether a pipeline runs the test, alone or among others."""
        folder = node.split("/")[1] if "/" in node else ""
        if self.runs("test") or self.runs(f"test-{folder}"):
            return True
        calls = [line.partition("pytest")[2] for line in self.commands if re.search(r"\bpytest\b", line)]
        unselected = [call for call in calls if not re.search(SELECTING_OPTIONS, call)]
        paths = [[word for word in call.split() if word.startswith("tests")] for call in unselected]
        return any(not named or any(node.startswith(path.rstrip("/")) for path in named) for named in paths)

    def problem_of_test(self, node: str) -> str | None:
        """Return why a test, `file::name`, does not count; None if it is collected, not red, and run by a pipeline."""
        file, _, name = node.partition("::")
        if file not in self._functions:
            self._functions[file] = self._functions_in(file)
        function = self._functions[file].get(name)
        if function is None:
            return "there is no such test"
        if any(re.search(r"\b(skip|skipif|xfail)\b", ast.unparse(mark)) for mark in function.decorator_list):
            return "it is skipped"
        if not _asserts(function):
            return "it asserts nothing"
        if any(node == failed.partition("[")[0] or file == failed for failed in self._failed):
            return "it failed when it was last run"
        if reason := self._uncollected(file):
            return reason
        return None if self.runs_test(node) else "no pipeline runs it on a change"

    @cached_property
    def _functions(self) -> dict[str, dict[str, ast.FunctionDef]]:
        """The functions of files of tests that were looked at."""
        return {}

    def _functions_in(self, file: str) -> dict[str, ast.FunctionDef]:
        path = self.root / file
        if not re.fullmatch(r"test_\w+\.py", path.name):
            return {}
        try:
            tree = ast.parse(path.read_text(encoding="utf-8"))
        except (OSError, SyntaxError, UnicodeDecodeError):
            return {}
        marks = [
            ast.unparse(item.value)
            for item in tree.body
            if isinstance(item, ast.Assign) and ast.unparse(item.targets[0]) == "pytestmark"
        ]
        if any(re.search(r"\b(skip|skipif|xfail)\b", mark) for mark in marks):
            return {}
        return {item.name: item for item in tree.body if isinstance(item, ast.FunctionDef)}

    @cached_property
    def _failed(self) -> list[str]:
        """The tests that failed when pytest last ran them, as its cache says."""
        return list(_read_json(self.root / ".pytest_cache" / "v" / "cache" / "lastfailed"))

    def _uncollected(self, file: str) -> str | None:
        """Return why pytest does not collect a file by itself; None if it does."""
        try:
            options = tomllib.loads((self.root / "pyproject.toml").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            options = {}
        pytest_options = options.get("tool", {}).get("pytest", {}).get("ini_options", {})
        folders = pytest_options.get("testpaths", ["tests"])
        if not any(file.startswith(f"{folder}/") for folder in folders):
            return f"testpaths in pyproject.toml does not hold {file}"
        if re.search(SELECTING_OPTIONS, str(pytest_options.get("addopts", ""))):
            return "addopts in pyproject.toml leaves out tests"
        parents = [self.root / parent / "conftest.py" for parent in Path(file).parents]
        ignoring = [
            path for path in parents if path.is_file() and "collect_ignore" in path.read_text("utf-8", "replace")
        ]
        return f"{ignoring[0].relative_to(self.root)} ignores files" if ignoring else None

    @cached_property
    def notes(self) -> dict[str, Note]:
        """What `conf/rubric.yaml` says of tests that were done by hand, by their names.

        Raises:
            InputError: it is not YAML, or a note lacks something.
        """
        path = self.root / NOTES
        if not path.is_file():
            return {}
        try:
            values = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise InputError(f"{path}: this is not valid YAML ({' '.join(str(error).split())}).") from error
        if not isinstance(values, dict):
            raise InputError(f"{path}: it must hold the names of tests, and below each by, date and result.")
        return {str(name): checked(Note, value, f"{path}, {name}") for name, value in values.items()}


def _read_json(path: Path) -> dict[str, Any]:
    with contextlib.suppress(OSError, ValueError):
        value = json.loads(path.read_text(encoding="utf-8"))
        return value if isinstance(value, dict) else {}
    return {}


def _read_yaml(path: Path) -> dict[Any, Any]:
    with contextlib.suppress(OSError, ValueError, yaml.YAMLError):
        value = yaml.safe_load(path.read_text(encoding="utf-8"))
        return value if isinstance(value, dict) else {}
    return {}


def _is_triggered(pipeline: dict[Any, Any]) -> bool:
    """Whether a pipeline runs on changes; workflows of GitHub say when, under `on`, which YAML 1.1 reads as True."""
    if "on" not in pipeline and True not in pipeline:
        return True
    events = pipeline.get("on", pipeline.get(True)) or []
    if isinstance(events, dict) and isinstance(push := events.get("push"), dict) and set(push) == {"tags"}:
        events = [event for event in events if event != "push"]
    return any(event in ([events] if isinstance(events, str) else events) for event in ("pull_request", "push"))


def _scripts(value: object) -> Iterator[str]:
    """Yield the scripts in a pipeline, without those of jobs and steps that are off or may fail."""
    if isinstance(value, list):
        for item in value:
            yield from _scripts(item)
    if not isinstance(value, dict):
        return
    may_fail = value.get("continue-on-error") is True or value.get("allow_failure") is True
    if may_fail or value.get("if") is False or value.get("when") in ("manual", "never"):
        return
    for key, item in value.items():
        if key in SCRIPT_KEYS:
            lines = item if isinstance(item, list) else [item]
            yield from (line for line in lines if isinstance(line, str))
        else:
            yield from _scripts(item)


def _targets(line: str) -> list[str]:
    """Return the targets that a line of a script makes."""
    calls = re.findall(r"(?:^|[\s;&|(])make\s+([^;&|#<>]*)", line)
    return [word for call in calls for word in call.split() if re.fullmatch(r"[a-z][a-z-]*", word)]


def _asserts(function: ast.FunctionDef) -> bool:
    calls = [ast.unparse(node.func) for node in ast.walk(function) if isinstance(node, ast.Call)]
    has_assert = any(isinstance(node, ast.Assert) for node in ast.walk(function))
    return has_assert or any(ASSERTING_CALL.search(call) for call in calls)
