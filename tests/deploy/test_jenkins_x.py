"""Jenkins X: its files are right, planted faults are seen, its steps do what they say, a promotion is one call."""

import platform
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from copier import run_copy

from ..conftest import Render, command, succeed
from ..support.jenkins import CLUSTER, PROGRAMS, chart_of, faults, manifests, steps, take_helm
from ..support.jenkins_tools import Tools

pytestmark = [
    pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="the package of helm is for x86-64"),
]
TAG = "0.1.0-3f2a9c1b0d4e-20261122T160054182736-63de8fce"
PIPELINE = ".lighthouse/jenkins-x"
CHART = "deploy/jenkins-x/charts/customer-churn"
TEMPLATES = "templates"
PLANTED = [
    (f"{PIPELINE}/triggers.yaml", "always_run", "alway_run", "unknown field alway_run"),
    (f"{PIPELINE}/triggers.yaml", "source: release.yaml", "source: releases.yaml", "no releases.yaml"),
    (f"{PIPELINE}/triggers.yaml", "[^main$, ^master$]", "['.*', ^main$]", "not for every one"),
    (f"{PIPELINE}/pullrequest.yaml", "taskSpec:", "taskspec:", "unknown field taskspec"),
    (
        f"{PIPELINE}/pullrequest.yaml",
        "workingDir: /workspace/source",
        "workDir: /workspace/source",
        "unknown field workDir",
    ),
    (f"{PIPELINE}/pullrequest.yaml", "timeout: 2h0m0s", "timeout: two hours", "no duration"),
    (f"{PIPELINE}/pullrequest.yaml", "make check", "make lint", "no target lint"),
    (
        f"{PIPELINE}/pullrequest.yaml",
        'git fetch --quiet origin "$PULL_PULL_REF"',
        "git fetch origin $PULL_PULL_REF",
        "SC2086",
    ),
    (f"{PIPELINE}/pullrequest.yaml", "jx-boot:3.16.59", "jx-boot:latest", "may mean another image"),
    (f"{PIPELINE}/release.yaml", "executor:v1.24.0-debug", "executor:debug", "may mean another image"),
    (f"{PIPELINE}/release.yaml", "- name: chart", "- name: image", "one name"),
    (
        f"{PIPELINE}/release.yaml",
        "--dockerfile=deploy/docker/Dockerfile",
        "--dockerfile=deploy/Dockerfile",
        "no deploy/Dockerfile",
    ),
    (f"{CHART}/values.yaml", "tag: 0.0.0-none-yet", "tag: latest", "may mean another"),
    (f"{CHART}/values.yaml", "memory: 256Mi", "memory: 2Gi", "asks for more"),
    (f"{CHART}/values.yaml", "replicas: 2", "replicas: 1", "PodDisruptionBudget"),
    (f"{CHART}/values.yaml", "gracePeriodSeconds: 15", "gracePeriodSeconds: 5", "killed"),
    (f"{CHART}/Chart.yaml", "name: customer-churn", "name: customer_churn", "called as its folder"),
    (f"{CHART}/{TEMPLATES}/deployment.yaml", "replicas:", "replica:", "replica"),
    (f"{CHART}/{TEMPLATES}/deployment.yaml", "runAsNonRoot: true", "runAsNonRoot: false", "restricted"),
    (f"{CHART}/{TEMPLATES}/deployment.yaml", "{drop: [ALL]}", "{add: [NET_RAW]}", "restricted"),
    (f"{CHART}/{TEMPLATES}/deployment.yaml", "path: /readyz", "path: /healthz", "wrong path"),
    (f"{CHART}/{TEMPLATES}/deployment.yaml", "containerPort: 8000", "containerPort: 8080", "leads nowhere"),
    (f"{CHART}/{TEMPLATES}/service.yaml", "targetPort: http", "targetPort: web", "leads nowhere"),
    (
        f"{CHART}/{TEMPLATES}/service.yaml",
        "  selector:\n    app.kubernetes.io/name",
        "  selector:\n    name",
        "finds other pods",
    ),
    (f"{CHART}/{TEMPLATES}/disruption.yaml", "maxUnavailable: 1", "maxUnavailable: 0", "no pod may"),
    (f"{CHART}/{TEMPLATES}/ingress.yaml", "port: {name: http}", "port: {name: web}", "Ingress leads nowhere"),
    (
        f"{CHART}/{TEMPLATES}/ingress.yaml",
        "print $.Release.Name .namespaceSubDomain",
        "print $.Release.Name",
        "wrong host",
    ),
    (f"{CHART}/{TEMPLATES}/ingress.yaml", "{{- if .tls.enabled }}", "{{- if .tls.enabledd }}", "KeyError: 'tls'"),
]


@pytest.fixture(scope="module")
def helm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return take_helm(tmp_path_factory.mktemp("helm"))


@pytest.fixture(scope="module")
def rendered(snapshot: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with Jenkins X; not to be changed."""
    project = tmp_path_factory.mktemp("jenkins") / "repo"
    answers = {"package": "customer_churn", "deploy": ["jenkins-x"], "ci": "none"}
    run_copy(str(snapshot), project, data=answers, defaults=True, quiet=True)
    return project


@pytest.fixture
def project(rendered: Path, tmp_path: Path) -> Path:
    """A copy of it that may be changed, and whose Python is that of the tests."""
    project = tmp_path / "repo"
    shutil.copytree(rendered, project)
    python = project / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n', encoding="utf-8")
    python.chmod(0o755)
    (project / ".venv" / "ready").write_text(f"{project.resolve()}\n", encoding="utf-8")
    return project


@pytest.fixture
def tools(tmp_path: Path) -> Tools:
    tools = Tools(tmp_path / "tools")
    tools.add("jx")
    tools.add("kubectl")
    return tools


@pytest.mark.parametrize("package", ["a", "customer_churn", "a2345678901234567890123456_89"])
def test_all_is_in_order_for_every_name(render: Render, helm: Path, package: str) -> None:
    assert faults(helm, render(package=package, deploy=["jenkins-x"])) == []


@pytest.mark.parametrize(("name", "right", "wrong", "message"), PLANTED)
def test_each_planted_fault_is_seen(project: Path, helm: Path, name: str, right: str, wrong: str, message: str) -> None:
    text = (project / name).read_text("utf-8")
    assert right in text
    (project / name).write_text(text.replace(right, wrong, 1), "utf-8")
    assert [line for line in faults(helm, project) if message in line]


def test_nothing_of_it_is_there_unless_it_is_asked_for(render: Render) -> None:
    project = render()
    assert not (project / ".lighthouse").exists()
    assert not (project / "deploy" / "jenkins-x").exists()


def test_both_pipelines_check_and_build_in_the_same_way(rendered: Path) -> None:
    checked = steps(rendered, "pullrequest")
    released = steps(rendered, "release")
    for name in ("test", "variables", "image"):
        assert checked[name] == released[name]
    version = (rendered / ".python-version").read_text("utf-8").strip()
    assert checked["test"]["image"] == f"python:{version}-trixie"


def test_trivy_finds_nothing_severe(rendered: Path) -> None:
    options = ("--severity", "HIGH,CRITICAL", "--exit-code", "1")
    succeed(PROGRAMS / "trivy", "config", "--quiet", "--skip-check-update", *options, rendered, cwd=rendered)


def play(project: Path, tools: Tools, pipeline: str, step: str) -> None:
    """Run a step of a pipeline here; what is at the root of its container is in the folder of the tools."""
    script = steps(project, pipeline)[step]["script"].partition("\n")[2]
    for root in ("/kaniko", "/tekton", "/workspace"):
        script = script.replace(f"{root}/", f"{tools.folder}{root}/")
    completed = subprocess.run(
        ["sh", "-c", script], cwd=project, env=tools.environment, capture_output=True, text=True, check=False
    )
    assert completed.returncode == 0, completed.stderr


@pytest.fixture
def tested(project: Path, tools: Tools) -> Path:
    """A project whose first steps are done."""
    (project / "VERSION").write_text(f"{TAG}\n", encoding="utf-8")
    (project / "artifacts").mkdir()
    (project / "artifacts" / "current").write_text("20261122T160054182736-63de8fce\n", encoding="utf-8")
    secrets = tools.folder / "tekton" / "creds-secrets" / "tekton-container-registry-auth"
    for folder in (secrets, tools.folder / "kaniko" / ".docker"):
        folder.mkdir(parents=True)
    (secrets / ".dockerconfigjson").write_text("{}", encoding="utf-8")
    tools.add("executor").rename(tools.folder / "kaniko" / "executor")
    play(project, tools, "release", "variables")
    return project


def test_the_image_is_built_as_make_builds_it(tested: Path, tools: Tools) -> None:
    play(tested, tools, "release", "image")
    (words,) = tools.calls("executor")
    build_arguments = dict(
        word.removeprefix("--build-arg=").split("=") for word in words if word.startswith("--build-arg=")
    )
    assert build_arguments.pop("CREATED").endswith("Z")
    assert build_arguments == {"VERSION": "0.1.0", "COMMIT": "3f2a9c1b0d4e", "MODEL": "20261122T160054182736-63de8fce"}
    assert f"--destination=ghcr.io/ada/customer-churn:{TAG}" in words
    assert "--dockerfile=deploy/docker/Dockerfile" in words


def test_the_chart_that_is_released_runs_the_image_and_is_promoted(tested: Path, tools: Tools, helm: Path) -> None:
    play(tested, tools, "release", "chart")
    play(tested, tools, "release", "promote")
    *_, released, promoted = tools.calls("jx")
    assert released == ["gitops", "helm", "release", "--charts-dir", "deploy/jenkins-x/charts", "--version", TAG]
    assert promoted[1:6] == ["--batch-mode", "--app", "customer-churn", "--version", TAG]
    succeed(helm, "package", chart_of(tested), cwd=tested)
    assert (tested / f"customer-churn-{TAG}.tgz").is_file()
    (deployment,) = (manifest for manifest in manifests(helm, tested) if manifest["kind"] == "Deployment")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert container["image"] == f"ghcr.io/ada/customer-churn:{TAG}"


def test_a_preview_runs_the_image_of_the_pull_request(tested: Path, tools: Tools, helm: Path) -> None:
    play(tested, tools, "pullrequest", "preview")
    *_, helmfile = tools.calls("jx")[-1]
    variables = {
        "APP_NAME": "customer-churn",
        "DOCKER_REGISTRY": "ghcr.io",
        "DOCKER_REGISTRY_ORG": "ada",
        "VERSION": TAG,
    }
    for file in (folder := (tested / helmfile).parent).iterdir():  # helmfile itself is not to be had here
        text = file.read_text("utf-8")
        for name, value in (variables | {"PREVIEW_NAMESPACE": "jx-pr-1"}).items():
            text = text.replace(f'{{{{ requiredEnv "{name}" }}}}', value)
        assert "{{" not in text
        file.write_text(text, "utf-8")
    (release,) = yaml.safe_load((tested / helmfile).read_text("utf-8"))["releases"]
    assert (folder / release["chart"]).resolve() == chart_of(tested).resolve()
    values = ("--values", str(folder / release["values"][-1]))
    by_kind = {
        manifest["kind"]: manifest for manifest in manifests(helm, tested, *CLUSTER, *values, release=release["name"])
    }
    assert set(by_kind) == {"Deployment", "Service", "Ingress"}
    deployment = by_kind["Deployment"]["spec"]
    assert deployment["replicas"] == 1
    assert deployment["template"]["spec"]["containers"][0]["image"] == f"ghcr.io/ada/customer-churn:{TAG}"


def promote(project: Path, tools: Tools, *words: str) -> subprocess.CompletedProcess[str]:
    return command("make", "promote-jx", *words, cwd=project, env=tools.environment)


@pytest.mark.parametrize(
    "words",
    [
        *[["ENV=production", f"VERSION={tag}"] for tag in ("", "latest", "0.1", "main", "a b", "0.0.0-none-yet")],
        ["ENV=production", "VERSION=0.1.0-3f2a9c1b0d4e-dirty-20261122T160054182736-63de8fce"],
        ["ENV=production"],
        [f"VERSION={TAG}"],
    ],
)
def test_a_promotion_that_is_not_clear_is_refused(project: Path, tools: Tools, words: list[str]) -> None:
    completed = promote(project, tools, *words)
    assert completed.returncode != 0
    assert "Traceback" not in completed.stdout + completed.stderr
    assert tools.calls("jx") == []


def test_a_promotion_is_one_call_of_jx(project: Path, tools: Tools) -> None:
    completed = promote(project, tools, "ENV=production", f"VERSION={TAG}")
    assert completed.returncode == 0, completed.stderr
    assert f"customer-churn {TAG} is promoted to production." in completed.stdout
    options = ["--app", "customer-churn", "--version", TAG, "--env", "production", "--timeout", "1h"]
    assert tools.calls("jx") == [["version"], ["promote", "--batch-mode", *options]]


def test_without_jx_the_doctor_says_so(project: Path, tools: Tools) -> None:
    (tools.folder / "jx").unlink()
    completed = promote(project, tools, "ENV=production", f"VERSION={TAG}")
    assert completed.returncode != 0
    assert "MISSING  jx" in completed.stdout
    assert "is promoted" not in completed.stdout
