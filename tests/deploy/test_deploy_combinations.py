"""Whatever places to run and pipelines are chosen together, each brings the same files as alone, and all are valid."""

import itertools
import json
import sys
from pathlib import Path

import pytest
import yaml

from ..conftest import Render, succeed, unrendered_files
from ..support.environments import lend
from ..template.test_hooks import hook

TOOLS = Path(sys.executable).parent
PLACES = ("kubernetes", "cloud-run", "app-runner", "jenkins-x")
CHOICES = [choice for size in range(len(PLACES) + 1) for choice in itertools.combinations(PLACES, size)]


def contents(project: Path) -> dict[str, bytes]:
    files = {path.relative_to(project).as_posix(): path for path in project.rglob("*") if path.is_file()}
    return {name: path.read_bytes() for name, path in files.items() if name != ".copier-answers.yml"}


@pytest.mark.parametrize("ci", ["github", *(pytest.param(ci, marks=pytest.mark.slow) for ci in ("gitlab", "none"))])
def test_what_is_chosen_together_is_the_sum_of_what_is_chosen_alone(render: Render, ci: str) -> None:
    files = {
        choice: contents(
            render("-".join(["p", *choice]), package="churn", project_name="Churn", deploy=[*choice], ci=ci)
        )
        for choice in CHOICES
    }
    for choice in CHOICES:
        expected = files[()].copy()
        for place in choice:
            expected |= files[place,]
        assert files[choice] == expected, choice


@pytest.mark.parametrize("ci", ["github", "gitlab", "none"])
def test_every_yaml_and_json_file_can_be_read_and_names_images_that_stay(render: Render, ci: str) -> None:
    project = render(deploy=[*PLACES], ci=ci)
    image_tags = hook("image_tags")
    assert unrendered_files(project) == []
    charts = set(project.glob("deploy/jenkins-x/charts/*/templates/*"))  # rendered by Helm in test_jenkins_x.py
    for path in set(project.rglob("*")) - charts:
        if path.suffix in (".yaml", ".yml"):
            list(yaml.safe_load_all(path.read_text(encoding="utf-8")))
        elif path.suffix == ".json":
            json.loads(path.read_text(encoding="utf-8"))
        else:
            continue
        assert image_tags.faults(path) == []


@pytest.mark.parametrize("ci", ["github", "gitlab"])
def test_a_project_with_all_of_them_is_committed_clean(
    render: Render, generated: Path, offline: dict[str, str], ci: str
) -> None:
    project = render(deploy=[*PLACES], ci=ci)
    succeed("git", "init", "--quiet", cwd=project)
    lend(generated / ".venv", project)
    succeed("git", "add", "--all", cwd=project)
    output = succeed(".venv/bin/pre-commit", "run", "--all-files", cwd=project, env=offline)
    assert "Failed" not in output
    assert succeed("git", "diff", cwd=project) == ""


@pytest.mark.parametrize("ci", ["github", "gitlab"])
def test_trivy_finds_nothing_severe(render: Render, ci: str) -> None:
    project = render(deploy=[*PLACES], ci=ci)
    options = ("--severity", "HIGH,CRITICAL", "--exit-code", "1", "--skip-check-update", "--quiet")
    output = succeed(TOOLS / "trivy", "config", *options, ".", cwd=project)
    assert "deploy/docker/Dockerfile" in output
    assert "deploy/kubernetes/base/deployment.yaml" in output
