import dataclasses
import io
import json
import shutil
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import pytest
from mlkeel.errors import ArtifactError, Hint
from mlkeel.registry.artifact import current, set_current
from mlkeel.registry.revision import revision
from mlkeel.registry.versions import LOG, current_name, history, make_current, promote, rollback, versions
from mlkeel.report.tables import versions_table
from rich.console import Console

from .kinds import KIND

NAMES = ("v1", "v2", "v3")


@pytest.fixture
def project(trained_project: Path, tmp_path: Path) -> Path:
    """A project with three versions, made current one after the other; v3 is current."""
    shutil.copytree(trained_project / "conf", tmp_path / "conf")
    (tmp_path / "artifacts").mkdir()
    for name in NAMES:
        shutil.copytree(current(trained_project / "artifacts"), tmp_path / "artifacts" / name)
        make_current(tmp_path / "artifacts", name, "train")
    return tmp_path


def current_version(project: Path) -> str:
    return current(project / "artifacts").name


def test_each_rollback_goes_one_version_further_back(project: Path) -> None:
    assert [rollback(project), rollback(project)] == ["v2", "v1"]
    assert current_version(project) == "v1"
    with pytest.raises(ArtifactError, match="no version that was current before v1"):
        rollback(project)
    assert current_version(project) == "v1"


def test_a_rollback_takes_back_what_came_after_another_rollback(project: Path) -> None:
    rollback(project)
    promote(project, "v1")
    assert [rollback(project), rollback(project)] == ["v2", "v1"]


def test_a_version_that_was_written_by_hand_is_taken_back_too(project: Path) -> None:
    set_current(project / "artifacts", "v1")
    assert [rollback(project), rollback(project)] == ["v3", "v2"]
    set_current(project / "artifacts", "v1")
    promote(project, "v3")
    assert rollback(project) == "v1"


def test_a_rollback_from_nothing_leads_to_what_was_current_last(project: Path) -> None:
    (project / "artifacts" / "current").unlink()
    assert rollback(project) == "v3"


def test_a_version_that_is_gone_is_passed_over(project: Path, caplog: pytest.LogCaptureFixture) -> None:
    shutil.rmtree(project / "artifacts" / "v2")
    assert rollback(project) == "v1"
    assert "v2 was current before, and is not there any more" in caplog.text


def test_without_the_log_a_rollback_says_what_to_do(project: Path) -> None:
    (project / "artifacts" / LOG).unlink()
    with pytest.raises(ArtifactError, match="no version that was current before") as excinfo:
        rollback(project)
    assert excinfo.value.hint is Hint.CHOOSE_VERSION
    promote(project, "v1")
    assert rollback(project) == "v3"


def test_a_line_of_the_log_that_was_cut_harms_no_other(project: Path) -> None:
    with (project / "artifacts" / LOG).open("a", encoding="utf-8") as log:
        log.write('[]\n{"time": "t", "version": "../conf", "by": "train"}\n')
        log.write('{"time": "t", "version": "v1", "by": "train", "from": ["x"]}\n{"time": "2026-11')
    promote(project, "v1")
    assert [change.version for change in history(project / "artifacts")] == [*NAMES, "v1"]
    assert rollback(project) == "v3"


def lose_a_file(folder: Path) -> None:
    (folder / "drift.json").unlink()


def break_the_graph(folder: Path) -> None:
    (folder / "model.onnx").write_bytes(b"rubbish")


def change_the_contract(folder: Path) -> None:
    path = folder / "features.json"
    known = '"type_": "str"' if KIND.text else '"type_": "float64"'
    path.write_text(path.read_text("utf-8").replace(known, '"type": "x"'), encoding="utf-8")


def take_another_feature(folder: Path) -> None:
    """The graph takes as many as it was trained with."""
    path = folder / "features.json"
    suite = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(suite).replace('"column_set": [', '"column_set": ["id", '), encoding="utf-8")


@pytest.mark.parametrize("damage", [lose_a_file, break_the_graph, change_the_contract, take_another_feature])
@pytest.mark.parametrize("change", [lambda project: promote(project, "v2"), rollback], ids=["promote", "rollback"])
def test_a_version_that_does_not_work_is_refused_before_anything_changes(
    project: Path, damage: Callable[[Path], None], change: Callable[[Path], str]
) -> None:
    damage(project / "artifacts" / "v2")
    before = (project / "artifacts" / LOG).read_bytes()
    with pytest.raises(ArtifactError, match=r"What was current still is\.$"):
        change(project)
    assert current_version(project) == "v3"
    assert (project / "artifacts" / LOG).read_bytes() == before


@pytest.mark.parametrize(
    ("name", "message"),
    [("v", "3 versions begin so"), ("v4", "no such version"), ("", "no such version"), ("../conf", "no such version")],
)
def test_a_version_must_be_named_so_that_it_is_one(project: Path, name: str, message: str) -> None:
    with pytest.raises(ArtifactError, match=message):
        promote(project, name)
    assert current_version(project) == "v3"


def test_the_beginning_of_one_name_is_enough(project: Path) -> None:
    shutil.copytree(project / "artifacts" / "v1", project / "artifacts" / "mine")
    shutil.copytree(project / "artifacts" / "v1", project / "artifacts" / "v11")
    assert promote(project, "m") == current_version(project) == "mine"
    assert promote(project, "v1") == current_version(project) == "v1"


def test_a_person_may_choose_what_the_gate_refused_and_is_told_why_it_did(
    project: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = project / "artifacts" / "v1" / "metrics.json"
    metrics = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(metrics | {"failures": ["it is too red"]}), encoding="utf-8")
    promote(project, "v1")
    assert current_version(project) == "v1"
    assert "v1 did not pass the gate. It is too red." in caplog.text


def test_a_version_that_predicts_something_else_is_told_of(project: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = project / "conf" / "params.yaml"
    path.write_text(path.read_text("utf-8").replace(f"target: {KIND.target}", "target: note"), encoding="utf-8")
    rollback(project)
    assert f"predicts {KIND.target}, and conf/params.yaml is about note" in caplog.text


def test_changes_at_once_leave_one_current_and_a_log_that_says_which(project: Path) -> None:
    artifacts = project / "artifacts"
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda name: make_current(artifacts, name, "promote"), NAMES * 8))
    changes = history(artifacts)
    assert len(changes) == 27
    assert changes[-1].version == current_name(artifacts)
    assert all(later.previous == earlier.version for earlier, later in pairwise(changes))


def test_versions_are_listed_newest_first_with_what_is_wrong_in_the_end(project: Path) -> None:
    artifacts = project / "artifacts"
    (artifacts / "notes").mkdir()
    (artifacts / ".unfinished-x").mkdir()
    (artifacts / "v2" / "metrics.json").write_text("{}", encoding="utf-8")
    path = artifacts / "v1" / "metrics.json"
    path.write_text(path.read_text("utf-8").replace('"created": "20', '"created": "21'), encoding="utf-8")
    listed = versions(artifacts)
    assert [(version.version, version.is_current) for version in listed[:2]] == [("v1", False), ("v3", True)]
    assert (listed[0].until is None, listed[1].until) == (False, None)
    faults = {version.version: version.error for version in listed[2:]}
    assert faults == {
        "v2": "damaged: metrics.json cannot be read",
        "notes": "no artifact: there is no metrics.json",
    }


def test_an_artifact_of_before_there_was_a_history_is_listed(project: Path) -> None:
    path = project / "artifacts" / "v1" / "metrics.json"
    metrics = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({key: metrics[key] for key in metrics if key not in ("commit", "champion")}))
    (version,) = (item for item in versions(project / "artifacts") if item.version == "v1")
    assert (version.error, version.commit, version.champion) == (None, None, None)


def test_where_nothing_was_trained_there_are_no_versions(tmp_path: Path) -> None:
    assert versions(tmp_path / "artifacts") == []
    with pytest.raises(ArtifactError, match="no such version"):
        promote(tmp_path, "v1")
    with pytest.raises(ArtifactError, match="no versions yet") as excinfo:
        rollback(tmp_path)
    assert excinfo.value.hint is Hint.TRAIN


@pytest.fixture
def git(tmp_path: Path) -> Callable[..., str]:
    """Run git in a repository that has one commit."""

    def run(*words: str) -> str:
        line = ["git", "-c", "user.name=Ada", "-c", "user.email=ada@example.org", *words]
        return subprocess.run(line, cwd=tmp_path, check=True, capture_output=True, text=True).stdout.strip()

    run("init", "--quiet")
    (tmp_path / ".gitignore").write_text("artifacts/\n", encoding="utf-8")
    run("add", ".")
    run("commit", "--quiet", "--message", "feat: begin")
    return run


def test_a_commit_is_called_dirty_if_the_files_differ_from_it(git: Callable[..., str], tmp_path: Path) -> None:
    head = git("rev-parse", "HEAD")
    (tmp_path / "artifacts").mkdir()
    (tmp_path / "artifacts" / "current").touch()
    assert revision(tmp_path) == head
    assert revision(tmp_path / "artifacts") == f"{head}-dirty"  # what git ignores is in no commit
    (tmp_path / "new").touch()
    assert revision(tmp_path) == f"{head}-dirty"


def test_without_a_repository_the_environment_tells_the_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    monkeypatch.setenv("COMMIT", "0123abc")
    assert revision(tmp_path) == "0123abc"
    monkeypatch.setenv("COMMIT", "")
    assert revision(tmp_path) is None
    monkeypatch.setenv("PATH", "")
    assert revision(tmp_path) is None


@pytest.mark.parametrize(("width", "omitted"), [(60, ["made", "commit"]), (80, ["data", "commit"]), (240, [])])
def test_columns_without_room_are_left_out_whole_and_named(project: Path, width: int, omitted: list[str]) -> None:
    name = "20261122T160012345678-0123abcd"
    version = dataclasses.replace(versions(project / "artifacts")[0], version=name, commit="0123abc-dirty")
    console = Console(width=width, file=(file := io.StringIO()))
    both = [version, dataclasses.replace(version, error="damaged: it is gone")]
    console.print(versions_table(both, KIND.project.metrics, console))
    table, _, below = file.getvalue().partition(f"{name}:")
    assert table.count(name) == 2
    assert "…" not in table
    assert all(heading in below and heading not in table for heading in omitted)
    assert ("--json" in below) == bool(omitted)
