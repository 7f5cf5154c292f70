"""Predict a table in the cluster, by the same image tag as the API, and copy tables there and back."""

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
PAUSE = 2  # seconds between two looks
START = "3m"  # for the pod that copies


def predict(cluster: Cluster, rendered: Rendered, rows: str, answers: str) -> int:
    """Make a Job of the pattern that the cluster has, and wait for its end.

    Args:
        cluster: where.
        rendered: the manifests, which say what the pattern is called.
        rows: the file to predict, in the volume of the tables; empty for the one in the manifest.
        answers: the file to write there.

    Raises:
        RefusedError: a file lies outside of the volume, the pattern is not there, or the Job failed.
    """
    if bool(rows) != bool(answers):
        raise RefusedError("Say which files, both of them: IN=rows.csv OUT=answers.csv")
    job = _job(cluster, rendered)
    container = job["spec"]["template"]["spec"]["containers"][0]
    if rows:
        container["args"] = ["predict", _place(rows), _place(answers)]
    made = cluster.must("create", "--filename=-", "--output=name", text=json.dumps(job)).strip()
    print(f"{made} runs {container['image']}: {' '.join(container['args'])}", flush=True)
    try:
        ended = _wait(cluster, made)
    except KeyboardInterrupt:
        raise RefusedError(f"{made} goes on. Stop it with: kubectl -n {cluster.namespace} delete {made}") from None
    print(cluster.kubectl("logs", made, "--tail=20").stdout, end="")
    if ended != "Complete":
        raise RefusedError(f"{made} failed, and wrote no answers that could be trusted.")
    print(f"The answers are in the volume: {container['args'][-1]}")
    return 0


def copy(cluster: Cluster, rendered: Rendered, sent: str, fetched: str) -> int:
    """Copy a file from here into the volume of the tables, or one from there to here, through a pod for that alone.

    Raises:
        RefusedError: not one file is named, it is not there, or the pod or the copy failed.
    """
    if bool(sent) == bool(fetched):
        raise RefusedError(
            "Say which file: IN=rows.csv copies it to the cluster, OUT=answers.csv brings it from there."
        )
    if sent and not Path(sent).is_file():
        raise RefusedError(f"{sent}: there is no such file here.")
    if ":" in Path(sent or fetched).name:
        raise RefusedError(f'{sent or fetched}: kubectl cp would take it for a pod. Give it a name without ":".')
    if fetched and Path(Path(fetched).name).exists():
        raise RefusedError(f"{Path(fetched).name} is here already. Move it away first.")
    place = _place(Path(sent).name if sent else fetched)
    here = sent or Path(fetched).name
    with _pod(cluster, rendered) as name:
        if sent:  # whoever reads the table meanwhile finds the old one or the new one, and each whole
            cluster.must("cp", here, f"{name}:{place}.part")
            cluster.must("exec", name, "--", "mv", f"{place}.part", place)
        else:
            part = Path(f"{here}.part")
            try:
                cluster.must("cp", f"{name}:{place}", str(part))
                part.replace(here)
            finally:
                part.unlink(missing_ok=True)
    print(f"{here} is now {place} in the cluster." if sent else f"{place} is now {here} here.")
    return 0


@contextmanager
def _pod(cluster: Cluster, rendered: Rendered) -> Iterator[str]:
    """A pod that has the volume, waits, and is gone afterwards."""
    job = _job(cluster, rendered)
    pod = {"apiVersion": "v1", "kind": "Pod", **job["spec"]["template"]}
    pod["metadata"] = {"generateName": job["metadata"]["generateName"], "labels": pod["metadata"]["labels"]}
    pod["spec"]["activeDeadlineSeconds"] = 3600
    pod["spec"]["containers"][0] |= {"command": ["sleep", "3600"], "args": []}
    made = cluster.must("create", "--filename=-", "--output=name", text=json.dumps(pod)).strip()
    name = made.removeprefix("pod/")
    try:
        ready = cluster.kubectl("wait", made, "--for=condition=Ready", f"--timeout={START}")
        if ready.returncode != 0:
            why = [reason(one) for one in cluster.get("pods", f"--field-selector=metadata.name={name}")]
            raise RefusedError(f"{made} does not start: {', '.join(filter(None, why)) or ready.stderr.strip()}")
        yield name
    finally:
        cluster.kubectl("delete", made, "--wait=false", "--grace-period=1")


def _job(cluster: Cluster, rendered: Rendered) -> dict[str, Any]:
    """A Job after the pattern that the cluster has, with a name of its own."""
    pattern = next((one for one in rendered.of("CronJob") if component(one) == "predict"), None)
    if pattern is None:
        raise RefusedError("No CronJob has the label app.kubernetes.io/component: predict, so there is no pattern.")
    name = pattern["metadata"]["name"]
    words = ("create", "job", name, f"--from=cronjob/{name}", "--dry-run=client", "--output=json")
    job: dict[str, Any] = json.loads(cluster.must(*words))
    job["metadata"].pop("name")
    job["metadata"]["generateName"] = f"{name}-"
    return job


def _place(name: str) -> str:
    path = FOLDER / name
    if FOLDER not in path.parents or ".." in path.parts:
        raise RefusedError(f"{name} is not in the volume. Name a file as it is called in {FOLDER}, such as rows.csv")
    return str(path)


def _wait(cluster: Cluster, made: str) -> str:
    """Look until the Job is complete or failed, and tell each new reason for which it stands still."""
    told: set[str] = set()
    while True:
        job: Object = json.loads(cluster.must("get", made, "--output=json"))
        ended = [one["type"] for one in job.get("status", {}).get("conditions", ()) if one["status"] == "True"]
        for kind in ("Complete", "Failed"):
            if kind in ended:
                return kind
        pods = cluster.get("pods", f"--selector=job-name={job['metadata']['name']}")
        for why in {reason(pod) for pod in pods} - told - {""}:
            told.add(why)
            print(f"It waits: {why}", flush=True)
        time.sleep(PAUSE)
