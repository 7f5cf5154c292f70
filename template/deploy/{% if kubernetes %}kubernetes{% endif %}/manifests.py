"""Check rendered manifests against each other, before anything is sent.

A schema looks at one object and lets most mistakes pass: a Service that selects nothing, a budget that blocks every
upgrade of a node. An API server refuses some when half of the objects are sent already; the rest shows in the night.
"""

import re
import sys
from collections.abc import Callable, Iterator
from math import ceil
from pathlib import Path

import pod_security
import pods
import schedule
import texts
from pods import LABEL, Object, Pod, repeated, title

sys.path.append(str(Path(__file__).parents[2] / "hooks"))
import image_tags

SUBDOMAIN = re.compile(r"(?=.{1,253}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
MAX_NAME_LENGTH = {"CronJob": 52}  # each Job appends 11 characters to its name
LABEL_NAMED_KINDS = ("Namespace", "Service", "Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob")
CLUSTER_SCOPED = {
    *("Namespace", "PersistentVolume", "StorageClass", "PriorityClass", "IngressClass", "RuntimeClass", "APIService"),
    *("CustomResourceDefinition", "CSIDriver", "VolumeSnapshotClass", "GatewayClass", "ValidatingAdmissionPolicy"),
    *("ValidatingWebhookConfiguration", "MutatingWebhookConfiguration"),
}  # and whatever begins with Cluster
PATH_TYPES = ("Prefix", "Exact", "ImplementationSpecific")


class Manifests:
    """The objects that are sent together, with lookups by name and by selector."""

    def __init__(self, objects: list[Object]) -> None:
        self.objects = objects
        self.pods = pods.pods(objects)

    def find(self, kind: str, name: str) -> Object | None:
        """Return the object of that kind and name, or None."""
        return next((obj for obj in self.objects if (obj["kind"], obj["metadata"].get("name")) == (kind, name)), None)

    def matching_pods(self, selector: Object) -> list[Pod]:
        """Return the pods that a selector matches."""
        return [pod for pod in self.pods if _matches(selector, pod.labels)]


def faults(objects: list[Object]) -> list[str]:
    """Return one message for each fault of objects that are to be sent together: where, what and what to do."""
    manifests = Manifests(objects)
    messages = [*_check_names(manifests), *_check_namespaces(manifests)]
    for obj in objects:
        messages += _with_title(obj, texts.faults(obj))
        if check := CHECKS.get(obj["kind"]):
            messages += _with_title(obj, check(obj, manifests))
    for pod in manifests.pods:
        messages += [*_with_title(pod.owner, pods.faults(pod, objects)), *_with_title(pod.owner, _check_images(pod))]
        if pod_security.enforced(objects):
            messages += _with_title(pod.owner, pod_security.faults(pod))
    return messages


def _with_title(obj: Object, messages: Iterator[str]) -> Iterator[str]:
    try:
        for message in messages:
            yield f"{title(obj)}: {message}"
    except pods.MALFORMED_ERRORS as error:
        yield f"{title(obj)}: {pods.describe_malformed(error)}"


def _check_names(manifests: Manifests) -> Iterator[str]:
    for name in repeated(title(obj) for obj in manifests.objects):
        yield f"{name}: it comes twice; rename or remove one"
    for obj in manifests.objects:
        kind = obj["kind"]
        name = obj["metadata"].get("name", "")
        if not name and "generateName" in obj["metadata"]:
            yield f"{obj['kind']}/{obj['metadata']['generateName']}*: kubectl apply needs a name; give it one"
            continue
        if "rbac.authorization.k8s.io" in obj["apiVersion"] and re.fullmatch(r"(?!\.\.?$)[^/%]+", name):
            continue
        pattern = LABEL if kind in LABEL_NAMED_KINDS else SUBDOMAIN
        limit = MAX_NAME_LENGTH.get(kind, 63) if kind in LABEL_NAMED_KINDS else 253
        if not pattern.fullmatch(name) or len(name) > limit:
            yield f"{title(obj)}: that is no name; take at most {limit} small letters, digits and -, none at an end"


def _check_namespaces(manifests: Manifests) -> Iterator[str]:
    namespaces = [obj["metadata"].get("namespace") for obj in manifests.objects if not _is_cluster_scoped(obj["kind"])]
    namespaces += [obj["metadata"]["name"] for obj in manifests.objects if obj["kind"] == "Namespace"]
    if len(set(namespaces)) > 1 or None in namespaces:
        names = ", ".join(sorted({str(namespace or "none") for namespace in namespaces}))
        yield f"kustomization.yaml: objects are in more than one namespace ({names}); set namespace: for all of them"


def _is_cluster_scoped(kind: str) -> bool:
    return kind in CLUSTER_SCOPED or kind.startswith("Cluster")


def _check_images(pod: Pod) -> Iterator[str]:
    for container in pod.containers:
        name = container.get("image") or "none"
        if problem := image_tags.fault_of_image(name):
            yield f"container {container['name']}: {problem} ({name}); name one that stays, or a digest"


def _check_deployment(obj: Object, manifests: Manifests) -> Iterator[str]:
    spec = obj["spec"]
    pod = next(pod for pod in manifests.pods if pod.owner is obj)
    if not _matches(spec.get("selector", {}), pod.labels) or not spec.get("selector"):
        yield "its selector does not match the labels of its own pods; make them the same"
    rolling_update = spec.get("strategy", {}).get("rollingUpdate") or {}
    if [str(rolling_update.get(name, "25%")).rstrip("%") for name in ("maxSurge", "maxUnavailable")] == ["0", "0"]:
        yield "maxSurge and maxUnavailable are both 0, so no pod could ever be replaced; set maxSurge: 1"
    if spec.get("progressDeadlineSeconds", 600) <= spec.get("minReadySeconds", 0):
        yield "progressDeadlineSeconds is not above minReadySeconds; raise it"


def _check_service(obj: Object, manifests: Manifests) -> Iterator[str]:
    spec = obj["spec"]
    ports = spec.get("ports", [])
    selected_pods = manifests.matching_pods({"matchLabels": spec.get("selector", {})}) if spec.get("selector") else []
    if spec.get("selector") and not selected_pods:
        yield "its selector finds no pods; repeat the labels of the pods that it is for"
    for port in ports:
        target = port.get("targetPort", port["port"])
        if selected_pods and not any(pod.has_port(target) for pod in selected_pods):
            yield f"targetPort {target} is no port of its pods; name one of theirs"
    for name in repeated(port.get("name") for port in ports):
        yield f"two ports are called {name}; rename one"
    for number, _ in repeated((port["port"], port.get("protocol", "TCP")) for port in ports):
        yield f"port {number} comes twice; change one"


def _check_ingress(obj: Object, manifests: Manifests) -> Iterator[str]:
    backends = [obj["spec"]["defaultBackend"]] if "defaultBackend" in obj["spec"] else []
    for rule in obj["spec"].get("rules", ()):
        host = rule.get("host", "any")
        if not SUBDOMAIN.fullmatch(host.removeprefix("*.")):
            yield f"{host} is no host; write it like api.example.org"
        for path in rule.get("http", {}).get("paths", ()):
            backends.append(path["backend"])
            if path.get("pathType") not in PATH_TYPES:
                yield f"pathType {path.get('pathType')} is none; take {', '.join(PATH_TYPES)}"
            if not str(path.get("path", "/")).startswith("/"):
                yield f'the path {path["path"]} does not begin with "/"; let it'
    for backend in backends:
        if "resource" in backend:
            continue
        backend_service = backend.get("service", {})
        service = manifests.find("Service", backend_service.get("name", ""))
        if service is None:
            yield f"no Service is called {backend_service.get('name')}; correct the backend"
        elif service["spec"].get("type") != "ExternalName" and not any(
            backend_service.get("port", {}).items() <= _port_reference(port).items()
            for port in service["spec"].get("ports", ())
        ):
            yield f"{title(service)} has no port {backend_service.get('port')}; name one of its ports"


def _port_reference(port: Object) -> Object:
    return {"name": port.get("name"), "number": port["port"]}


def _check_autoscaler(obj: Object, manifests: Manifests) -> Iterator[str]:
    spec = obj["spec"]
    target_ref = spec["scaleTargetRef"]
    target = manifests.find(target_ref["kind"], target_ref["name"])
    if spec.get("minReplicas", 1) > spec["maxReplicas"]:
        yield f"minReplicas {spec['minReplicas']} is above maxReplicas {spec['maxReplicas']}; lower it"
    if target is None:
        yield f"there is no {target_ref['kind']}/{target_ref['name']} to scale; correct scaleTargetRef"
        return
    if target["apiVersion"] != target_ref.get("apiVersion"):
        yield f"scaleTargetRef has apiVersion {target_ref.get('apiVersion')}; write {target['apiVersion']}"
    if "replicas" in target["spec"]:
        yield f"{title(target)} sets replicas, which each deploy would reset; delete replicas there"
    pod = next(pod for pod in manifests.pods if pod.owner is target)
    metrics = [metric["resource"] for metric in spec.get("metrics", ()) if metric["type"] == "Resource"]
    for name in [resource["name"] for resource in metrics if resource["target"]["type"] == "Utilization"]:
        resources = [container.get("resources", {}) for container in pod.spec["containers"]]  # a limit is a request too
        if any(name not in {**amounts.get("limits", {}), **amounts.get("requests", {})} for amounts in resources):
            yield f"it goes by the share of requested {name}, and {title(target)} requests none; add the request"


def _check_budget(obj: Object, manifests: Manifests) -> Iterator[str]:
    spec = obj["spec"]
    selected_pods = manifests.matching_pods(spec.get("selector", {}))
    if not selected_pods:
        yield "its selector finds no pods; repeat the labels of the pods that it is for"
    if ("minAvailable" in spec) == ("maxUnavailable" in spec):
        yield "it must set one of minAvailable and maxUnavailable; keep maxUnavailable: 1"
        return
    for pod in selected_pods:
        if pod.owner["kind"] in ("Job", "CronJob"):
            continue  # these end by themselves
        min_pods = _min_pods(pod.owner, manifests)
        min_available = _scaled_value(spec["minAvailable"], min_pods) if "minAvailable" in spec else 0
        max_unavailable = (
            _scaled_value(spec["maxUnavailable"], min_pods) if "maxUnavailable" in spec else min_pods - min_available
        )
        if max_unavailable < 1:
            yield f"with {min_pods} pods it lets none be evicted, so no node can be emptied; set maxUnavailable: 1"


def _min_pods(owner: Object, manifests: Manifests) -> int:
    """Return the smallest number of pods that a workload is scaled to."""
    for autoscaler in manifests.objects:
        if autoscaler["kind"] == "HorizontalPodAutoscaler":
            target_ref = autoscaler["spec"]["scaleTargetRef"]
            if (target_ref["kind"], target_ref["name"]) == (owner["kind"], owner["metadata"]["name"]):
                return int(autoscaler["spec"].get("minReplicas", 1))
    return int(owner["spec"].get("replicas", 1))


def _scaled_value(value: int | str, total: int) -> int:
    return ceil(int(value.rstrip("%")) * total / 100) if isinstance(value, str) else value


def _check_policy(obj: Object, manifests: Manifests) -> Iterator[str]:
    selected_pods = manifests.matching_pods(obj["spec"].get("podSelector", {}))
    if not selected_pods:
        yield "its podSelector finds no pods; repeat the labels of the pods that it is for"
    for rule in obj["spec"].get("ingress", ()):
        for port in rule.get("ports", ()):
            if selected_pods and "port" in port and not any(pod.has_port(port["port"]) for pod in selected_pods):
                yield f"it lets port {port['port']} through, which its pods do not have; name one of theirs"


def _matches(selector: Object, labels: dict[str, str]) -> bool:
    """Whether labels satisfy a selector; an empty one takes all."""
    operators: dict[str, Callable[[Object], bool]] = {
        "In": lambda expression: labels.get(expression["key"]) in expression["values"],
        "NotIn": lambda expression: labels.get(expression["key"]) not in expression["values"],
        "Exists": lambda expression: expression["key"] in labels,
        "DoesNotExist": lambda expression: expression["key"] not in labels,
    }
    expressions_match = all(
        operators[expression["operator"]](expression) for expression in selector.get("matchExpressions", ())
    )
    return expressions_match and selector.get("matchLabels", {}).items() <= labels.items()


CHECKS: dict[str, Callable[[Object, Manifests], Iterator[str]]] = {
    "Deployment": _check_deployment,
    "Service": _check_service,
    "Ingress": _check_ingress,
    "HorizontalPodAutoscaler": _check_autoscaler,
    "PodDisruptionBudget": _check_budget,
    "NetworkPolicy": _check_policy,
    "CronJob": lambda obj, _: schedule.faults(obj["spec"]),
}
