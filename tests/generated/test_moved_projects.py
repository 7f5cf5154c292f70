"""A project that was copied, moved or checked out beside itself runs its own code, and calls git on itself alone."""

import os
import shutil
from pathlib import Path

import pytest

from ..conftest import FEW_TESTS, command, commit, lend, succeed

PRINT_ROOTS = (
    "import mlkeel, myproj, pathlib; print(*(pathlib.Path(module.__file__).parents[2] for module in (myproj, mlkeel)))"
)

NAMED = """import os

BEFORE_ANY_FIXTURE = [name for name in os.environ if name.startswith("GIT_")]


def test_the_hook_names_no_repository():
    assert BEFORE_ANY_FIXTURE == []
"""
CALLS_GIT = """import subprocess


def git(folder, *words):
    return subprocess.run(["git", *words], cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


def test_git_works_where_it_is_called(tmp_path):
    git(tmp_path, "init")
    git(tmp_path, "config", "user.name", "nobody")
    git(tmp_path, "config", "user.email", "nobody@example.org")
    git(tmp_path, "commit", "--allow-empty", "--message", "x")
    assert git(tmp_path, "rev-parse", "--show-toplevel") == str(tmp_path.resolve())
"""


@pytest.mark.parametrize("name", ["a copy", pytest.param("moved", marks=pytest.mark.slow)])
def test_a_copy_runs_its_own_code_and_a_moved_project_runs(
    twin: Path, tmp_path: Path, offline: dict[str, str], name: str
) -> None:
    """The environment tells neither from the other; beside a copy stands the code that it must not run."""
    destination = tmp_path / name
    if name == "moved":
        shutil.move(twin, destination)
    else:
        shutil.copytree(twin, destination, symlinks=True)
    output = succeed("make", "setup", cwd=destination, env=offline)
    assert f"The environment was made in {twin}; it is made anew here." in output
    assert (
        succeed(".venv/bin/python", "-c", PRINT_ROOTS, cwd=destination).strip()
        == f"{destination} {destination / 'packages'}"
    )
    (hook,) = {destination / ".git" / "hooks" / "pre-commit"}
    assert str(destination) in hook.read_text(encoding="utf-8")
    assert "made anew" not in succeed("make", "setup", cwd=destination, env=offline)


@pytest.fixture
def remote(twin: Path, tmp_path: Path) -> Path:
    """A repository to push to. A push runs one file of tests, which calls git."""
    succeed("git", "init", "--quiet", "--bare", tmp_path / "remote", cwd=tmp_path)
    for test in (twin / "tests" / "code").glob("test_*.py"):
        test.unlink()
    (twin / "tests" / "code" / "test_named.py").write_text(NAMED, encoding="utf-8")
    (twin / "tests" / "code" / "test_git.py").write_text(CALLS_GIT, encoding="utf-8")
    commit(twin, "test: call git", "--no-verify")
    return tmp_path / "remote"


def repository(project: Path) -> tuple[str, str]:
    """What a command of git that went astray would change: settings, and what is staged."""
    return (
        succeed("git", "config", "--list", "--local", cwd=project),
        succeed("git", "status", "--porcelain", "--untracked-files=no", cwd=project),
    )


def push(project: Path, remote: Path, env: dict[str, str]) -> str:
    output = succeed("git", "push", remote, "HEAD:main", cwd=project, env=env)
    assert succeed("git", "rev-parse", "main", cwd=remote) == succeed("git", "rev-parse", "HEAD", cwd=project)
    return output


def test_a_push_from_a_worktree_leaves_the_repository_alone(
    twin: Path, remote: Path, generated: Path, tmp_path: Path, offline: dict[str, str]
) -> None:
    tree = tmp_path / "tree"
    succeed("git", "worktree", "add", "--quiet", tree, cwd=twin)
    lend(generated / ".venv", tree)
    before = repository(twin), repository(tree)
    assert "fast tests of the code" in push(tree, remote, offline)
    assert (repository(twin), repository(tree)) == before


def test_a_push_from_a_submodule_leaves_the_repository_alone(
    twin: Path, remote: Path, generated: Path, tmp_path: Path, offline: dict[str, str]
) -> None:
    larger = tmp_path / "larger"
    succeed("git", "init", "--quiet", larger, cwd=tmp_path)
    local = ("-c", "protocol.file.allow=always")
    succeed("git", *local, "submodule", "--quiet", "add", twin, "part", cwd=larger)
    part = lend(generated / ".venv", larger / "part")
    hooks = Path(succeed("git", "rev-parse", "--absolute-git-dir", cwd=part).strip()) / "hooks"
    shutil.copytree(twin / ".git" / "hooks", hooks, dirs_exist_ok=True)
    before = repository(part), repository(larger)
    assert "fast tests of the code" in push(part, remote, offline)
    assert (repository(part), repository(larger)) == before


def test_the_tests_leave_a_repository_alone_that_git_names(twin: Path, tmp_path: Path, offline: dict[str, str]) -> None:
    decoy = tmp_path / "decoy"
    succeed("git", "init", "--quiet", decoy, cwd=tmp_path)
    (decoy / "kept").touch()
    commit(decoy, "feat: begin")
    before = repository(decoy)
    index = str(decoy / ".git" / "index")
    named = {"GIT_DIR": str(decoy / ".git"), "GIT_WORK_TREE": str(decoy), "GIT_INDEX_FILE": index}
    (twin / "tests" / "code" / "test_git.py").write_text(CALLS_GIT, encoding="utf-8")
    publishes = "tests/model/test_training.py::test_training_completes_and_leaves_every_artifact"  # with the commit
    succeed(".venv/bin/python", "-m", "pytest", "tests/code/test_git.py", publishes, cwd=twin, env=offline | named)
    assert repository(decoy) == before
    assert succeed("git", "log", "--oneline", cwd=decoy).count("\n") == 1


def test_where_hooks_cannot_be_installed_tests_run_and_one_sentence_says_why(
    twin: Path, offline: dict[str, str]
) -> None:
    shutil.rmtree(twin / ".git" / "hooks")
    (twin / ".git" / "hooks").touch()  # no folder can be made here, even by root
    completed = command("make", "test-data", cwd=twin, env=offline | FEW_TESTS)
    assert completed.returncode == 0, completed.stderr
    assert " passed" in completed.stdout
    (message,) = completed.stderr.splitlines()
    assert message.startswith("Git hooks are not installed: ")
    assert "File exists" in message
    assert "make setup" in message


def test_a_repository_of_somebody_else_is_explained(twin: Path, offline: dict[str, str]) -> None:
    shutil.rmtree(twin / ".git" / "hooks")
    distrusting = {"GIT_TEST_ASSUME_DIFFERENT_OWNER": "1"}
    completed = command("make", "setup", cwd=twin, env=offline | distrusting)
    assert completed.returncode == 0, completed.stderr
    (message,) = completed.stderr.splitlines()
    assert "dubious ownership" in message
    assert f"git config --global --add safe.directory {twin}" in message


def test_a_hook_of_the_user_s_is_left_alone_and_named(twin: Path, offline: dict[str, str]) -> None:
    hook = twin / ".git" / "hooks" / "pre-push"
    hook.write_text("#!/bin/sh\nexit 0\n", encoding="utf-8")
    os.utime(hook, (1, 1))  # older than the environment
    assert "pre-push is there already" in command("make", "setup", cwd=twin, env=offline).stderr
    assert hook.read_text(encoding="utf-8") == "#!/bin/sh\nexit 0\n"
    assert command("make", "setup", cwd=twin, env=offline).stderr == ""
