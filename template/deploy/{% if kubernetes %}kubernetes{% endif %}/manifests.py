"""Hold rendered manifests against each other, before anything is sent.

A schema looks at one object and lets most mistakes pass: a Service that selects nothing, a budget that blocks every
upgrade of a node. An API server refuses some when half of the objects are sent already; the rest shows in the night.
"""

import re
from collections.abc import Callable, Iterator
from math import ceil
from pathlib import Path
from sys import path as search

import pod_security
import pods
import schedule
import texts
from pods import LABEL, Object, Pod, repeated, title

search.append(str(Path(__file__).parents[2] / "hooks"))
import image_tags

SUBDOMAIN = re.compile(r"(?=.{1,253}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
LONGEST = {"CronJob": 52}  # each Job appends 11 characters to its name
LABELS = ("Namespace", "Service", "Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob")
GLOBAL = {
    *("Namespace", "PersistentVolume", "StorageClass", "PriorityClass", "IngressClass", "RuntimeClass", "APIService"),
    *("CustomResourceDefinition", "CSIDriver", "VolumeSnapshotClass", "GatewayClass", "ValidatingAdmissionPolicy"),
    *("ValidatingWebhookConfiguration", "MutatingWebhookConfiguration"),
}  # and whatever begins with Cluster
PATH_TYPES = ("Prefix", "Exact", "ImplementationSpecific")


class World:
    """The objects that are sent together, and how they find each other."""

    def __init__(self, objects: list[Object]) -> None:
        self.objects = objects
        self.pods = pods.pods(objects)

    def find(self, kind: str, name: str) -> Object | None:
        """The object of that kind and name."""
        return next((one for one in self.objects if (one["kind"], one["metadata"].get("name")) == (kind, name)), None)

    def selected(self, selector: Object) -> list[Pod]:
        """The pods that have the labels, and satisfy the expressions, of a selector."""
        return [pod for pod in self.pods if _matches(selector, pod.labels)]


def faults(objects: list[Object]) -> list[str]:
    """What is wrong with objects that are to be sent together: what, where and what to do, in one line each."""
    world = World(objects)
    found = [*_of_names(world), *_of_namespaces(world)]
    for thing in objects:
        found += _told(thing, texts.faults(thing))
        if check := CHECKS.get(thing["kind"]):
            found += _told(thing, check(thing, world))
    for pod in world.pods:
        found += [*_told(pod.owner, pods.faults(pod, objects)), *_told(pod.owner, _of_images(pod))]
        if pod_security.enforced(objects):
            found += _told(pod.owner, pod_security.faults(pod))
    return found


def _told(thing: Object, lines: Iterator[str]) -> Iterator[str]:
    try:
        for line in lines:
            yield f"{title(thing)}: {line}"
    except pods.FORMLESS as error:
        yield f"{title(thing)}: {pods.formless(error)}"


def _of_names(world: World) -> Iterator[str]:
    for name in repeated(title(thing) for thing in world.objects):
        yield f"{name}: it comes twice; rename or remove one"
    for thing in world.objects:
        kind = thing["kind"]
        name = thing["metadata"].get("name", "")
        if not name and "generateName" in thing["metadata"]:
            yield f"{thing['kind']}/{thing['metadata']['generateName']}*: kubectl apply needs a name; give it one"
            continue
        if "rbac.authorization.k8s.io" in thing["apiVersion"] and re.fullmatch(r"(?!\.\.?$)[^/%]+", name):
            continue
        rule, longest = (LABEL, LONGEST.get(kind, 63)) if kind in LABELS else (SUBDOMAIN, 253)
        if not rule.fullmatch(name) or len(name) > longest:
            yield f"{title(thing)}: that is no name; take at most {longest} small letters, digits and -, none at an end"


def _of_namespaces(world: World) -> Iterator[str]:
    spaces = [thing["metadata"].get("namespace") for thing in world.objects if not _is_global(thing["kind"])]
    spaces += [thing["metadata"]["name"] for thing in world.objects if thing["kind"] == "Namespace"]
    if len(set(spaces)) > 1 or None in spaces:
        names = ", ".join(sorted({str(space or "none") for space in spaces}))
        yield f"kustomization.yaml: objects are in more than one namespace ({names}); set namespace: for all of them"


def _is_global(kind: str) -> bool:
    return kind in GLOBAL or kind.startswith("Cluster")


def _of_images(pod: Pod) -> Iterator[str]:
    for container in pod.containers:
        name = container.get("image") or "none"
        if wrong := image_tags.fault_of_image(name):
            yield f"container {container['name']}: {wrong} ({name}); name one that stays, or a digest"


def _of_deployment(thing: Object, world: World) -> Iterator[str]:
    spec = thing["spec"]
    own = next(pod for pod in world.pods if pod.owner is thing)
    if not _matches(spec.get("selector", {}), own.labels) or not spec.get("selector"):
        yield "its selector does not match the labels of its own pods; make them the same"
    rolling = spec.get("strategy", {}).get("rollingUpdate") or {}
    if [str(rolling.get(name, "25%")).rstrip("%") for name in ("maxSurge", "maxUnavailable")] == ["0", "0"]:
        yield "maxSurge and maxUnavailable are both 0, so no pod could ever be replaced; set maxSurge: 1"
    if spec.get("progressDeadlineSeconds", 600) <= spec.get("minReadySeconds", 0):
        yield "progressDeadlineSeconds is not above minReadySeconds; raise it"


def _of_service(thing: Object, world: World) -> Iterator[str]:
    spec = thing["spec"]
    ports = spec.get("ports", [])
    chosen = world.selected({"matchLabels": spec.get("selector", {})}) if spec.get("selector") else []
    if spec.get("selector") and not chosen:
        yield "its selector finds no pods; repeat the labels of the pods that it is for"
    for port in ports:
        target = port.get("targetPort", port["port"])
        if chosen and not any(pod.has_port(target) for pod in chosen):
            yield f"targetPort {target} is no port of its pods; name one of theirs"
    for name in repeated(port.get("name") for port in ports):
        yield f"two ports are called {name}; rename one"
    for number, _ in repeated((port["port"], port.get("protocol", "TCP")) for port in ports):
        yield f"port {number} comes twice; change one"


def _of_ingress(thing: Object, world: World) -> Iterator[str]:
    backends = [thing["spec"]["defaultBackend"]] if "defaultBackend" in thing["spec"] else []
    for rule in thing["spec"].get("rules", ()):
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
        wanted = backend.get("service", {})
        service = world.find("Service", wanted.get("name", ""))
        if service is None:
            yield f"no Service is called {wanted.get('name')}; correct the backend"
        elif service["spec"].get("type") != "ExternalName" and not any(
            wanted.get("port", {}).items() <= _served(port).items() for port in service["spec"].get("ports", ())
        ):
            yield f"{title(service)} has no port {wanted.get('port')}; name one of its ports"


def _served(port: Object) -> Object:
    return {"name": port.get("name"), "number": port["port"]}


def _of_autoscaler(thing: Object, world: World) -> Iterator[str]:
    spec = thing["spec"]
    wanted = spec["scaleTargetRef"]
    target = world.find(wanted["kind"], wanted["name"])
    if spec.get("minReplicas", 1) > spec["maxReplicas"]:
        yield f"minReplicas {spec['minReplicas']} is above maxReplicas {spec['maxReplicas']}; lower it"
    if target is None:
        yield f"there is no {wanted['kind']}/{wanted['name']} to scale; correct scaleTargetRef"
        return
    if target["apiVersion"] != wanted.get("apiVersion"):
        yield f"scaleTargetRef has apiVersion {wanted.get('apiVersion')}; write {target['apiVersion']}"
    if "replicas" in target["spec"]:
        yield f"{title(target)} sets replicas, which each deploy would reset; delete replicas there"
    own = next(pod for pod in world.pods if pod.owner is target)
    metrics = [metric["resource"] for metric in spec.get("metrics", ()) if metric["type"] == "Resource"]
    for name in [one["name"] for one in metrics if one["target"]["type"] == "Utilization"]:
        given = [container.get("resources", {}) for container in own.spec["containers"]]  # what is limited is requested
        if any(name not in {**one.get("limits", {}), **one.get("requests", {})} for one in given):
            yield f"it goes by the share of requested {name}, and {title(target)} requests none; add the request"


def _of_budget(thing: Object, world: World) -> Iterator[str]:
    spec = thing["spec"]
    chosen = world.selected(spec.get("selector", {}))
    if not chosen:
        yield "its selector finds no pods; repeat the labels of the pods that it is for"
    if ("minAvailable" in spec) == ("maxUnavailable" in spec):
        yield "it must set one of minAvailable and maxUnavailable; keep maxUnavailable: 1"
        return
    for pod in chosen:
        if pod.owner["kind"] in ("Job", "CronJob"):
            continue  # these end by themselves
        least = _least(pod.owner, world)
        kept = _share(spec["minAvailable"], least) if "minAvailable" in spec else 0
        gone = _share(spec["maxUnavailable"], least) if "maxUnavailable" in spec else least - kept
        if gone < 1:
            yield f"with {least} pods it lets none be evicted, so no node can be emptied; set maxUnavailable: 1"


def _least(owner: Object, world: World) -> int:
    """With how many pods a workload may have to do."""
    for scaler in world.objects:
        if scaler["kind"] == "HorizontalPodAutoscaler":
            wanted = scaler["spec"]["scaleTargetRef"]
            if (wanted["kind"], wanted["name"]) == (owner["kind"], owner["metadata"]["name"]):
                return int(scaler["spec"].get("minReplicas", 1))
    return int(owner["spec"].get("replicas", 1))


def _share(value: int | str, pods_there: int) -> int:
    return ceil(int(value.rstrip("%")) * pods_there / 100) if isinstance(value, str) else value


def _of_policy(thing: Object, world: World) -> Iterator[str]:
    chosen = world.selected(thing["spec"].get("podSelector", {}))
    if not chosen:
        yield "its podSelector finds no pods; repeat the labels of the pods that it is for"
    for rule in thing["spec"].get("ingress", ()):
        for port in rule.get("ports", ()):
            if chosen and "port" in port and not any(pod.has_port(port["port"]) for pod in chosen):
                yield f"it lets port {port['port']} through, which its pods do not have; name one of theirs"


def _matches(selector: Object, labels: dict[str, str]) -> bool:
    """Whether labels satisfy a selector; an empty one takes all."""
    tests: dict[str, Callable[[Object], bool]] = {
        "In": lambda one: labels.get(one["key"]) in one["values"],
        "NotIn": lambda one: labels.get(one["key"]) not in one["values"],
        "Exists": lambda one: one["key"] in labels,
        "DoesNotExist": lambda one: one["key"] not in labels,
    }
    expressions = all(tests[one["operator"]](one) for one in selector.get("matchExpressions", ()))
    return expressions and selector.get("matchLabels", {}).items() <= labels.items()


CHECKS: dict[str, Callable[[Object, World], Iterator[str]]] = {
    "Deployment": _of_deployment,
    "Service": _of_service,
    "Ingress": _of_ingress,
    "HorizontalPodAutoscaler": _of_autoscaler,
    "PodDisruptionBudget": _of_budget,
    "NetworkPolicy": _of_policy,
    "CronJob": lambda thing, _: schedule.faults(thing["spec"]),
}
