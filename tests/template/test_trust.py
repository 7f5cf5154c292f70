"""The plain command of the README works, because nothing in the template asks for trust."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from copier import run_copy
from copier.errors import UnsafeTemplateError

from ..conftest import ROOT, commit, succeed


@pytest.fixture
def addresses(snapshot: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the address of the released template lead to the snapshot."""
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", f"url.{snapshot}.insteadOf")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "https://github.com/org/mltemplate.git")


@pytest.mark.usefixtures("addresses")
def test_the_plain_command_writes_a_project(tmp_path: Path) -> None:
    copier = Path(sys.executable).parent / "copier"
    output = succeed(copier, "copy", "--defaults", "gh:org/mltemplate", "myproj", cwd=tmp_path)
    assert (tmp_path / "myproj" / "src" / "myproj" / "train.py").is_file()
    assert "cd myproj && git init -b main && make test" in output
    answers = (tmp_path / "myproj" / ".copier-answers.yml").read_text(encoding="utf-8")
    assert "_src_path: gh:org/mltemplate" in answers
    assert "_commit: v0.1.0" in answers


@pytest.mark.parametrize(
    "line",
    [
        "_tasks: ['true']",
        "_tasks: [{command: 'true', when: false}]",
        "_jinja_extensions: [jinja2.ext.do]",
    ],
)
def test_what_asks_for_trust_would_be_refused(snapshot: Path, tmp_path: Path, line: str) -> None:
    """If this passes no more, Copier has changed and decision 1 may be looked at again."""
    template = tmp_path / "spoilt"
    subprocess.run(["git", "clone", "--quiet", str(snapshot), str(template)], check=True)
    with (template / "copier.yml").open("a", encoding="utf-8") as settings:
        settings.write(f"\n{line}\n")
    commit(template, "feat: ask for trust")
    with pytest.raises(UnsafeTemplateError):
        run_copy(str(template), tmp_path / "myproj", defaults=True, quiet=True, vcs_ref="HEAD")


def test_the_oldest_copier_that_is_allowed_writes_the_same_project(
    snapshot: Path, tmp_path: Path, environment: dict[str, str]
) -> None:
    oldest = yaml.safe_load((ROOT / "copier.yml").read_text(encoding="utf-8"))["_min_copier_version"]
    run_copy(str(snapshot), tmp_path / "newest" / "myproj", defaults=True, quiet=True)
    destination = tmp_path / "oldest" / "myproj"
    succeed(
        "uv",
        "tool",
        "run",
        f"copier@{oldest}",
        "copy",
        "--defaults",
        snapshot,
        destination,
        cwd=tmp_path,
        env=environment,
    )
    succeed("diff", "--recursive", tmp_path / "newest", tmp_path / "oldest", cwd=tmp_path)
