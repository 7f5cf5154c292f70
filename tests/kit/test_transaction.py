import errno
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from mlkeel.adopt import transaction
from mlkeel.cli.app import main
from mlkeel.errors import InputError

from .kinds import KIND

NEW = {"kept.txt": b"new", "artifacts/v1/model.onnx": b"new", "artifacts/current": b"v1\n"}


def snapshot(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def staged(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "kept.txt").write_text("old", encoding="utf-8")
    (tmp_path / "gone.txt").write_text("old", encoding="utf-8")
    with transaction.stage(tmp_path) as folder:
        (folder / "kept.txt").write_text("new", encoding="utf-8")
        (folder / "artifacts" / "v1").mkdir(parents=True)
        (folder / "artifacts" / "v1" / "model.onnx").write_text("new", encoding="utf-8")
        (folder / "artifacts" / "current").write_text("v1\n", encoding="utf-8")
        yield folder


def test_a_stage_takes_its_place_as_one(staged: Path, tmp_path: Path) -> None:
    transaction.replace(tmp_path, staged, [Path("gone.txt")])
    assert snapshot(tmp_path) == NEW


def test_what_a_kill_interrupted_is_finished_by_the_next_command(staged: Path, tmp_path: Path) -> None:
    """As if killed after the first file of many."""
    (staged / transaction.GONE).write_text('["gone.txt"]', encoding="utf-8")
    staged.rename(tmp_path / transaction.DECIDED)
    (tmp_path / transaction.DECIDED / "kept.txt").replace(tmp_path / "kept.txt")
    transaction.finish(tmp_path)
    transaction.finish(tmp_path)
    assert snapshot(tmp_path) == NEW


def test_any_command_finishes_first(staged: Path, tmp_path: Path, root: Path) -> None:
    (tmp_path / "conf").mkdir()
    shutil.copy(root / "conf" / "logging.yaml", tmp_path / "conf")
    staged.rename(tmp_path / transaction.DECIDED)
    with pytest.raises(SystemExit):
        main(KIND.project, ["--root", str(tmp_path), "evaluate"])
    assert (tmp_path / "kept.txt").read_text(encoding="utf-8") == "new"


@pytest.mark.parametrize("way", ["folder", "file"])
def test_what_is_in_the_way_is_said_before_anything_is_replaced(staged: Path, tmp_path: Path, way: str) -> None:
    if way == "folder":
        (staged / "data.csv").write_text("new", encoding="utf-8")
        (tmp_path / "data.csv").mkdir()
    else:
        (tmp_path / "artifacts").write_text("mine", encoding="utf-8")
    with pytest.raises(InputError, match="cannot be written, so nothing was changed"):
        transaction.replace(tmp_path, staged, [Path("gone.txt")])
    assert (tmp_path / "kept.txt").read_text(encoding="utf-8") == "old"
    assert (tmp_path / "gone.txt").exists()


def test_the_current_version_is_named_last(staged: Path) -> None:
    assert [path.name for path in transaction._in_order(staged)] == ["v1", "kept.txt", "current"]  # noqa: SLF001


def test_another_file_system_is_reached_by_a_copy(
    staged: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename = Path.replace

    def fail(path: Path, destination: Path) -> Path:
        if transaction.DECIDED in path.parts:
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        return rename(path, destination)

    monkeypatch.setattr(Path, "replace", fail)
    transaction.replace(tmp_path, staged, [Path("gone.txt")])
    assert snapshot(tmp_path) == NEW


def test_what_cannot_be_finished_is_said_and_can_be_finished_later(
    staged: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Path) -> None:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(transaction, "_move", fail)
        with pytest.raises(InputError, match="finishes the adoption"):
            transaction.replace(tmp_path, staged, [Path("gone.txt")])
    transaction.finish(tmp_path)
    assert snapshot(tmp_path) == NEW


def test_git_tells_edited_files_from_unknown_ones(tmp_path: Path) -> None:
    """Also in a folder of a larger repository, and for names that git would quote."""
    project = tmp_path / "larger" / "project"
    project.mkdir(parents=True)
    names = [
        Path(name) for name in ("same.txt", "edited ü.txt", "unknown.txt", "ignored.txt", "absent.txt", "added.txt")
    ]
    for name in names[:2]:
        (project / name).write_text("old", encoding="utf-8")
    (project / ".gitignore").write_text("ignored.txt\n", encoding="utf-8")
    identity = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org"]
    for words in (["init", "--quiet"], ["add", "--all"], ["commit", "--quiet", "--message", "begin"]):
        subprocess.run(["git", *identity, *words], cwd=tmp_path / "larger", check=True)
    (project / "added.txt").write_text("old", encoding="utf-8")
    subprocess.run(["git", "add", "project/added.txt"], cwd=tmp_path / "larger", check=True)
    for name in [*names[1:4], names[5]]:
        (project / name).write_text("new", encoding="utf-8")
    assert transaction.at_risk(project, names) == ([names[1]], [names[2], names[3], names[5]])


def test_a_copy_is_kept_of_what_changes_only_in_its_order(tmp_path: Path) -> None:
    for folder, text in (("old", "a\nb\n"), ("new", "b\na\n")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "x.csv").write_text(text, encoding="utf-8")
        (tmp_path / folder / "same.csv").write_text("a\n", encoding="utf-8")
    kept = transaction.keep_copies(tmp_path / "old", tmp_path / "new", [Path("x.csv"), Path("same.csv")])
    assert kept is not None
    assert snapshot(kept) == {"x.csv": b"a\nb\n"}
