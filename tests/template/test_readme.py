"""The README's two commands, typed as they stand there by somebody who has only Python, make and git."""

import os
import re
from pathlib import Path

import pexpect
import pytest

from ..conftest import ROOT, succeed


def commands() -> list[str]:
    block = re.search(r"```sh\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), flags=re.DOTALL)
    assert block is not None
    return block[1].strip().splitlines()


@pytest.fixture
def person(tmp_path: Path, snapshot: Path, environment: dict[str, str]) -> dict[str, str]:
    """An empty home, a PATH without copier and uv, and the address of the template leading to the snapshot."""
    path = [folder for folder in environment["PATH"].split(os.pathsep)[1:] if not (Path(folder) / "copier").exists()]
    (tmp_path / "home").mkdir()
    return environment | {
        "PATH": os.pathsep.join(path),
        "HOME": str(tmp_path / "home"),
        "XDG_CONFIG_HOME": os.environ.get("XDG_CONFIG_HOME", str(Path.home() / ".config")),
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.{snapshot}.insteadOf",
        "GIT_CONFIG_VALUE_0": "https://github.com/org/mltemplate.git",
    }


@pytest.mark.project
def test_the_two_commands_lead_to_green_tests(person: dict[str, str], tmp_path: Path) -> None:
    first, second = commands()
    shell = pexpect.spawn("bash", ["-c", first], cwd=tmp_path, env=person, encoding="utf-8", timeout=120)
    shell.setwinsize(40, 200)
    for question in (
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
    ):
        shell.expect(question)
        shell.send("\r")
    shell.expect("git init -b main && make test")
    shell.expect(pexpect.EOF)
    shell.close()
    assert shell.exitstatus == 0
    said = succeed("bash", "-c", second, cwd=tmp_path, env=person)
    assert " passed" in said
    assert (tmp_path / "myproj" / ".venv").is_dir()


def test_the_readme_has_exactly_two_set_up_commands() -> None:
    first, second = commands()
    assert "copier copy gh:org/mltemplate myproj" in first
    assert second.endswith("make test")
