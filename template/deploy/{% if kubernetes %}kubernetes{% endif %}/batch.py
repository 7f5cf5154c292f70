"""Predict a table in the cluster, by the same image tag as the API."""

import json
import time
from pathlib import PurePosixPath
from typing import Any

from cluster import Cluster, reason
from overlay import RefusedError, Rendered, component
from pods import Object

FOLDER = PurePosixPath("/tables")
PAUSE = 2  # seconds between two looks


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
    pattern = next((one for one in rendered.of("CronJob") if component(one) == "predict"), None)
    if pattern is None:
        raise RefusedError("No CronJob has the label app.kubernetes.io/component: predict, so there is no pattern.")
    if bool(rows) != bool(answers):
        raise RefusedError("Say which files, both of them: IN=rows.csv OUT=answers.csv")
    name = pattern["metadata"]["name"]
    words = ("create", "job", name, f"--from=cronjob/{name}", "--dry-run=client", "--output=json")
    job: dict[str, Any] = json.loads(cluster.must(*words))
    job["metadata"].pop("name")
    job["metadata"]["generateName"] = f"{name}-"
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
