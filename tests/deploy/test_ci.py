"""The pipelines of a generated project: their files are sound, and their scripts do what they say, in their order."""

import hashlib
import importlib.util
import io
import re
import shutil
import sys
import tarfile
from pathlib import Path
from types import ModuleType

import pytest

from ..conftest import ROOT, Render, command, succeed
from ..support.pipeline import SECRETS, Runner, calls, carry, gitlab, scripts, steps, targets, workflow

TOOLS = Path(sys.executable).parent
CHECKS = ["setup", "check", "test", "train", "summary", "report"]
CHAIN = [*CHECKS, "setup", "tag", "image", "image-jobs", "scan", "push", "sign"]


def script(name: str) -> ModuleType:
    path = ROOT / "template" / "deploy" / "{% if ci != 'none' %}ci{% endif %}" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(params=["github", "gitlab"])
def project(request: pytest.FixtureRequest, render: Render) -> Path:
    return render(ci=request.param)


@pytest.mark.parametrize("owner", ["the template's", "a project's"])
def test_the_workflows_are_sound_and_safe(render: Render, snapshot: Path, tmp_path: Path, owner: str) -> None:
    project = render(ci="github") if owner == "a project's" else shutil.copytree(snapshot, tmp_path / "template")
    folder = project / ".github" / "workflows"
    files = sorted(folder.iterdir())
    succeed(TOOLS / "check-jsonschema", "--builtin-schema", "vendor.github-workflows", *files, cwd=project)
    succeed("git", "init", cwd=project)  # how actionlint finds the project
    succeed(TOOLS / "actionlint", "-shellcheck", TOOLS / "shellcheck", cwd=project)
    succeed(TOOLS / "zizmor", "--offline", "--persona", "auditor", "--no-ignores", folder, cwd=project)


def test_the_pipeline_of_gitlab_is_valid_and_its_scripts_are_sound(render: Render, tmp_path: Path) -> None:
    project = render(ci="gitlab")
    succeed(TOOLS / "check-jsonschema", "--builtin-schema", "vendor.gitlab-ci", project / ".gitlab-ci.yml", cwd=project)
    (tmp_path / "all.sh").write_text("\n".join(["#!/bin/bash -e", *scripts(project)]), encoding="utf-8")
    succeed(TOOLS / "shellcheck", tmp_path / "all.sh", cwd=tmp_path)


def test_every_action_is_pinned_by_commit_and_named_by_version(render: Render) -> None:
    project = render(ci="github")
    text = "".join(path.read_text("utf-8") for path in (project / ".github" / "workflows").iterdir())
    uses = re.findall(r"uses: (.*)", text)
    assert len(uses) == len([step for step in steps(project) if "uses" in step]) > 5
    pinned = re.compile(r"actions/[a-z-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")
    assert [action for action in uses if not pinned.fullmatch(action) and not action.startswith("$/")] == []
    assert len(set(uses)) == len({action.split("@")[0] for action in uses})  # one version of each


def test_nothing_may_more_than_it_must(render: Render) -> None:
    project = render(ci="github")
    test = workflow(project, "test")
    release = workflow(project, "release")
    assert test["permissions"] == release["permissions"] == {}
    permissions = {name: job["permissions"] for name, job in (test["jobs"] | release["jobs"]).items()}
    read = {"contents": "read"}
    assert permissions == {
        "tag": read,
        "test": read,
        "publish": read | {"packages": "write"},
        "release": {"contents": "write"},
    }
    assert not any("actions/checkout" in step.get("uses", "") for step in release["jobs"]["release"]["steps"])
    for step in steps(project):
        if "actions/checkout" in step.get("uses", ""):
            assert step["with"] == {"persist-credentials": False}
        secret = {name for name, value in step.get("env", {}).items() if "secrets." in value}
        assert secret in (set(), {"COSIGN_KEY", "COSIGN_PASSWORD"})
        assert not secret or targets([step["run"]]) == ["sign"]


def test_what_others_may_write_is_never_pasted_into_a_script(project: Path) -> None:
    assert [line for line in scripts(project) if "${{" in line or "$[[" in line] == []


def test_both_pipelines_call_the_same_targets_in_this_order_and_all_exist(project: Path) -> None:
    assert targets(scripts(project)) == CHAIN
    makefile = (project / "Makefile").read_text("utf-8")
    assert set(CHAIN) <= set(re.findall(r"^([a-z-]+):", makefile, flags=re.MULTILINE))


@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13"])
@pytest.mark.parametrize("ci", ["github", "gitlab"])
def test_the_pipeline_and_the_project_name_one_python(render: Render, ci: str, version: str) -> None:
    project = render(ci=ci, python_version=version)
    succeed(sys.executable, "hooks/python_pin.py", cwd=project)
    files = [path for path in project.rglob("*.yml") if path.parts[-2] == "workflows" or path.name == ".gitlab-ci.yml"]
    assert files
    succeed(sys.executable, "hooks/image_tags.py", *files, cwd=project)
    assert not any("{%" in path.read_text("utf-8") for path in files)


def test_without_a_pipeline_there_are_no_scripts_for_it(render: Render) -> None:
    project = render(ci="none")
    assert not any((project / name).exists() for name in (".github", ".gitlab-ci.yml", "deploy/ci"))


def test_only_a_tag_that_is_checked_and_tested_is_published(render: Render) -> None:
    release = workflow(render("a", ci="github"), "release")
    assert release[True] == {"push": {"tags": ["v*"]}}  # YAML reads "on" as true
    github = release["jobs"]
    jobs = gitlab(render("b", ci="gitlab"))
    assert jobs[".on-a-tag"] == {"rules": [{"if": "$CI_COMMIT_TAG"}]}
    assert jobs["workflow"]["rules"][-1] == {"if": "$CI_COMMIT_TAG =~ /^v/"}
    for name, needs in (("tag", []), ("publish", ["tag", "test"]), ("release", ["publish"])):
        github_needs = github[name].get("needs", [])
        assert ([github_needs] if isinstance(github_needs, str) else github_needs) == needs
        assert jobs[name].get("needs", []) == needs
        assert jobs[name]["extends"] == ".on-a-tag"
        assert "rules" not in jobs[name]
        assert "if" not in github[name]
    assert github["test"]["uses"].endswith("/test.yml")
    assert "rules" not in jobs["test"]


def test_no_step_may_fail_unnoticed(project: Path) -> None:
    files = [path for path in project.rglob("*.yml") if path.parts[-2] == "workflows" or path.name == ".gitlab-ci.yml"]
    text = "".join(path.read_text("utf-8") for path in files)
    assert not re.search(r"continue-on-error|allow_failure|when: *(always|manual|on_failure)|always\(\)", text)
    assert [line for step in scripts(project) for line in step.splitlines() if re.search(r"\|\||set \+e", line)] == []


PUBLISHED = [
    *("docker build", "docker build", "trivy image", "trivy image", "docker login"),
    *("docker tag", "docker push", "docker tag", "docker push", "cosign sign", "cosign sign"),
]


@pytest.mark.parametrize("target", ["make test-data", pytest.param("make test", marks=pytest.mark.slow)])
def test_github_tests_a_commit_and_releases_its_tag(
    generated: Path, offline: dict[str, str], tmp_path: Path, target: str
) -> None:
    runner = Runner(tmp_path, generated, offline, ("docker", "trivy", "cosign", "gh", "python3"))
    test, release = (workflow(generated, name) for name in ("test", "release"))
    assert test["defaults"] == release["defaults"] == {"run": {"shell": "bash"}}
    tested = runner.checkout("tested")
    (step,) = [step for step in test["jobs"]["test"]["steps"] if step.get("run") == "make test"]
    step["run"] = target
    runner.github(test["jobs"]["test"], tested)
    page = (tmp_path / "page").read_text("utf-8")
    assert page.startswith("# ")
    assert "accuracy" in page
    assert succeed("git", "status", "--porcelain", cwd=tested) == ""

    runner.github(release["jobs"]["tag"], runner.checkout("tagged"))
    published = runner.checkout("published")
    runner.github(release["jobs"]["publish"], published)
    tag = (tmp_path / "output").read_text("utf-8").removeprefix("tag=").strip()
    model = (tested / "artifacts" / "current").read_text("utf-8").strip()
    assert tag == f"0.1.0-{succeed('git', 'rev-parse', '--short=12', 'HEAD', cwd=generated).strip()}-{model}"
    (tmp_path / "released").mkdir()
    runner.github(release["jobs"]["release"], tmp_path / "released")
    assert (tmp_path / "released" / "notes.md").read_text(
        "utf-8"
    ) == f"Deploy it with REGISTRY=ghcr.io/ada TAG={tag}\n\n{page}"
    assert calls(runner) == ["python3 deploy/ci/get_tools.py", *PUBLISHED, "gh release"]
    assert f"docker push --quiet ghcr.io/ada/myproj:{tag}\n" in runner.record.read_text("utf-8")
    assert (tmp_path / "record.stdin").read_text("utf-8").strip() == SECRETS["github.token"]


def test_gitlab_does_the_same(generated: Path, render: Render, offline: dict[str, str], tmp_path: Path) -> None:
    """Its targets are those of GitHub, which were run above, so the slow ones are not run again."""
    jobs = gitlab(render(ci="gitlab"))
    runner = Runner(tmp_path, generated, offline, ("docker", "trivy", "cosign", "apt-get", "python3"))
    tested = runner.checkout("tested")
    published = runner.checkout("published")
    quick = [line.replace("make test", "make test-data") for line in jobs["test"]["script"] if line != "make check"]
    runner.bash("\n".join([*jobs["default"]["before_script"], *quick]), tested)
    assert "<testcase" in (tested / jobs["test"]["artifacts"]["reports"]["junit"]).read_text("utf-8")
    for name in jobs["test"]["artifacts"]["paths"]:
        carry(tested / name, published / name)
    runner.bash("\n".join(jobs["tag"]["script"]), published)
    runner.bash("\n".join(jobs["publish"]["script"]), published, COSIGN_KEY=SECRETS["secrets.COSIGN_KEY"])
    notes = (published / jobs["release"]["release"]["description"]).read_text("utf-8")
    assert re.match(r"Deploy it with REGISTRY=ghcr.io/ada TAG=0\.1\.0-[0-9a-f]{12}-\d", notes)
    assert "accuracy" in notes
    assert calls(runner) == ["apt-get -qq", "apt-get -qq", "python3 deploy/ci/get_tools.py", *PUBLISHED]
    assert (tmp_path / "record.stdin").read_text("utf-8").strip() == SECRETS["github.token"]


LOCK = '[[package]]\nname = "x"\nversion = "7"\n[[package]]\nversion = "{}"\nsource = {{ editable = "." }}\n'


@pytest.mark.parametrize(
    ("tag", "lock", "message"),
    [
        *((tag, LOCK.format("0.1.0"), 'whose tag is "v0.1.0"') for tag in ("v0.1.0x", "v0.1", "0.1.0", "v0.1.0 ", "")),
        ("v0.1.0", LOCK.format("0.1.0"), ""),
        ("v0.2.0", LOCK.format("0.1.0"), 'whose tag is "v0.1.0"'),
        ("v0.1.0", LOCK.format("0.0.9"), "uv.lock is of version 0.0.9"),
        ("v0.1.0", None, "uv.lock is missing"),
        ("v0.1.0", "<<<<<<< ours", "uv.lock is missing or broken"),
    ],
)
def test_a_tag_is_released_only_if_it_says_what_the_project_says(
    render: Render, tag: str, lock: str | None, message: str
) -> None:
    project = render()
    if lock:
        (project / "uv.lock").write_text(lock, encoding="utf-8")
    completed = command(sys.executable, "deploy/ci/check_tag.py", tag, cwd=project)
    assert message in completed.stdout
    assert completed.returncode == (1 if message else 0)
    assert completed.stderr == ""


def test_a_tool_is_kept_only_if_its_digest_is_the_one_that_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    get_tools = script("get_tools")
    archive = tmp_path / "trivy.tar.gz"
    destination = tmp_path / "bin" / "trivy"
    with tarfile.open(archive, "w:gz") as tar:
        member = tarfile.TarInfo("trivy")
        member.size = 5
        tar.addfile(member, io.BytesIO(b"scans"))
    for digest, code in (("0" * 64, 1), (hashlib.sha256(archive.read_bytes()).hexdigest(), 0)):
        source = (archive.as_uri(), f"sha256:{digest}")
        monkeypatch.setattr(get_tools, "TOOLS", {"trivy": dict.fromkeys(("x86_64", "aarch64"), source)})
        assert get_tools.main([str(destination.parent), "trivy"]) == code
        assert destination.exists() == (code == 0)
        assert ("is not what it was" in capsys.readouterr().out) == (code == 1)
    assert destination.read_bytes() == b"scans"
    assert destination.stat().st_mode & 0o777 == 0o755
    archive.unlink()
    assert get_tools.main([str(destination.parent), "trivy"]) == 1
    assert "did not answer" in capsys.readouterr().out
