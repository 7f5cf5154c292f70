"""Predict a table in the cluster, by the same image tag as the API, and copy tables to and from the cluster."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from cluster import Cluster, reason
from overlay import RefusedError, Rendered, component
from pods import Object

FOLDER = PurePosixPath("/tables")
POLL_EVERY_S = 2
START_TIMEOUT = "3m"  # of the pod that copies


def predict(cluster: Cluster, rendered: Rendered, input_file: str, output_file: str) -> int:
    """Create a Job from the CronJob in the cluster, and wait for its end.

    Args:
        cluster: where the Job runs.
        rendered: the manifests, which name the CronJob.
        input_file: the table to predict, in the volume of the tables; empty for that in the manifest.
        output_file: the file to write in the volume.

    Raises:
        RefusedError: a file lies outside of the volume, there is no CronJob, or the Job failed.
    """
    if bool(input_file) != bool(output_file):
        raise RefusedError("Say which files, both of them: IN=rows.csv OUT=answers.csv")
    job = _job_from_cronjob(cluster, rendered)
    container = job["spec"]["template"]["spec"]["containers"][0]
    if input_file:
        container["args"] = ["predict", _volume_path(input_file), _volume_path(output_file)]
    job_name = cluster.check_output("create", "--filename=-", "--output=name", text=json.dumps(job)).strip()
    print(f"{job_name} runs {container['image']}: {' '.join(container['args'])}", flush=True)
    try:
        condition = _wait_for_end(cluster, job_name)
    except KeyboardInterrupt:
        raise RefusedError(
            f"{job_name} goes on. Stop it with: kubectl -n {cluster.namespace} delete {job_name}"
        ) from None
    print(cluster.kubectl("logs", job_name, "--tail=20").stdout, end="")
    if condition != "Complete":
        raise RefusedError(f"{job_name} failed, and wrote no answers that could be trusted.")
    print(f"The answers are in the volume: {container['args'][-1]}")
    return 0


def copy(cluster: Cluster, rendered: Rendered, upload: str, download: str) -> int:
    """Copy a local file into the volume of the tables, or a file of the volume to this folder, by a temporary pod.

    Raises:
        RefusedError: none or two files are named, it does not exist, or the pod or the copy failed.
    """
    if bool(upload) == bool(download):
        raise RefusedError(
            "Say which file: IN=rows.csv copies it to the cluster, OUT=answers.csv brings it from there."
        )
    if upload and not Path(upload).is_file():
        raise RefusedError(f"{upload}: there is no such file here.")
    if ":" in Path(upload or download).name:
        raise RefusedError(f'{upload or download}: kubectl cp would take it for a pod. Give it a name without ":".')
    if download and Path(Path(download).name).exists():
        raise RefusedError(f"{Path(download).name} is here already. Move it away first.")
    remote_path = _volume_path(Path(upload).name if upload else download)
    local_path = upload or Path(download).name
    with _copy_pod(cluster, rendered) as name:
        if upload:  # atomic: a reader gets the old table or the new one
            cluster.check_output("cp", local_path, f"{name}:{remote_path}.part")
            cluster.check_output("exec", name, "--", "mv", f"{remote_path}.part", remote_path)
        else:
            partial_path = Path(f"{local_path}.part")
            try:
                cluster.check_output("cp", f"{name}:{remote_path}", str(partial_path))
                partial_path.replace(local_path)
            finally:
                partial_path.unlink(missing_ok=True)
    print(
        f"{local_path} is now {remote_path} in the cluster." if upload else f"{remote_path} is now {local_path} here."
    )
    return 0


@contextmanager
def _copy_pod(cluster: Cluster, rendered: Rendered) -> Iterator[str]:
    """Yield the name of a pod that mounts the volume and sleeps; it is deleted afterwards."""
    job = _job_from_cronjob(cluster, rendered)
    pod = {"apiVersion": "v1", "kind": "Pod", **job["spec"]["template"]}
    pod["metadata"] = {"generateName": job["metadata"]["generateName"], "labels": pod["metadata"]["labels"]}
    pod["spec"]["activeDeadlineSeconds"] = 3600
    pod["spec"]["containers"][0] |= {"command": ["sleep", "3600"], "args": []}
    resource = cluster.check_output("create", "--filename=-", "--output=name", text=json.dumps(pod)).strip()
    name = resource.removeprefix("pod/")
    try:
        ready = cluster.kubectl("wait", resource, "--for=condition=Ready", f"--timeout={START_TIMEOUT}")
        if ready.returncode != 0:
            pods = cluster.get("pods", f"--field-selector=metadata.name={name}")
            reasons = [reason(item) for item in pods]
            raise RefusedError(f"{resource} does not start: {', '.join(filter(None, reasons)) or ready.stderr.strip()}")
        yield name
    finally:
        cluster.kubectl("delete", resource, "--wait=false", "--grace-period=1")


def _job_from_cronjob(cluster: Cluster, rendered: Rendered) -> dict[str, Any]:
    """Return a Job made from the CronJob in the cluster, with a generated name."""
    cronjob = next((obj for obj in rendered.of_kind("CronJob") if component(obj) == "predict"), None)
    if cronjob is None:
        raise RefusedError("No CronJob has the label app.kubernetes.io/component: predict, so there is no pattern.")
    name = cronjob["metadata"]["name"]
    command = ("create", "job", name, f"--from=cronjob/{name}", "--dry-run=client", "--output=json")
    job: dict[str, Any] = json.loads(cluster.check_output(*command))
    job["metadata"].pop("name")
    job["metadata"]["generateName"] = f"{name}-"
    return job


def _volume_path(name: str) -> str:
    path = FOLDER / name
    if FOLDER not in path.parents or ".." in path.parts:
        raise RefusedError(f"{name} is not in the volume. Name a file as it is called in {FOLDER}, such as rows.csv")
    return str(path)


def _wait_for_end(cluster: Cluster, job_name: str) -> str:
    """Wait until the Job is complete or failed, and print each new reason for which it waits."""
    reported: set[str] = set()
    while True:
        job: Object = json.loads(cluster.check_output("get", job_name, "--output=json"))
        conditions = [
            condition["type"]
            for condition in job.get("status", {}).get("conditions", ())
            if condition["status"] == "True"
        ]
        for kind in ("Complete", "Failed"):
            if kind in conditions:
                return kind
        pods = cluster.get("pods", f"--selector=job-name={job['metadata']['name']}")
        for waiting_reason in {reason(pod) for pod in pods} - reported - {""}:
            reported.add(waiting_reason)
            print(f"It waits: {waiting_reason}", flush=True)
        time.sleep(POLL_EVERY_S)
