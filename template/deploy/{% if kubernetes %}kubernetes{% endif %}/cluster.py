"""Run kubectl against a cluster, and describe why a pod or a roll-out is not ready."""

import json
import subprocess
from dataclasses import dataclass

from overlay import RefusedError, run
from pods import Object

ROLLOUT_TIMEOUT = "6m"  # for a roll-out; the Deployment itself gives up after progressDeadlineSeconds
MAX_EVENTS = 5


class UnreachableError(RefusedError):
    """The cluster gave no answer."""


@dataclass(frozen=True)
class Cluster:
    """A namespace of the cluster that a context of kubectl leads to."""

    context: str
    namespace: str

    def kubectl(self, *args: str, text: str | None = None, show: bool = False) -> subprocess.CompletedProcess[str]:
        """Run kubectl in the namespace; a failure raises nothing."""
        return run("kubectl", "--context", self.context, "--namespace", self.namespace, *args, text=text, show=show)

    def check_output(self, *args: str, text: str | None = None) -> str:
        """Run kubectl in the namespace and return its output.

        Raises:
            UnreachableError: it failed.
        """
        result = self.kubectl(*args, text=text)
        if result.returncode != 0:
            lines = "\n".join(dict.fromkeys(result.stderr.strip().splitlines()))  # it repeats some lines four times
            raise UnreachableError(f"kubectl {args[0]}, in context {self.context}: {lines}")
        return result.stdout

    def get(self, kinds: str, *args: str) -> list[Object]:
        """Return the objects of some kinds."""
        output = self.check_output("get", kinds, *args, "--output=json", "--request-timeout=20s")
        return list(json.loads(output)["items"])


def connect(context: str, namespace: str) -> Cluster:
    """Return the namespace in `context`, or in the current context of kubectl.

    Raises:
        UnreachableError: kubectl has none.
    """
    result = run("kubectl", "config", "current-context")
    if not context and result.returncode != 0:
        raise UnreachableError("kubectl has no context. Choose one with kubectl config use-context, or with CONTEXT=")
    return Cluster(context or result.stdout.strip(), namespace)


def warnings(cluster: Cluster) -> list[str]:
    """Return the last warnings of the namespace."""
    events = cluster.get("events", "--field-selector=type=Warning")
    events.sort(key=lambda event: str(event.get("lastTimestamp") or event.get("eventTime") or ""))
    return [
        f"{event['involvedObject'].get('name')}: {event.get('reason')}: {' '.join(str(event.get('message')).split())}"
        for event in events[-MAX_EVENTS:]
    ]


def wait_for_rollout(cluster: Cluster, deployment: str) -> bool:
    """Wait for a roll-out and show its progress; if it fails, print why and return False."""
    command = ("rollout", "status", f"deployment/{deployment}", f"--timeout={ROLLOUT_TIMEOUT}")
    if cluster.kubectl(*command, show=True).returncode == 0:
        return True
    print("The roll-out has not come to its end. The old pods go on answering.")
    pods = [pod for pod in cluster.get("pods") if pod["metadata"]["name"].startswith(f"{deployment}-")]
    reasons = [f"{pod['metadata']['name']}: {text}" for pod in pods if (text := reason(pod))]
    print("\n".join([*reasons, *warnings(cluster)]))
    return False


def reason(pod: Object) -> str:
    """Return why a pod is not ready, or an empty string."""
    status = pod.get("status", {})
    for container_status in [*status.get("initContainerStatuses", ()), *status.get("containerStatuses", ())]:
        waiting = container_status.get("state", {}).get("waiting")
        last = container_status.get("lastState", {}).get("terminated")
        if waiting:
            code = f" (it last ended with exit code {last.get('exitCode')}, {last.get('reason')})" if last else ""
            return " ".join(f"{waiting.get('reason')}: {waiting.get('message', '')}".split()).rstrip(":") + code
        terminated = container_status.get("state", {}).get("terminated")
        if terminated and terminated.get("exitCode"):
            return f"ended with exit code {terminated['exitCode']}, {terminated.get('reason')}"
    for condition in status.get("conditions", ()):
        if condition.get("type") == "PodScheduled" and condition.get("status") != "True":
            return f"{condition.get('reason')}: {condition.get('message')}"
    return str(status.get("reason") or "")
