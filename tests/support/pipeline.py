"""Reads the pipelines of a project, and runs their scripts as GitHub and GitLab do."""

import json
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import yaml

from ..conftest import clone, succeed

SECRETS = {"github.token": "token-5f", "secrets.COSIGN_KEY": "key-5f", "secrets.COSIGN_PASSWORD": "pass-5f"}
RECORDER = """#!/bin/sh
# Stands in for docker, trivy, cosign, gh, apt-get and, to fetch tools, python3: it writes down what it was asked, and
# fails if that is like $FAILS.
case "$0 $1" in
*/python3\\ deploy/ci/get_tools.py) ;;
*/python3\\ *) exec {python} "$@" ;;
esac
echo "$(basename "$0") $*" >> "$RECORD"
case "$*" in *--password-stdin*) cat >> "$RECORD.stdin" ;; esac
case "$*" in "image inspect "*) echo '[{{"RepoDigests": {digests}}}]' ;; esac
case "$(basename "$0") $*" in $FAILS) exit 1 ;; esac
"""
# The same content may have been pushed to other repositories, too.
DIGESTS = ["ghcr.io/ada/other@sha256:0f", "ghcr.io/ada/myproj@sha256:5f", "ghcr.io/ada/myproj-jobs@sha256:6f"]


def stand_ins(folder: Path, *names: str, digests: list[str] = DIGESTS) -> dict[str, str]:
    """Stand-ins for programs, in `folder`, and the variables that they need, but for the PATH."""
    (folder / "bin").mkdir(exist_ok=True)
    for name in names:
        text = RECORDER.format(python=sys.executable, digests=json.dumps(digests))
        (folder / "bin" / name).write_text(text, encoding="utf-8")
        (folder / "bin" / name).chmod(0o755)
    return {"RECORD": str(folder / "record"), "FAILS": ""}


def workflow(project: Path, name: str) -> dict[Any, Any]:
    return dict(yaml.safe_load((project / ".github" / "workflows" / f"{name}.yml").read_text("utf-8")))


def steps(project: Path) -> list[dict[str, Any]]:
    jobs = [job for name in ("test", "release") for job in workflow(project, name)["jobs"].values()]
    return [step for job in jobs for step in job.get("steps", [job])]


def gitlab(project: Path) -> dict[str, Any]:
    return dict(yaml.safe_load((project / ".gitlab-ci.yml").read_text("utf-8")))


def scripts(project: Path) -> list[str]:
    """Every script of a pipeline, in the order in which a release runs them."""
    if (project / ".github").is_dir():
        return [step["run"] for step in steps(project) if "run" in step]
    jobs = gitlab(project)
    return [line for name in ("test", "publish", "release") for line in jobs[name]["script"]]


def targets(lines: list[str]) -> list[str]:
    """The targets that scripts give to make, in their order."""
    lines = [line for text in lines for line in text.splitlines()]
    called = [match for line in lines for match in re.findall(r"\bmake ((?:[a-z][a-z-]*(?: |$))+)", line)]
    return [word for words in called for word in words.split()]


class Runner:
    """Runs scripts as GitHub and GitLab do, with stand-ins for what reaches outside."""

    def __init__(self, folder: Path, generated: Path, environment: dict[str, str], names: tuple[str, ...]) -> None:
        stand_in_variables = stand_ins(folder, *names)
        self.folder = folder
        self.generated = generated
        self.record = folder / "record"
        self.environment = environment | {
            **stand_in_variables,
            "PATH": f"{folder / 'bin'}:{environment['PATH']}",
            **{"GITHUB_STEP_SUMMARY": str(folder / "page"), "GITHUB_OUTPUT": str(folder / "output")},
            **{"GITHUB_REF_NAME": "v0.1.0", "GITHUB_ACTOR": "ada", "GITHUB_REPOSITORY_OWNER": "Ada"},
            **{"CI_COMMIT_TAG": "v0.1.0", "CI_REGISTRY": "ghcr.io", "CI_REGISTRY_IMAGE": "ghcr.io/ada"},
            **{"CI_REGISTRY_USER": "ada", "CI_REGISTRY_PASSWORD": SECRETS["github.token"]},
        }

    def checkout(self, name: str) -> Path:
        return clone(self.generated, self.folder / name)

    def bash(self, text: str, folder: Path, **variables: str) -> str:
        shell = ("bash", "--noprofile", "--norc", "-eo", "pipefail", "-c")
        return succeed(*shell, text, cwd=folder, env=self.environment | variables)

    def github(self, job: dict[str, Any], folder: Path) -> None:
        """Run a job of GitHub; what it uploads lies in `model`, where the next finds it."""
        secrets = dict(SECRETS)
        if (self.folder / "output").exists():
            secrets["needs.publish.outputs.tag"] = (
                (self.folder / "output").read_text("utf-8").removeprefix("tag=").strip()
            )
        for step in job["steps"]:
            if "upload-artifact" in step.get("uses", ""):
                for name in step["with"]["path"].split():
                    carry(folder / name, self.folder / "model" / name)
            elif "download-artifact" in step.get("uses", ""):
                shutil.copytree(self.folder / "model", folder, dirs_exist_ok=True)
            variables = {
                name: re.sub(r"\${{ (.*) }}", lambda m: secrets.get(m[1], ""), v)
                for name, v in step.get("env", {}).items()
            }
            self.bash(step.get("run", ""), folder, **variables)


def calls(runner: Runner) -> list[str]:
    """The first words of what the stand-ins were asked, without mere looks."""
    lines = runner.record.read_text("utf-8").splitlines()
    assert not any(secret in line for line in lines for secret in SECRETS.values()), "a secret is among the arguments"
    return [" ".join(line.split()[:2]) for line in lines if not line.startswith("docker image inspect")]


def carry(source: Path, destination: Path) -> None:
    destination.parent.mkdir(parents=True, exist_ok=True)
    shutil.copytree(source, destination) if source.is_dir() else shutil.copy(source, destination)
