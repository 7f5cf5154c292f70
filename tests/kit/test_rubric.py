"""The rubric counts what a project shows, and each line turns to absent when what shows it is taken away."""

import contextlib
import json
import shutil
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml
from mlkeel.cli.app import main
from mlkeel.errors import InputError
from mlkeel.registry.artifact import current
from mlkeel.report import rubric
from mlkeel.report.rubric import SECTIONS, RubricResult

from .kinds import KIND

TEMPLATE = Path(__file__).parents[2] / "template"
TODAY = date(2026, 11, 28)
VERSION = "artifacts/20261101T000000000000-00000000"
OLDER = "artifacts/20261001T000000000000-00000000"
METRICS = f"{VERSION}/metrics.json"
CONTRACT = "tests/data/test_contract.py"
FEATURES = "tests/code/test_features.py"
TRAINING = "tests/model/test_training.py"
INFERENCE = "tests/model/test_inference.py"
WORKFLOW = ".github/workflows/test.yml"
COMPOSE = "deploy/docker/compose.yaml"
RULES = "deploy/docker/rules.yml"
PARAMS = "conf/params.yaml"
MONITOR = "reports/monitor.json"
GAP = {"metric": "recall", "groups": {}, "higher": "north", "lower": "south", "gap": 0.1, "low": 0, "high": 0.2}
SHOWN: dict[str, Any] = {
    "created": f"{TODAY}T00:00:00Z",
    "commit": "0" * 40,
    "failures": [],
    "tuning": {"trials": 50},
    "rival": {"gain": 0.01, "gain_se": 0.02, "skipped_because": None},
    "fairness": [{"column": "region", "rows": {"north": 20, "south": 20}, "gaps": [GAP]}],
    "champion": {"version": Path(OLDER).name, "skipped_because": None, "refitted": False},
}
# For each line: files, and what is replaced in them; None takes the file away.
REMOVALS: dict[str, list[tuple[str, str, str | None]]] = {
    "schema": [
        (CONTRACT, "def test_the_table_meets", "def check_the_table_meets"),
        (WORKFLOW, "make test", "make style"),
    ],
    "useful_features": [(WORKFLOW, "make report", "true")],
    "permitted_features": [
        (CONTRACT, "@pytest.mark.parametrize", "@pytest.mark.skip\n@pytest.mark.parametrize"),
        (PARAMS, "seed: 7", f"seed: 7\ncolumns: {{{KIND.feature}: personal}}"),
        (PARAMS, "data:", "data:\n  allow_leaky: [note]"),
    ],
    "new_features": [(FEATURES, "np.testing.assert_array_equal(encoder.derive", "print(encoder.derive")],
    "feature_code": [("tests/code/test_data.py", "", None)],
    "reviewed_spec": [(METRICS, "0" * 40, "0" * 40 + "-dirty"), ("CODEOWNERS", "/src/", "/docs/")],
    "tuning": [(METRICS, '"tuning"', '"other"')],
    "staleness_effect": [
        (METRICS, '"refitted": false', '"refitted": true'),
        (f"{OLDER}/metrics.json", "", None),
        (f"{OLDER}/metrics.json", '"sha256": "', '"sha256": "a'),
    ],
    "simpler_model": [(METRICS, '"gain": 0.01', '"gain": -0.1'), (METRICS, '"rival"', '"other"')],
    "slices": [(PARAMS, "slices:\n  - colour", "slices: []"), (TRAINING, "def test_it_holds_on", "def holds_on")],
    "inclusion": [(METRICS, '"fairness"', '"other"'), (METRICS, '"gaps"', '"others"')],
    "reproducible": [
        (WORKFLOW, "- run: make test", "- run: make test\n        continue-on-error: true"),
        (WORKFLOW, "  pull_request:\n  push:\n    branches: [main]", "  push:\n    tags: [v1]"),
    ],
    "model_code": [("tests/code/test_model.py", "def test_", "def _test_")],
    "whole_pipeline": [(INFERENCE, "def test_a_table", "def table"), (WORKFLOW, "make train", "make help")],
    "gate": [
        (METRICS, '"failures": []', '"failures": ["too bad"]'),
        (PARAMS, "min_skill: 0.1", "min_skill: 0"),
        ("tests/model/behavior.yaml", "", None),
    ],
    "rollback": [(TRAINING, "def test_the_version_before", "def the_version_before")],
    "dependencies": [(".github/dependabot.yml", "", None)],
    "input_rules": [(COMPOSE, "--every", "--last"), (RULES, "max(monitor_alarm)", "vector(0)")],
    "skew": [(COMPOSE, "", None), (FEATURES, "def test_a_request_is", "def test_a_request_was")],
    "age": [(RULES, "alert: ModelStale", "alert: Other"), (METRICS, f"{TODAY}T00", "2020-01-01T00")],
    "stability": [(INFERENCE, "def test_missing_values", "def missing_values"), (WORKFLOW, "", None)],
    "speed": [(RULES, "alert: AnswersSlow", "alert: Other")],
    "served_quality": [(MONITOR, '"rows": 40', '"rows": 0'), (MONITOR, "", None), (MONITOR, Path(VERSION).name, "x")],
}
CASES = [
    pytest.param(key, *removal, id=f"{key}-{number}")
    for key, removals in REMOVALS.items()
    for number, removal in enumerate(removals)
]
TESTS = {test.key: test for tests in SECTIONS.values() for test in tests}
OF_TABLES_ALONE = {"new_features"}


@pytest.fixture(scope="module")
def evident(trained_project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project that shows all that can be shown: tests of a generated project, a pipeline, and figures."""
    root = tmp_path_factory.mktemp("evident") / "orchard"
    shutil.copytree(trained_project, root)
    for name in ("code", "data", "model"):
        shutil.copytree(TEMPLATE / "tests" / name, root / "tests" / name)
    shutil.copytree(TEMPLATE / "{% if ci == 'github' %}.github{% endif %}", root / ".github")
    (root / "deploy" / "docker").mkdir(parents=True)
    compose = (TEMPLATE / "deploy" / "docker" / "compose.yaml.jinja").read_text(encoding="utf-8")
    (root / COMPOSE).write_text(compose.replace("{{ package | to_json }}", "orchard"), encoding="utf-8")
    shutil.copy(TEMPLATE / RULES, root / RULES)
    shutil.copytree(current(root / "artifacts"), root / VERSION)
    (root / "artifacts" / "current").write_text(Path(VERSION).name, encoding="utf-8")
    older = json.loads((root / METRICS).read_text(encoding="utf-8"))
    metrics = older | SHOWN | {"data": {"path": "data/fruit.csv", "sha256": "a" + older["data"]["sha256"]}}
    (root / METRICS).write_text(json.dumps(metrics), encoding="utf-8")
    (root / OLDER).mkdir()
    (root / OLDER / "metrics.json").write_text(json.dumps(older | {"created": "2026-10-01T00:00:00Z"}), "utf-8")
    monitor = {"artifact": Path(VERSION).name, "quality": {"live": {"rows": 40}}}
    files = {
        "CODEOWNERS": "# who reviews what\n/src/ @ada\n/conf/ ada@example.org\n",
        ".github/dependabot.yml": "updates: [{package-ecosystem: uv, directory: /}]\n",
        MONITOR: json.dumps(monitor),
        "tests/model/behavior.yaml": "invariance: [{name: nothing, change: {}, share: 1}]\n",
    }
    (root / "reports").mkdir()
    for name, content in files.items():
        (root / name).write_text(content, encoding="utf-8")
    return root


@pytest.fixture
def bare(root: Path, tmp_path: Path) -> Path:
    """A project that shows nothing."""
    for name in ("conf", "expectations"):
        shutil.copytree(root / name, tmp_path / name)
    return tmp_path


@contextlib.contextmanager
def changed(path: Path, old: str, new: str | None) -> Iterator[None]:
    """Replace a text in a file, or take the file away, for as long as a `with` block lasts."""
    content = path.read_text(encoding="utf-8")
    assert old in content
    path.unlink()
    if new is not None:
        path.write_text(content.replace(old, new), encoding="utf-8")
    try:
        yield
    finally:
        path.write_text(content, encoding="utf-8")


def result(root: Path, key: str) -> RubricResult:
    sections = rubric.score(KIND.project, root, TODAY).sections
    return next(each for results in sections.values() for each in results if each.test.key == key)


def run(root: Path, *options: str) -> None:
    with pytest.raises(SystemExit) as excinfo:
        main(KIND.project, ["--root", str(root), "rubric", *options])
    assert excinfo.value.code == 0


def write_note(root: Path, key: str, **values: str) -> None:
    note = {"by": "Ada", "date": TODAY, "result": "fine"} | values
    (root / "conf" / "rubric.yaml").write_text(yaml.safe_dump({key: note}), encoding="utf-8")


def test_what_can_be_shown_counts(evident: Path) -> None:
    results = [each for part in rubric.score(KIND.project, evident, TODAY).sections.values() for each in part]
    unshown = {key for key, test in TESTS.items() if not test.requirements}
    expected = set(TESTS) - unshown - (OF_TABLES_ALONE if KIND.text else set())
    assert {each.test.key: each.missing for each in results if each.test.key in expected and each.missing} == {}
    assert {each.test.key for each in results if each.status == "automated"} == expected == set(REMOVALS) & expected


@pytest.mark.parametrize(("key", "file", "old", "new"), CASES)
def test_a_line_is_absent_when_what_shows_it_is_taken_away(
    evident: Path, key: str, file: str, old: str, new: str | None
) -> None:
    with changed(evident / file, old, new):
        turned = result(evident, key)
    assert turned.status == "absent"
    assert turned.missing


def test_a_feature_of_which_nothing_but_the_type_is_known_has_no_schema(evident: Path) -> None:
    path = evident / "expectations" / "features.json"
    suite = json.loads(path.read_text(encoding="utf-8"))
    kept = [item for item in suite["expectations"] if not item["type"].startswith("expect_column_value")]
    with changed(path, path.read_text(encoding="utf-8"), json.dumps(suite | {"expectations": kept})):
        turned = result(evident, "schema")
    assert turned.status == "absent"
    assert KIND.feature in turned.missing


def test_a_test_that_was_red_does_not_count_until_it_is_green(evident: Path) -> None:
    cache = evident / ".pytest_cache" / "v" / "cache"
    cache.mkdir(parents=True)
    (cache / "lastfailed").write_text(json.dumps({f"{TRAINING}::test_it_holds_on_slices[a]": True}), encoding="utf-8")
    assert "failed when it was last run" in result(evident, "slices").missing
    (cache / "lastfailed").write_text("{}", encoding="utf-8")
    assert result(evident, "slices").status == "automated"


@pytest.mark.parametrize("key", TESTS)
def test_what_was_done_by_hand_counts_half(bare: Path, key: str) -> None:
    write_note(bare, key, at="docs/notes.md")
    assert result(bare, key).status == "absent"
    (bare / "docs").mkdir()
    (bare / "docs" / "notes.md").write_text("So it was done.", encoding="utf-8")
    by_hand = result(bare, key)
    assert by_hand.status == "by hand"
    assert "docs/notes.md" in by_hand.proofs[0]


@pytest.mark.parametrize("day", ["2025-11-01", "2026-12-24"])
def test_what_was_done_long_ago_or_not_yet_does_not_count(bare: Path, day: str) -> None:
    write_note(bare, "trace", date=day)
    assert result(bare, "trace").status == "absent"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("tracing: {by: Ada, date: 2026-11-28, result: fine}", "tracing is no test of the rubric"),
        ("trace: {by: Ada, date: soon, result: fine}", "trace: date: it must be a valid date"),
        ("trace: {by: Ada", "not valid YAML"),
        ("- trace", "must hold the names of tests"),
    ],
)
def test_a_wrong_note_ends_in_one_paragraph(bare: Path, text: str, reason: str) -> None:
    (bare / "conf" / "rubric.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=reason):
        rubric.score(KIND.project, bare, TODAY)


def test_the_lowest_section_is_the_score(evident: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(evident, "--json")
    document = json.loads(capsys.readouterr().out)
    scores = [section["score"] for section in document["sections"].values()]
    assert document["score"] == min(scores) < max(scores)
    run(evident)
    assert f"The score is {min(scores):g} of 7" in " ".join(capsys.readouterr().err.split())
