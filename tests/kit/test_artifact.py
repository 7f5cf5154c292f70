import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from mlkeel.errors import ArtifactError
from mlkeel.files import atomic_write
from mlkeel.registry.artifact import FILES, current, set_current, write

CONTENT = dict.fromkeys(FILES, b"content")


def test_an_artifact_is_written_and_made_current(tmp_path: Path) -> None:
    folder = write(tmp_path, "v1", CONTENT)
    set_current(tmp_path, "v1")
    assert current(tmp_path) == folder
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == CONTENT


def test_another_user_may_read_an_artifact_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        folder = write(tmp_path, "v1", CONTENT)
    finally:
        os.umask(before)
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o644}
    assert folder.stat().st_mode & 0o777 == 0o755


def test_writing_another_leaves_the_current_one(tmp_path: Path) -> None:
    set_current(tmp_path, write(tmp_path, "v1", CONTENT).name)
    write(tmp_path, "v2", CONTENT)
    assert current(tmp_path).name == "v1"


def test_an_incomplete_artifact_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"model\.onnx is missing"):
        write(tmp_path, "v1", {name: b"" for name in FILES if name != "model.onnx"})
    assert list(tmp_path.iterdir()) == []


def test_a_failure_while_writing_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(TypeError):
        write(tmp_path, "v1", CONTENT | {"params.yaml": "text is not bytes"})
    assert list(tmp_path.iterdir()) == []


def test_a_version_is_never_overwritten(tmp_path: Path) -> None:
    write(tmp_path, "v1", CONTENT)
    with pytest.raises(ArtifactError, match="v1 exists already"):
        write(tmp_path, "v1", CONTENT)


def test_litter_of_a_kill_is_taken_away(tmp_path: Path) -> None:
    (tmp_path / ".unfinished-abc").mkdir()
    (tmp_path / ".unfinished-current-abc").touch()
    for leftover in tmp_path.iterdir():
        os.utime(leftover, (0, 0))
    (tmp_path / ".unfinished-running").mkdir()
    write(tmp_path, "v1", CONTENT)
    assert {path.name for path in tmp_path.iterdir()} == {"v1", ".unfinished-running"}


@pytest.mark.parametrize(
    ("file", "message"), [("current", "no version is current"), ("v1/drift.json", "drift.json is miss")]
)
def test_what_cannot_be_used_is_said(tmp_path: Path, file: str, message: str) -> None:
    set_current(tmp_path, write(tmp_path, "v1", CONTENT).name)
    (tmp_path / file).unlink()
    with pytest.raises(ArtifactError, match=message):
        current(tmp_path)


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"../v1", b"v1/../v1", b"v1\nv2", b"x" * 5000, b".hidden"])
def test_a_name_that_is_no_folder_s_is_refused(tmp_path: Path, content: bytes) -> None:
    write(tmp_path, "v1", CONTENT)
    (tmp_path / "current").write_bytes(content)
    with pytest.raises(ArtifactError, match="the name of a folder beside it"):
        current(tmp_path)


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "artifacts").write_text("a file", encoding="utf-8")
    with pytest.raises(ArtifactError, match="artifacts: cannot be written"):
        write(tmp_path / "artifacts", "v1", CONTENT)


def test_a_version_that_is_not_there_cannot_be_made_current(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="no such version"):
        set_current(tmp_path, "v9")


def test_a_file_keeps_its_old_content_until_the_new_one_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "answers.csv"
    path.write_text("old", encoding="utf-8")
    with pytest.raises(RuntimeError), atomic_write(path) as file:
        file.write("half of the n")
        raise RuntimeError
    assert path.read_text(encoding="utf-8") == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["answers.csv"]


@pytest.mark.slow
def test_a_kill_at_any_moment_leaves_a_whole_artifact_current(tmp_path: Path) -> None:
    set_current(tmp_path, write(tmp_path, "v0", CONTENT).name)
    program = (
        "import itertools, pathlib, sys; from mlkeel.registry.artifact import FILES, set_current, write\n"
        "root = pathlib.Path(sys.argv[1]); print('ready', flush=True)\n"
        "for number in itertools.count():\n"
        "    set_current(root, write(root, f'{sys.argv[2]}-{number}', dict.fromkeys(FILES, b'content')).name)"
    )
    for attempt in range(1, 4):
        command = [sys.executable, "-c", program, str(tmp_path), str(attempt)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as writer:
            assert writer.stdout is not None
            writer.stdout.readline()
            started = time.monotonic()
            while time.monotonic() - started < 0.01 * attempt:
                pass
            writer.send_signal(signal.SIGKILL)
        assert all((current(tmp_path) / name).read_bytes() == b"content" for name in FILES)
        assert all(set(FILES) == {file.name for file in path.iterdir()} for path in tmp_path.glob("[!.]*-*"))
