"""An update keeps the machinery current, merges edits of it, and never touches what is the user's."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from copier import run_copy, run_update

from ..conftest import ROOT, command, commit, succeed
from ..support.environments import lend

USER_FILES = (
    "README.md",
    "conf/params.yaml",
    "data/README.md",
    "expectations/features.json",
    "src/myproj/train.py",
    "tests/conftest.py",
)


@pytest.fixture
def template(snapshot: Path, tmp_path: Path) -> Path:
    """A template of which later releases can be made."""
    folder = tmp_path / "template"
    subprocess.run(["git", "clone", "--quiet", str(snapshot), str(folder)], check=True)
    return folder


@pytest.fixture
def project(template: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "myproj"
    run_copy(str(template), folder, defaults=True, quiet=True)
    succeed("git", "init", "--quiet", cwd=folder)
    commit(folder, "feat: begin")
    return folder


def append(path: Path, line: str) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(line + "\n")


def prepend(path: Path, line: str) -> None:
    path.write_text(line + "\n" + path.read_text(encoding="utf-8"), encoding="utf-8")


def release(template: Path, version: str = "v0.2.0") -> None:
    """A release that changes the Makefile's end and a hook, and each folder that is the user's."""
    append(template / "template" / "Makefile.jinja", "\nnewest:  ## A target of the new release\n\t@echo newest")
    append(template / "hooks" / "artifacts.py", "# a line of the new release")
    for name in (
        "README.md.jinja",
        "conf/params.yaml.jinja",
        "data/{% if tabular %}README.md{% endif %}.jinja",
        "src/{{ package }}/train.py",
        "tests/conftest.py.jinja",
    ):
        append(template / "template" / name, "# a line of the new release")
    (template / "template" / "src" / "{{ package }}" / "further.py").write_text('"""New."""\n', encoding="utf-8")
    (template / "template" / "expectations" / "further.json").write_text("{}\n", encoding="utf-8")
    commit(template, "feat: release")
    succeed("git", "tag", version, cwd=template)


def update(project: Path, **settings: object) -> None:
    run_update(project, defaults=True, quiet=True, overwrite=True, **settings)


def read(project: Path, name: str) -> str:
    return (project / name).read_text(encoding="utf-8")


def test_what_is_theirs_is_untouched_and_edits_of_ours_are_merged(template: Path, project: Path) -> None:
    for name in USER_FILES:
        append(project / name, "# an edit of the user's")
    (project / "src" / "myproj" / "features.py").unlink()
    prepend(project / "Makefile", "# an edit of the user's")
    commit(project, "feat: edit")
    before = {name: read(project, name) for name in USER_FILES}
    release(template)
    update(project)
    assert {name: read(project, name) for name in USER_FILES} == before
    assert not (project / "src" / "myproj" / "features.py").exists()
    assert not (project / "src" / "myproj" / "further.py").exists()
    assert not (project / "expectations" / "further.json").exists()
    assert read(project, "Makefile").startswith("# an edit of the user's\n")
    assert "A target of the new release" in read(project, "Makefile")
    assert read(project, "hooks/artifacts.py").endswith("# a line of the new release\n")
    assert "_commit: v0.2.0" in read(project, ".copier-answers.yml")


def test_a_conflict_is_marked(template: Path, project: Path) -> None:
    append(project / "hooks" / "artifacts.py", "# an edit of the user's")
    commit(project, "feat: edit")
    release(template)
    update(project)
    text = read(project, "hooks/artifacts.py")
    assert "<<<<<<<" in text
    assert "# an edit of the user's" in text
    assert "# a line of the new release" in text


@pytest.fixture
def updatable(project: Path, generated: Path, tmp_path: Path) -> Path:
    """The project with an environment, so that `make update` can be typed, in a folder of a larger repository."""
    succeed("git", "init", "--quiet", "larger repository", cwd=tmp_path)
    larger = tmp_path / "larger repository" / "myproj"
    shutil.copytree(project, larger, ignore=shutil.ignore_patterns(".git"))
    commit(larger.parent, "feat: begin")
    return lend(generated / ".venv", larger)


def test_make_update_names_what_changed_and_what_conflicts(
    template: Path, updatable: Path, environment: dict[str, str]
) -> None:
    append(updatable / "hooks" / "artifacts.py", "# an edit of the user's")
    commit(updatable, "feat: edit")
    release(template)
    completed = command("make", "update", cwd=updatable, env=environment)
    assert completed.returncode != 0
    changes = dict(re.findall(r"^  (\w+) +(\S+)$", completed.stdout, flags=re.MULTILINE)[::-1])
    assert changes == {"changed": ".copier-answers.yml", "CONFLICT": "hooks/artifacts.py"}
    assert "Makefile" in completed.stdout
    assert "v0.1.0 → v0.2.0" in completed.stdout
    assert "<<<<<<<" in completed.stderr
    succeed("git", "add", "--all", cwd=updatable)
    hook_run = command(".venv/bin/pre-commit", "run", "merge-conflict", cwd=updatable)
    assert hook_run.returncode != 0
    assert "hooks/artifacts.py" in hook_run.stdout


def test_make_update_without_a_conflict_ends_well(template: Path, updatable: Path, environment: dict[str, str]) -> None:
    assert "Nothing is new." in succeed("make", "update", cwd=updatable, env=environment)
    release(template)
    assert "make test, and commit" in succeed("make", "update", cwd=updatable, env=environment)


@pytest.mark.parametrize("name", ["Makefile", "new.ipynb"])
def test_make_update_wants_a_clean_folder_of_the_project_alone(
    updatable: Path, environment: dict[str, str], name: str
) -> None:
    append(updatable / name, "# not committed")
    completed = command("make", "update", cwd=updatable, env=environment)
    assert completed.returncode != 0
    assert f"not committed, {name} for one" in completed.stderr
    succeed("git", "stash", "--include-untracked", cwd=updatable)
    (updatable.parent / "beside").touch()
    assert "Nothing is new." in succeed("make", "update", cwd=updatable, env=environment)


def test_a_template_that_moved_is_said_in_a_sentence(
    template: Path, updatable: Path, environment: dict[str, str]
) -> None:
    template.rename(template.with_name("moved"))
    completed = command("make", "update", cwd=updatable, env=environment)
    assert completed.returncode != 0
    assert len([line for line in completed.stderr.splitlines() if not line.startswith("make")]) == 1
    assert str(template) in completed.stderr
    assert "_src_path in .copier-answers.yml" in completed.stderr


def test_every_file_is_looked_at_for_marks_of_a_conflict(updatable: Path) -> None:
    hooks = yaml.safe_load((updatable / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"][0]["hooks"]
    (hook,) = [hook for hook in hooks if hook["id"] == "merge-conflict"]
    assert not {"exclude", "files"} & set(hook)


def test_an_answer_can_be_changed_later(project: Path, template: Path) -> None:
    release(template)
    update(project, data={"python_version": "3.13", "license": "Apache-2.0"})
    assert read(project, ".python-version") == "3.13\n"
    assert "Apache License" in read(project, "LICENSE")


@pytest.mark.parametrize("tests", [("tests/data", "tests/model"), pytest.param(("tests",), marks=pytest.mark.slow)])
def test_the_tests_of_an_updated_project_pass(
    template: Path, project: Path, generated: Path, offline: dict[str, str], tests: tuple[str, ...]
) -> None:
    release(template)
    update(project)
    lend(generated / ".venv", project)
    assert " passed" in succeed(".venv/bin/python", "-m", "pytest", *tests, cwd=project, env=offline)
    assert "newest" in succeed("make", "newest", cwd=project, env=offline)


def test_the_newest_template_is_shown_beside_the_project(
    template: Path, project: Path, generated: Path, environment: dict[str, str]
) -> None:
    release(template)
    (project / "data" / "mine.csv").write_text("a\n", encoding="utf-8")
    append(project / "conf" / "params.yaml", "# an edit of the user's")
    commit(project, "feat: edit")
    shutil.copy(generated / "uv.lock", project)
    lend(generated / ".venv", project)
    output = succeed("make", "template-diff", cwd=project, env=environment)
    assert "+# a line of the new release" in output
    assert "an edit of the user's" not in output
    assert "further.py" in output
    assert "mine.csv" not in output
    assert succeed("git", "status", "--porcelain", "src", "conf", "tests", cwd=project) == ""
    commit(project, "feat: keep the lock", "--no-verify")
    succeed("make", "update", cwd=project, env=environment)
    assert "A target of the new release" in read(project, "Makefile")
    succeed("git", "checkout", "--quiet", ".", cwd=project)
    template.rename(template.parent / "gone")
    completed = command("make", "template-diff", cwd=project, env=environment)
    assert completed.returncode != 0
    assert "The template could not be had" in completed.stdout


DEPLOYMENTS = {
    "kubernetes": ("deploy/kubernetes/README.md", "deploy"),
    "cloud-run": ("deploy/cloud-run/README.md", "deploy-cloud-run"),
    "app-runner": ("deploy/app-runner/README.md", "deploy-app-runner"),
    "jenkins-x": (".lighthouse/jenkins-x/triggers.yaml", "promote-jx"),
}


def files(project: Path) -> set[str]:
    names = succeed("git", "ls-files", "--cached", "--others", "--exclude-standard", cwd=project).split("\n")
    return {name for name in names if (project / name).is_file() and name != ".copier-answers.yml"}


def test_deployments_and_pipelines_come_and_go_with_an_answer(project: Path) -> None:
    before = files(project)
    for deployments in (["kubernetes", "cloud-run"], ["app-runner", "jenkins-x"]):
        update(project, data={"deploy": deployments, "ci": "gitlab"})
        commit(project, "feat: deploy elsewhere")
        rendered = files(project)
        targets = succeed("make", cwd=project)
        for name, (file, target) in DEPLOYMENTS.items():
            assert (file in rendered) == (name in deployments), name
            assert (f"\n{target} " in targets) == (name in deployments), name
        assert ".gitlab-ci.yml" in rendered
        assert not any(name.startswith(".github/") for name in rendered)
    update(project, data={"deploy": [], "ci": "github"})
    assert files(project) == before


KIT = "packages/mlkeel/mlkeel"


def release_of_the_kit(template: Path, version: str) -> None:
    commit(template, "fix: mend the kit")
    succeed("git", "tag", version, cwd=template)


def test_a_patch_of_the_kit_survives_and_the_fix_beside_it_arrives(template: Path, project: Path) -> None:
    append(project / KIT / "data" / "split.py", "# a patch of the user's")
    commit(project, "fix: patch the kit")
    prepend(template / "template" / KIT / "data" / "split.py", "# a fix of the new release")
    release_of_the_kit(template, "v0.2.0")
    update(project)
    text = read(project, f"{KIT}/data/split.py")
    assert text.startswith("# a fix of the new release\n")
    assert text.endswith("# a patch of the user's\n")
    assert "<<<<<<<" not in text


def test_a_patch_of_the_kit_where_the_release_changes_the_same_is_a_conflict(
    template: Path, updatable: Path, environment: dict[str, str]
) -> None:
    append(updatable / KIT / "data" / "split.py", "# a patch of the user's")
    commit(updatable, "fix: patch the kit")
    append(template / "template" / KIT / "data" / "split.py", "# a fix of the new release")
    release_of_the_kit(template, "v0.2.0")
    completed = command("make", "update", cwd=updatable, env=environment)
    assert completed.returncode != 0
    assert re.search(rf"CONFLICT +{KIT}/data/split.py", completed.stdout)


def test_files_of_the_kit_come_move_and_go(template: Path, project: Path) -> None:
    kit = template / "template" / KIT
    (kit / "data" / "newest.py").write_text('"""New."""\n', encoding="utf-8")
    (kit / "data" / "words.py").rename(kit / "data" / "rewording.py")
    (kit / "report" / "recommendations.py").unlink()
    release_of_the_kit(template, "v0.2.0")
    update(project)
    assert (project / KIT / "data" / "newest.py").is_file()
    assert (project / KIT / "data" / "rewording.py").is_file()
    assert not (project / KIT / "data" / "words.py").exists()
    assert not (project / KIT / "report" / "recommendations.py").exists()


def test_another_dependency_of_the_kit_makes_the_environment_anew(
    template: Path, updatable: Path, environment: dict[str, str]
) -> None:
    assert command("make", "--question", ".venv/ready", cwd=updatable, env=environment).returncode == 0
    pyproject = template / "template" / "packages" / "mlkeel" / "pyproject.toml"
    pyproject.write_text(
        pyproject.read_text("utf-8").replace('"rich~=15.0"', '"rich~=15.0",\n  "six"'), encoding="utf-8"
    )
    release_of_the_kit(template, "v0.2.0")
    succeed("make", "update", cwd=updatable, env=environment)
    assert command("make", "--question", ".venv/ready", cwd=updatable, env=environment).returncode == 1


def update_options() -> list[str]:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    return re.findall(r"`(make update OPTIONS=[^`]+)`", readme)


def test_deployments_and_pipelines_come_and_go_by_the_commands_of_the_readme(
    updatable: Path, environment: dict[str, str]
) -> None:
    """In the order in which they stand there: the first adds, the second removes."""
    add, remove = update_options()
    succeed("bash", "-c", add, cwd=updatable, env=environment)
    assert (updatable / "deploy" / "kubernetes" / "README.md").is_file()
    assert (updatable / ".gitlab-ci.yml").is_file()
    commit(updatable, "feat: deploy", "--no-verify")
    succeed("bash", "-c", remove, cwd=updatable, env=environment)
    assert not (updatable / "deploy" / "kubernetes").exists()
    assert not (updatable / ".gitlab-ci.yml").exists()
