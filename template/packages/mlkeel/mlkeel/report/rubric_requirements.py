"""What a test of the rubric requires of a project: each requirement is named, and holds or says what is wrong."""

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from mlkeel.behavior.cases import BEHAVIOR, read_cases
from mlkeel.contract.suites import COLUMNS, TYPE
from mlkeel.errors import InputError
from mlkeel.registry.metrics_file import MetricsFile
from mlkeel.report.rubric_evidence import MONITOR_RUN, Evidence

NO_VERSION = "no version is current"
OWNERS = ("CODEOWNERS", ".github/CODEOWNERS", ".gitlab/CODEOWNERS", "docs/CODEOWNERS")
BOTS = (".github/dependabot.yml", ".github/dependabot.yaml", "renovate.json", ".github/renovate.json")
PERMITTED_ROLES = {"numeric", "categorical", "boolean", "text", "time", "protected_feature"}
STANDARD_ERRORS = 2.0  # by which a simpler model must be better; less can be chance
MIN_AGE = timedelta(days=1)  # by which an older version must be older


@dataclass(frozen=True)
class Requirement:
    """Something that a project must show.

    Attributes:
        proof: what shows it: a test, a command, a file.
        problem: says what is wrong with it; None if it holds.
    """

    proof: str
    problem: Callable[[Evidence], str | None]


def passes(*nodes: str) -> tuple[Requirement, ...]:
    """Return that tests of the project, each `file::name`, are collected, not red, and run by a pipeline."""
    return tuple(Requirement(node, lambda evidence, node=node: evidence.problem_of_test(node)) for node in nodes)  # type: ignore[misc]


def makes(target: str) -> Requirement:
    """Return that a pipeline makes a target on each change."""
    return Requirement(
        f"make {target} in a pipeline",
        lambda evidence: None if evidence.runs(target) else "none runs it on a change",
    )


def alerts(name: str, series: str) -> tuple[Requirement, Requirement]:
    """Return that the monitor runs by the clock, and that an alert of this name asks for this series."""
    return (
        Requirement(
            "the monitor, by the clock",
            lambda evidence: None if evidence.monitor_schedule else "nothing in deploy/ runs it",
        ),
        Requirement(
            f"the alert {name}",
            lambda evidence: None if series in evidence.alerts.get(name, "") else f"deploy/ has no alert on {series}",
        ),
    )


def has_figure(name: str, what: str) -> Requirement:
    """Return that `metrics.json` of the current version holds `name`: a figure, or figures."""

    def problem(evidence: Evidence) -> str | None:
        if evidence.metrics is None:
            return NO_VERSION
        return None if evidence.figures.get(name) else f"the current version holds no {what}"

    return Requirement(f"{name} in metrics.json", problem)


def _uncovered_feature(evidence: Evidence) -> str | None:
    rules: dict[str, set[str]] = {}
    for item in evidence.contract.features["expectations"]:
        rules.setdefault(str(item["kwargs"].get("column")), set()).add(item["type"])
    for column in evidence.contract.columns:
        if not rules.get(column.name, set()) - {TYPE, COLUMNS}:
            return f"no expectation says what {column.name} may hold"
    return None


def _forbidden_feature(evidence: Evidence) -> str | None:
    roles = evidence.settings.columns
    features = {column.name for column in evidence.contract.columns}
    if allowed := evidence.settings.data.allow_leaky:
        return f"data.allow_leaky lets {', '.join(allowed)} give the target away"
    forbidden = [name for name, role in roles.items() if role not in PERMITTED_ROLES and name in features]
    return f"{forbidden[0]} is a feature, and its role is {roles[forbidden[0]]}" if forbidden else None


def _untested_derived_feature(evidence: Evidence) -> str | None:
    features = evidence.project.features
    functions = [*((each.name, each.function) for each in features.derived)]
    functions += [(each.name, each.function) for each in features.python]
    derived = evidence.contract.derived
    ruled = {str(item["kwargs"].get("column")) for item in derived["expectations"]} if derived else set()
    files = (evidence.root / "tests").rglob("test_*.py")
    tests = "\n".join(path.read_text(encoding="utf-8", errors="replace") for path in files)
    for name, function in functions:
        columns = {name, *re.findall(r"[\"'](\w+)[\"']", inspect.getsource(function))}  # it may give several
        if not columns & ruled and not re.search(rf"\b{name}\b", tests):
            return f"{name} has neither rules in derived.json nor a test"
    return None


def _only_texts(evidence: Evidence) -> str | None:
    texts = all(column.text for column in evidence.contract.columns)
    return "a model of texts learns from their words alone" if texts else None


def _unreviewed(evidence: Evidence) -> str | None:
    for name in OWNERS:
        path = evidence.root / name
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else []
        rules = [line.split() for line in lines if line.strip() and not line.startswith("#")]
        owned = [rule[0].strip("/*") for rule in rules if any("@" in owner for owner in rule[1:])]
        files = ("conf/params.yaml", f"src/{evidence.project.package}/model.py")
        if all(any(file.startswith(pattern) for pattern in owned) for file in files):
            return None
    return "none asks somebody to review conf/params.yaml and model.py"


def _uncommitted(evidence: Evidence) -> str | None:
    if evidence.metrics is None:
        return NO_VERSION
    if not evidence.metrics.commit:
        return "the current version does not say its commit"
    return "the current version was trained from uncommitted files" if "-dirty" in evidence.metrics.commit else None


def _unjudged_slices(evidence: Evidence) -> str | None:
    gate = evidence.settings.gate
    if not gate.slices:
        return "it is empty"
    if gate.min_slice_score is None and gate.max_slice_error is None:
        return "gate has no limit for slices"
    if evidence.metrics is None:
        return NO_VERSION
    return None if evidence.metrics.slices else "metrics.json of the current version holds no slice"


def _unguarded(evidence: Evidence) -> str | None:
    if not evidence.settings.gate.min_skill:
        return "min_skill is 0"
    if evidence.metrics is None:
        return NO_VERSION
    return "the current version did not pass it" if evidence.metrics.failures else None


def _no_behavior(evidence: Evidence) -> str | None:
    try:
        cases = read_cases(evidence.root / BEHAVIOR)
    except InputError as error:
        return str(error)
    return None if any(cases.values()) else "it holds no case"


def _too_old(evidence: Evidence) -> str | None:
    if evidence.metrics is None:
        return NO_VERSION
    days = (datetime.now(UTC) - datetime.fromisoformat(evidence.metrics.created)) / timedelta(days=1)
    limit = evidence.settings.monitor.stale_days
    return f"the current version is {days:.0f} days old, and {limit:g} are allowed" if days > limit else None


def _no_rival(evidence: Evidence) -> str | None:
    if evidence.metrics is None:
        return NO_VERSION
    rival = evidence.figures.get("rival") or {}
    if not rival or rival.get("skipped_because"):
        return "the current version was compared with no simpler model"
    chance = STANDARD_ERRORS * rival.get("gain_se", 0.0)
    return "the simpler model is better than the current version" if rival.get("gain", 0.0) < -chance else None


def _no_gap_between_groups(evidence: Evidence) -> str | None:
    if evidence.metrics is None:
        return NO_VERSION
    if not evidence.metrics.fairness:
        return "no column of the current version is protected"
    return None if any(each.gaps for each in evidence.metrics.fairness) else "no two groups are large enough to compare"


def _no_older_version(evidence: Evidence) -> str | None:
    metrics = evidence.metrics
    if metrics is None or evidence.version is None:
        return NO_VERSION
    champion = metrics.champion or {}
    is_itself = champion.get("refitted") is False  # else its recipe was fitted again, to rows of today
    if not champion.get("version") or champion.get("skipped_because") or not is_itself:
        return "the current version was compared with no older one on rows that neither has learnt"
    try:
        older = MetricsFile.read(evidence.version.parent / Path(str(champion["version"])).name)
    except InputError as error:
        return str(error)
    age = datetime.fromisoformat(metrics.created) - datetime.fromisoformat(older.created)
    if older.data.sha256 == metrics.data.sha256 or age < MIN_AGE:
        return "the version that it was compared with had learnt from the same table, or was as new"
    return None


def _no_truth(evidence: Evidence) -> str | None:
    run = evidence.monitor_run
    if not run:
        return "it has not run here"
    if evidence.version is None or run.get("artifact") != evidence.version.name:
        return "it was not about the current version"
    live = (run.get("quality") or {}).get("live") or {}
    return None if live.get("rows") else "no row of it had its truth"


def _no_bot(evidence: Evidence) -> str | None:
    texts = [(evidence.root / name).read_text("utf-8") for name in BOTS if (evidence.root / name).is_file()]
    are_watched = any(re.search(r"\b(uv|pip|renovate)\b", text) for text in texts)
    return None if are_watched else "neither it nor a renovate.json is there"


SUITE_COVERS_FEATURES = Requirement("expectations/features.json", _uncovered_feature)
FEATURES_HAVE_PERMITTED_ROLES = Requirement("columns in conf/params.yaml", _forbidden_feature)
DERIVED_FEATURES_ARE_TESTED = Requirement("expectations/derived.json", _untested_derived_feature)
REVIEWS_ARE_ASKED_FOR = Requirement("CODEOWNERS", _unreviewed)
VERSION_IS_COMMITTED = Requirement("the commit in metrics.json", _uncommitted)
SLICES_ARE_JUDGED = Requirement("gate.slices in conf/params.yaml", _unjudged_slices)
GATE_IS_PASSED = Requirement("gate in conf/params.yaml", _unguarded)
BEHAVIOR_IS_DESCRIBED = Requirement(BEHAVIOR.as_posix(), _no_behavior)
VERSION_IS_YOUNG = Requirement("monitor.stale_days in conf/params.yaml", _too_old)
RIVAL_IS_NOT_BETTER = Requirement("rival in metrics.json", _no_rival)
GROUPS_ARE_COMPARED = Requirement("fairness in metrics.json", _no_gap_between_groups)
OLDER_VERSION_WAS_COMPARED = Requirement("champion in metrics.json", _no_older_version)
TRUTH_COMES_BACK = Requirement(f"quality in {MONITOR_RUN.as_posix()}", _no_truth)
FEATURES_CAN_BE_DERIVED = Requirement("columns that are no texts", _only_texts)
DEPENDENCIES_ARE_WATCHED = Requirement(BOTS[0], _no_bot)
