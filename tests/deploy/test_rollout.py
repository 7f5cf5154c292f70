"""Shipping to Kubernetes by make, in a rendered project, with a kubectl that keeps its cluster in a file."""

import json
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from copier import run_copy

from ..conftest import ROOT, command, commit, succeed
from ..support.environments import lend

TAGS = [f"0.1.{number}-3f2a9c1b0d4e-20261122T160054182736-63de8fce" for number in range(3)]
BAD_TAGS = ["", "latest", "main", "1", "0.1", "0.1.0-abc-dirty", "0.1.0-uncommitted-x", "a tag", "-x", "0.0.0-none-yet"]
BAD_TAGS += ["0.1.0-3f2a9c1b0d4e-", "0.1.0/x", "0.1.0\nx", "0.1.0-$(HOME)", "0.1.0';touch x'"]

Object = dict[str, Any]
Change = Callable[[Object], object]


@dataclass
class Ship:
    """A project, and the cluster that its kubectl has."""

    project: Path
    cluster: Path
    environment: dict[str, str]

    def make(self, *words: str) -> tuple[int, str]:
        completed = command("make", "-o", ".venv/ready", *words, cwd=self.project, env=self.environment)
        assert "Traceback" not in completed.stderr, completed.stderr
        return completed.returncode, completed.stdout + completed.stderr

    def python(self, name: str) -> tuple[int, str]:
        words = (".venv/bin/python", "deploy/kubernetes/rollout.py", name)
        completed = command(*words, cwd=self.project, env=self.environment | {"ASKED_ENV": "prod"})
        return completed.returncode, completed.stdout + completed.stderr

    def deploy(self, tag: str, *words: str) -> tuple[int, str]:
        return self.make("deploy", "ENV=prod", f"TAG={tag}", "REGISTRY=ghcr.io/ada", *words)

    @property
    def overlay(self) -> Path:
        return self.project / "deploy" / "kubernetes" / "overlays" / "prod" / "kustomization.yaml"

    @property
    def calls(self) -> list[list[str]]:
        path = self.cluster.with_suffix(".calls")
        return [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.exists() else []

    @property
    def sent(self) -> list[list[str]]:
        changing = ("apply", "rollout", "set", "create")
        return [
            words[4:] for words in self.calls if set(words[4:5]) & set(changing) and "--dry-run=server" not in words
        ]

    def state(self) -> Object:
        state: Object = json.loads(self.cluster.read_text("utf-8"))
        return state

    def change(self, **values: object) -> None:
        self.cluster.write_text(json.dumps(self.state() | values), encoding="utf-8")

    def edit(self, kind: str, change: Change) -> None:
        objects = self.state()["objects"]
        for name in [name for name in objects if name.startswith(f"{kind}/")][:1]:
            change(objects[name])
        self.change(objects=objects)

    def images(self, kind: str) -> set[str]:
        outer_specs = [thing["spec"] for name, thing in self.state()["objects"].items() if name.startswith(f"{kind}/")]
        specs = [spec["jobTemplate"]["spec"] if "jobTemplate" in spec else spec for spec in outer_specs]
        return {spec["template"]["spec"]["containers"][0]["image"] for spec in specs}


@pytest.fixture(scope="session")
def shipped(snapshot: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    project = tmp_path_factory.mktemp("shipped") / "myproj"
    run_copy(str(snapshot), project, data={"deploy": ["kubernetes"], "ci": "none"}, defaults=True, quiet=True)
    succeed("git", "init", "--quiet", cwd=project)
    succeed("git", "config", "core.hooksPath", "/dev/null", cwd=project)
    commit(project, "feat: begin")
    return project


def within(folder: Path, project: Path, environment: dict[str, str]) -> Ship:
    """A copy of a project and of its cluster, if it has one, in `folder`."""
    shutil.copytree(project, folder / "my proj", symlinks=True, ignore=shutil.ignore_patterns(".venv"))
    lend(Path(sys.executable).parents[1], folder / "my proj")  # all that is needed of it is PyYAML
    tools = folder / "tools"
    cluster = folder / "cluster.json"
    earlier = project.parent / "cluster.json"
    tools.mkdir()
    fake = ROOT / "tests" / "support" / "fake_kubectl.py"
    (tools / "kubectl").write_text(f'#!/bin/sh\nexec "{sys.executable}" "{fake}" "$@"\n', encoding="utf-8")
    (tools / "kubectl").chmod(0o755)
    empty = json.dumps({"mode": "well", "objects": {}})
    cluster.write_text(earlier.read_text("utf-8") if earlier.exists() else empty, encoding="utf-8")
    more = {"FAKE_CLUSTER": str(cluster), "REAL_KUBECTL": str(Path(sys.executable).with_name("kubectl"))}
    path = os.pathsep.join([str(tools), environment["PATH"]])
    return Ship(folder / "my proj", cluster, environment | more | {"PATH": path})


@pytest.fixture
def ship(shipped: Path, tmp_path: Path, environment: dict[str, str]) -> Ship:
    """Nothing is deployed yet."""
    return within(tmp_path, shipped, environment)


@pytest.fixture(scope="session")
def deployed(shipped: Path, tmp_path_factory: pytest.TempPathFactory, environment: dict[str, str]) -> Path:
    ship = within(tmp_path_factory.mktemp("deployed"), shipped, environment)
    code, output = ship.deploy(TAGS[0])
    assert code == 0, output
    return ship.project


@pytest.fixture
def running(deployed: Path, tmp_path: Path, environment: dict[str, str]) -> Ship:
    """The first tag is deployed, and runs."""
    return within(tmp_path, deployed, environment)


def test_a_deploy_sends_the_tag_waits_and_lets_git_say_it(ship: Ship) -> None:
    before = ship.overlay.read_text("utf-8").splitlines()
    code, output = ship.deploy(TAGS[0])
    assert code == 0, output
    assert ship.images("deployment") == {f"ghcr.io/ada/myproj:{TAGS[0]}"}
    assert ship.images("cronjob") == {f"ghcr.io/ada/myproj-jobs:{TAGS[0]}"}
    assert [words[:2] for words in ship.sent] == [["apply", "--filename=-"], ["rollout", "status"]]
    after = ship.overlay.read_text("utf-8").splitlines()
    changed = [new.strip() for old, new in zip(before, after, strict=True) if old != new]
    tag = f"newTag: {TAGS[0]}"
    assert changed == ["newName: ghcr.io/ada/myproj", tag, "newName: ghcr.io/ada/myproj-jobs", tag]
    assert "context lab" in output
    assert "git commit -m 'chore: deploy to prod'" in output  # the hooks take no other kind of message
    assert ship.make("deploy", "ENV=prod", f"TAG={TAGS[1]}")[0] == 0  # the registry is kept
    assert ship.images("deployment") == {f"ghcr.io/ada/myproj:{TAGS[1]}"}


def test_a_bad_tag_is_refused_before_kubectl_is_called(ship: Ship) -> None:
    before = ship.overlay.read_bytes()
    for tag in BAD_TAGS:
        code, output = ship.deploy(tag)
        assert code != 0, tag
        assert "TAG: " in output, tag
    assert ship.calls == []
    assert ship.overlay.read_bytes() == before


ASKED_WRONGLY = [
    (("ENV=prod",), "is an example"),
    (("ENV=prod", "REGISTRY=https://ghcr.io/ada"), "no registry"),
    (("ENV=staging",), "Say which of dev, prod"),
    (("ENV=../overlays/prod",), "Say which of dev, prod"),
    ((), "ENV is missing"),
]


def test_what_was_asked_wrongly_is_refused_before_kubectl_is_called(ship: Ship) -> None:
    before = ship.overlay.read_bytes()
    for words, text in ASKED_WRONGLY:
        code, output = ship.make("deploy", *words, f"TAG={TAGS[0]}")
        assert code != 0, words
        assert text in output
    assert ship.calls == []
    assert ship.overlay.read_bytes() == before


@pytest.mark.parametrize(("mode", "text"), [("deny", "MISSING"), ("away", "MISSING"), ("refuse", "exceeded quota")])
def test_nothing_is_sent_or_written_where_the_cluster_would_refuse(running: Ship, mode: str, text: str) -> None:
    before = running.overlay.read_bytes()
    sent = len(running.sent)
    running.change(mode=mode)
    code, output = running.deploy(TAGS[1])
    assert code != 0
    assert text in output
    assert len(running.sent) == sent
    assert running.overlay.read_bytes() == before


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        ("maxReplicas: 10", "maxReplicas: 2", "minReplicas 3 is above maxReplicas 2"),
        ("namespace: ", "spacename: ", "kustomize refuses it"),
        ("  - name: jobs", "  - name: workers", "nothing says which jobs"),
        ("images:", "pictures:", "there is no api"),
        ("spec: {minReplicas", "spec: {scaleTargetRef: null, minReplicas", "a field is missing"),
        (
            "    newTag: 0.0.0-none-yet\n  - name: jobs",
            f"    newTag: x\n    digest: sha256:{64 * '0'}\n  - name: jobs",
            "no digest",
        ),
    ],
)
def test_manifests_that_do_not_hold_together_are_not_sent(ship: Ship, old: str, new: str, text: str) -> None:
    before = ship.overlay.read_text("utf-8")
    assert old in before
    broken = before.replace(old, new)
    ship.overlay.write_text(broken, encoding="utf-8")
    code, output = ship.deploy(TAGS[0])
    assert code != 0
    assert text in output
    assert ship.sent == []
    assert ship.overlay.read_text("utf-8") == broken
    assert ship.make("manifests", "ENV=prod")[0] != 0 or "jobs" in text


def test_a_roll_out_that_fails_is_explained(running: Ship) -> None:
    running.change(mode="pull")
    code, output = running.deploy(TAGS[1])
    assert code != 0
    assert "ImagePullBackOff" in output
    assert "manifest unknown" in output
    assert "make deploy-undo ENV=prod" in output


def test_what_was_taken_in_part_is_said(ship: Ship) -> None:
    ship.change(mode="part")
    code, output = ship.deploy(TAGS[0])
    assert code != 0
    assert "Not all of it was taken" in output
    assert "services is forbidden" in output


def test_a_context_goes_to_every_call_to_the_cluster(ship: Ship) -> None:
    assert ship.deploy(TAGS[0], "CONTEXT=other")[0] == 0
    cluster_calls = [words for words in ship.calls if words[0] not in ("kustomize", "version", "config")]
    assert {tuple(words[:4]) for words in cluster_calls} == {("--context", "other", "--namespace", "myproj-prod")}


def test_what_is_printed_is_what_is_sent(ship: Ship) -> None:
    code, output = ship.make("--silent", "manifests", "ENV=prod")
    assert code == 0
    assert output == succeed(ship.environment["REAL_KUBECTL"], "kustomize", ship.overlay.parent, cwd=ship.project)
