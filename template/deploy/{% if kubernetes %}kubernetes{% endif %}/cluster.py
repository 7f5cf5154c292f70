"""Ask a cluster what it runs, and say in words why something does not."""

import json
import subprocess
from dataclasses import dataclass

from overlay import RefusedError, run
from pods import Object

PATIENCE = "6m"  # for a roll-out; the Deployment itself gives up after progressDeadlineSeconds
EVENTS = 5


class UnreachableError(RefusedError):
    """The cluster gave no answer."""


@dataclass(frozen=True)
class Cluster:
    """A namespace of the cluster that a context of kubectl leads to."""

    context: str
    namespace: str

    def kubectl(self, *words: str, text: str | None = None, show: bool = False) -> subprocess.CompletedProcess[str]:
        """Run kubectl there, whatever comes of it."""
        return run("kubectl", "--context", self.context, "--namespace", self.namespace, *words, text=text, show=show)

    def must(self, *words: str, text: str | None = None) -> str:
        """Run kubectl there and return what it prints.

        Raises:
            UnreachableError: it failed.
        """
        said = self.kubectl(*words, text=text)
        if said.returncode != 0:
            lines = "\n".join(dict.fromkeys(said.stderr.strip().splitlines()))  # it says some things four times
            raise UnreachableError(f"kubectl {words[0]}, in context {self.context}: {lines}")
        return said.stdout

    def get(self, kinds: str, *words: str) -> list[Object]:
        """The objects of some kinds."""
        return list(json.loads(self.must("get", kinds, *words, "--output=json", "--request-timeout=20s"))["items"])


def connect(context: str, namespace: str) -> Cluster:
    """The namespace in the context that is named, or in the one that kubectl has.

    Raises:
        UnreachableError: kubectl has none.
    """
    said = run("kubectl", "config", "current-context")
    if not context and said.returncode != 0:
        raise UnreachableError("kubectl has no context. Choose one with kubectl config use-context, or with CONTEXT=")
    return Cluster(context or said.stdout.strip(), namespace)


def warnings(cluster: Cluster) -> list[str]:
    """The last warnings of the namespace."""
    events = cluster.get("events", "--field-selector=type=Warning")
    events.sort(key=lambda event: str(event.get("lastTimestamp") or event.get("eventTime") or ""))
    return [
        f"{event['involvedObject'].get('name')}: {event.get('reason')}: {' '.join(str(event.get('message')).split())}"
        for event in events[-EVENTS:]
    ]


def wait(cluster: Cluster, deployment: str) -> bool:
    """Wait for a roll-out, showing how far it is; if it fails, say why."""
    if (
        cluster.kubectl("rollout", "status", f"deployment/{deployment}", f"--timeout={PATIENCE}", show=True).returncode
        == 0
    ):
        return True
    print("The roll-out has not come to its end. The old pods go on answering.")
    pods = [pod for pod in cluster.get("pods") if pod["metadata"]["name"].startswith(f"{deployment}-")]
    why = [f"{pod['metadata']['name']}: {text}" for pod in pods if (text := reason(pod))]
    print("\n".join([*why, *warnings(cluster)]))
    return False


def reason(pod: Object) -> str:
    """Why a pod is not ready, or nothing."""
    status = pod.get("status", {})
    for one in [*status.get("initContainerStatuses", ()), *status.get("containerStatuses", ())]:
        waiting = one.get("state", {}).get("waiting")
        last = one.get("lastState", {}).get("terminated")
        if waiting:
            code = f" (it last ended with exit code {last.get('exitCode')}, {last.get('reason')})" if last else ""
            return " ".join(f"{waiting.get('reason')}: {waiting.get('message', '')}".split()).rstrip(":") + code
        ended = one.get("state", {}).get("terminated")
        if ended and ended.get("exitCode"):
            return f"ended with exit code {ended['exitCode']}, {ended.get('reason')}"
    for condition in status.get("conditions", ()):
        if condition.get("type") == "PodScheduled" and condition.get("status") != "True":
            return f"{condition.get('reason')}: {condition.get('message')}"
    return str(status.get("reason") or "")
