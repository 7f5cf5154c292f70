"""Commits and pushes of a generated project, as git and the hooks see them, without a network."""

import base64
import json
import random
import re
from pathlib import Path

import pytest

from ..conftest import command, commit, succeed

SPOILED = {
    "src/table.parquet": (b"PAR1 and more", "src/table.parquet:1: this holds data; move it to data/"),
    "conf/keys.yaml": (b"key: AKIA" + b"IOSFODNN7EXAMPLQ\n", "AWS Access Key"),
    ".python-version": (b"3.9\n", "leaves out 3.9"),
    "conf/more.yaml": (b"a: [1\n", "conf/more.yaml"),
}


def test_a_commit_is_refused_with_a_clear_line(twin: Path, offline: dict[str, str]) -> None:
    """All at once, since a hook is heard only where it refuses."""
    suite = twin / "expectations" / "features.json"
    suite.write_bytes(suite.read_bytes().replace(b'"bill_length_mm"', b'"wing_length_mm"'))
    for file, (content, _) in SPOILED.items():
        (twin / file).write_bytes(content)
    (twin / "src" / "myproj" / "late.py").write_text("import os,sys\nx=1\n", encoding="utf-8")
    succeed("git", "add", "--all", cwd=twin)
    completed = command("git", "commit", "--message", "feat: spoil", cwd=twin, env=offline)
    assert completed.returncode != 0
    output = completed.stdout + completed.stderr
    messages = ['has the column "wing_length_mm"', *(message for _, message in SPOILED.values())]
    assert [message for message in messages if message not in output] == []
    assert re.search(r"ruff check\.+Failed", output)


@pytest.mark.parametrize(
    ("enforced", "message", "accepted"),
    [(False, "try more leaves", True), (True, "try more leaves", False), (True, "feat: say why", True)],
)
def test_messages_are_of_any_form_unless_a_project_asks_for_one(
    twin: Path, offline: dict[str, str], enforced: bool, message: str, accepted: bool
) -> None:
    if enforced:
        config = twin / ".pre-commit-config.yaml"
        text = config.read_text(encoding="utf-8")
        assert "# - {id: commit-message" in text
        config.write_text(text.replace("# - {id: commit-message", "- {id: commit-message"), encoding="utf-8")
    (twin / "data" / "README.md").write_text("# Data\n", encoding="utf-8")
    completed = command("git", "commit", "--all", "--message", message, cwd=twin, env=offline)
    assert (completed.returncode == 0) is accepted, completed.stdout + completed.stderr


def test_exploring_is_not_policed(twin: Path, offline: dict[str, str]) -> None:
    """A notebook with a picture is committed without it, and a script may be as it is."""
    pixels = base64.b64encode(random.Random(7).randbytes(3000)).decode()
    output = {"output_type": "display_data", "data": {"image/png": pixels}, "metadata": {}}
    cell = {"cell_type": "code", "source": ["x=1\n", "x"], "outputs": [output], "execution_count": 1, "metadata": {}}
    notebook = {"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    (twin / "notebooks" / "look.ipynb").write_text(json.dumps(notebook), encoding="utf-8")
    (twin / "scripts" / "plot.py").write_text("def Plot(df, n=3):\n    assert n\n    return df\n", encoding="utf-8")
    succeed("git", "add", "--all", cwd=twin)
    command("git", "commit", "--message", "look at it", cwd=twin, env=offline)  # the hook strips it, so once more
    succeed("git", "add", "--all", cwd=twin)
    succeed("git", "commit", "--message", "look at it", cwd=twin, env=offline)
    assert pixels not in succeed("git", "show", "HEAD:notebooks/look.ipynb", cwd=twin)


def test_a_push_is_refused_when_a_test_of_the_code_fails(twin: Path, tmp_path: Path, offline: dict[str, str]) -> None:
    succeed("git", "init", "--quiet", "--bare", tmp_path / "remote", cwd=tmp_path)
    path = twin / "tests" / "code" / "test_data.py"
    for other in set(path.parent.glob("test_*.py")) - {path}:
        other.unlink()  # a push runs what is there, and one file is enough to see it
    commit(twin, "test: leave one file", "--no-verify")
    path.write_text(path.read_text(encoding="utf-8") + "\n\ndef test_red():\n    assert False\n", encoding="utf-8")
    succeed("git", "commit", "--all", "--no-verify", "--message", "test: fail", cwd=twin)
    completed = command("git", "push", tmp_path / "remote", "HEAD:main", cwd=twin, env=offline)
    assert completed.returncode != 0
    assert "test_red" in completed.stdout + completed.stderr
    succeed("git", "reset", "--quiet", "--hard", "HEAD~1", cwd=twin)
    succeed("git", "push", tmp_path / "remote", "HEAD:main", cwd=twin, env=offline)
