"""The README's three commands, typed as they stand there by somebody who has only Python, make and git."""

import os
import re
import shutil
import sys
from pathlib import Path

import pexpect
import pytest

from ..conftest import ROOT, commit, succeed


def commands() -> list[str]:
    block = re.search(r"```sh\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), flags=re.DOTALL)
    assert block is not None
    return block[1].strip().splitlines()


@pytest.fixture
def person(tmp_path: Path, snapshot: Path, environment: dict[str, str]) -> dict[str, str]:
    """An empty home, a PATH without copier and uv, and the address of the template leading to the snapshot."""
    path = [folder for folder in environment["PATH"].split(os.pathsep)[1:] if not (Path(folder) / "copier").exists()]
    (tmp_path / "home").mkdir()
    (tmp_path / "no hooks").mkdir()
    return environment | {
        "PATH": os.pathsep.join(path),
        "HOME": str(tmp_path / "home"),
        "GIT_TEMPLATE_DIR": str(tmp_path / "no hooks"),
        "XDG_CONFIG_HOME": os.environ.get("XDG_CONFIG_HOME", str(Path.home() / ".config")),
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.{snapshot}.insteadOf",
        "GIT_CONFIG_VALUE_0": "https://github.com/org/mltemplate.git",
    }


QUESTIONS = (
    "called",
    "Python package",
    "one line",
    "Who writes it",
    "which address",
    "which licence",
    "should the model predict",
    "Which framework",
    "Which Python",
    "Where will it run",
    "Where do its checks run",
)


def copy_with_defaults(line: str, folder: Path, person: dict[str, str]) -> None:
    """Type a command that copies the template, and Enter at each of its questions."""
    shell = pexpect.spawn("bash", ["-c", line], cwd=folder, env=person, encoding="utf-8", timeout=120)
    shell.setwinsize(40, 200)
    for question in QUESTIONS:
        shell.expect(question)
        shell.send("\r")
    shell.expect("git init -b main && make test")
    shell.expect(pexpect.EOF)
    shell.close()
    assert shell.exitstatus == 0


@pytest.mark.project
def test_the_three_commands_lead_to_green_tests(person: dict[str, str], tmp_path: Path) -> None:
    install, copy, test = commands()
    assert test.endswith("make test")
    succeed("bash", "-c", install, cwd=tmp_path, env=person)
    copy_with_defaults(copy, tmp_path, person)
    output = succeed("bash", "-c", test, cwd=tmp_path, env=person)
    assert " passed" in output
    project = tmp_path / "myproj"
    assert (project / ".venv").is_dir()
    assert (project / ".git" / "hooks" / "pre-commit").is_file()
    assert (project / ".uv" / "bin" / "uv").is_file() or shutil.which("uv", path=person["PATH"])
    commit(project, "feat: begin", "--no-verify")
    assert succeed("git", "status", "--porcelain", cwd=project) == ""


@pytest.mark.project
def test_who_has_uv_needs_one_command_to_copy(person: dict[str, str], tmp_path: Path) -> None:
    (line,) = re.findall(r"`(uvx [^`]+)`", (ROOT / "README.md").read_text(encoding="utf-8"))
    (tmp_path / "bin").mkdir()
    for name in ("uv", "uvx"):
        (tmp_path / "bin" / name).symlink_to(Path(sys.executable).with_name(name))
    path = f"{tmp_path / 'bin'}{os.pathsep}{person['PATH']}"
    copy_with_defaults(line, tmp_path, person | {"PATH": path})
    assert (tmp_path / "myproj" / "Makefile").is_file()
