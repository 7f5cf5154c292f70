"""Hold the pods of workloads against themselves and against the objects that they name."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

Object = dict[str, Any]
LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
PORT_NAME = re.compile(r"(?=.*[a-z])(?!.*--)[a-z0-9]([-a-z0-9]{0,13}[a-z0-9])?")
QUANTITY = re.compile(r"([0-9]+|[0-9]*\.[0-9]+|[0-9]+\.)(?:(n|u|m|k|[KMGTPE]i?)|[eE]([+-]?[0-9]+))?")
DECIMAL = {"n": -9, "u": -6, "m": -3, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
BINARY = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}
TO_FINISH = 2  # seconds that the API gives requests on top of API_MAX_SECONDS
EXISTS = "deploy/exists"
ELSEWHERE = f"if others make it say so in an annotation of this object, {EXISTS}: Kind/name"
FORMLESS = (KeyError, TypeError, AttributeError, ValueError)  # what reading an object of another form raises
DEFAULTS = {"API_DRAIN_SECONDS": "1", "API_MAX_SECONDS": "5"}  # of the API itself


@dataclass(frozen=True)
class Pod:
    """What a workload makes pods from."""

    owner: Object
    labels: dict[str, str]
    spec: Object

    @property
    def containers(self) -> list[Object]:
        """Its containers, those that only prepare it first."""
        return [*self.spec.get("initContainers", ()), *self.spec.get("containers", ())]

    @property
    def ports(self) -> list[Object]:
        """The ports of its containers."""
        return [port for container in self.containers for port in container.get("ports", ())]

    def has_port(self, wanted: int | str) -> bool:
        """Whether it may have the port, given by number or by name; a number need not be declared."""
        if isinstance(wanted, int) and not all(one.get("ports") for one in self.spec.get("containers", ())):
            return True
        return any(wanted == port.get("name" if isinstance(wanted, str) else "containerPort") for port in self.ports)


def title(thing: Object) -> str:
    """Kind and name, as kubectl prints them."""
    return f"{thing.get('kind', 'object')}/{thing.get('metadata', {}).get('name', '(no name)')}"


def formless(error: Exception) -> str:
    """What was wrong with an object whose form is not that of its kind."""
    return f"a field is missing or has a form that Kubernetes does not know ({type(error).__name__}: {error}); mend it"


def pods(objects: Iterable[Object]) -> list[Pod]:
    """The pods that the workloads among `objects` make."""
    found = []
    for thing in objects:
        spec = thing.get("spec") or {}
        if thing["kind"] == "CronJob":
            spec = spec["jobTemplate"]["spec"]
        if thing["kind"] in ("Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob"):
            template = spec["template"]
            found.append(Pod(thing, template.get("metadata", {}).get("labels", {}), template["spec"]))
    return found


def quantity(text: object) -> Decimal | None:
    """An amount such as 250m or 1Gi as a number, or None if it is none."""
    match = QUANTITY.fullmatch(str(text))
    if not match:
        return None
    number, unit, exponent = match.groups()
    if unit in BINARY:
        return Decimal(number) * Decimal(2 ** BINARY[unit])
    return Decimal(number).scaleb(int(exponent or DECIMAL.get(unit, 0)))


def repeated(values: Iterable[Any]) -> list[Any]:
    """The values that come more than once."""
    return [value for value, times in Counter(value for value in values if value is not None).items() if times > 1]


def faults(pod: Pod, objects: list[Object]) -> Iterator[str]:
    """Say what would be refused, or never start, in one line each without the place."""
    objects = [*objects, *_made_by_others(pod, objects)]
    restart = pod.spec.get("restartPolicy", "Always")
    if (pod.owner["kind"] in ("Job", "CronJob")) == (restart == "Always"):
        yield f"restartPolicy {restart} does not fit; a Job takes Never or OnFailure, all else Always"
    for name in repeated(container["name"] for container in pod.containers):
        yield f"two containers are called {name}; rename one"
    yield from _of_ports(pod)
    for container in pod.containers:
        yield from (f"container {container['name']}: {fault}" for fault in _of_container(container, pod, objects))
    yield from _of_volumes(pod, objects)
    account = pod.spec.get("serviceAccountName", "default")
    if account != "default" and not _find(objects, "ServiceAccount", account):
        yield f"no ServiceAccount is called {account}; add it, correct serviceAccountName, or {ELSEWHERE}"
    for spread in pod.spec.get("topologySpreadConstraints", ()):
        wanted = spread.get("labelSelector", {}).get("matchLabels", {})
        if not wanted or not wanted.items() <= pod.labels.items():
            yield "its topologySpreadConstraint counts other pods than its own; repeat its labels there"
    yield from _of_ending(pod, objects)


def _of_ports(pod: Pod) -> Iterator[str]:
    for number, protocol in repeated((port["containerPort"], port.get("protocol", "TCP")) for port in pod.ports):
        yield f"two containers listen to {protocol} {number}; change one"
    for port in pod.ports:
        if not 1 <= port["containerPort"] <= 65535:
            yield f"the port {port['containerPort']} is none; take one from 1 to 65535"
        if "name" in port and not PORT_NAME.fullmatch(port["name"]):
            yield f"the port name {port['name']} is none; take at most 15 small letters, digits and -"


def _of_container(container: Object, pod: Pod, objects: list[Object]) -> Iterator[str]:
    for name in repeated(port.get("name") for port in container.get("ports", ())):
        yield f"two ports are called {name}; rename one"
    yield from _of_probes(container, pod)
    yield from _of_mounts(container, pod)
    yield from _of_variables(container, objects)
    yield from _of_resources(container.get("resources", {}))


def _of_probes(container: Object, pod: Pod) -> Iterator[str]:
    for kind in ("startupProbe", "readinessProbe", "livenessProbe"):
        for way in ("httpGet", "tcpSocket", "grpc"):
            port = container.get(kind, {}).get(way, {}).get("port")
            if port is not None and not Pod(pod.owner, {}, {"containers": [container]}).has_port(port):
                yield f"{kind} asks port {port}, which it does not have; name one of its ports"


def _of_mounts(container: Object, pod: Pod) -> Iterator[str]:
    volumes = {volume["name"] for volume in pod.spec.get("volumes", ())}
    for mount in container.get("volumeMounts", ()):
        if mount["name"] not in volumes:
            yield f"it mounts {mount['name']}, and no volume is called that; add the volume or correct the name"
    for path in repeated(mount["mountPath"] for mount in container.get("volumeMounts", ())):
        yield f"two volumes are mounted at {path}; move one"


def _of_variables(container: Object, objects: list[Object]) -> Iterator[str]:
    for name in repeated(variable["name"] for variable in container.get("env", ())):
        yield f"the variable {name} is set twice; keep one"
    for variable in container.get("env", ()):
        if not isinstance(variable.get("value", ""), str):
            yield f"the variable {variable['name']}: {variable['value']} is no text; put it in quotes"
    for source in container.get("envFrom", ()):
        yield from _of_reference("ConfigMap", source.get("configMapRef"), objects)
        yield from _of_reference("Secret", source.get("secretRef"), objects)
    for variable in container.get("env", ()):
        value = variable.get("valueFrom", {})
        yield from _of_reference("ConfigMap", value.get("configMapKeyRef"), objects)
        yield from _of_key(value.get("configMapKeyRef", {}), objects)
        yield from _of_reference("Secret", value.get("secretKeyRef"), objects)


def _of_resources(resources: Object) -> Iterator[str]:
    amounts = {side: resources.get(side, {}) for side in ("requests", "limits")}
    for side, given in amounts.items():
        for name, text in given.items():
            if quantity(text) is None:
                yield f"{side} of {name}: {text} is no amount; write it like 250m or 512Mi"
    for name in set(amounts["requests"]) & set(amounts["limits"]):
        request = quantity(amounts["requests"][name])
        limit = quantity(amounts["limits"][name])
        if request is not None and limit is not None and request > limit:
            texts = f"{amounts['requests'][name]} of {name} and may use {amounts['limits'][name]}"
            yield f"it requests {texts}; request no more than the limit"


def _of_volumes(pod: Pod, objects: list[Object]) -> Iterator[str]:
    volumes = pod.spec.get("volumes", ())
    for name in repeated(volume["name"] for volume in volumes):
        yield f"two volumes are called {name}; rename one"
    for volume in volumes:
        parts = volume.get("projected", {}).get("sources", [])
        for source in [volume, *parts]:
            yield from _of_reference("ConfigMap", source.get("configMap"), objects)
            yield from _of_reference(
                "Secret", source.get("secret"), objects, key="secretName" if source is volume else "name"
            )
        yield from _of_reference("PersistentVolumeClaim", volume.get("persistentVolumeClaim"), objects, key="claimName")
        size = (volume.get("emptyDir") or {}).get("sizeLimit", 0)
        if quantity(size) is None:
            yield f"volume {volume['name']}: {size} is no amount; write it like 64Mi"


def _of_reference(kind: str, reference: Object | None, objects: list[Object], key: str = "name") -> Iterator[str]:
    if reference is None or reference.get("optional") or _find(objects, kind, reference.get(key)):
        return
    remedy = "mark it optional: it is made by hand" if kind == "Secret" else "add it, correct the name"
    yield f"no {kind} is called {reference.get(key)}; {remedy}, or {ELSEWHERE}"


def _of_key(reference: Object, objects: list[Object]) -> Iterator[str]:
    found = _find(objects, "ConfigMap", reference.get("name"))
    if found and "data" in found and not reference.get("optional") and reference["key"] not in found["data"]:
        yield f"{title(found)} has no {reference['key']}; add it, or correct the key"


def _made_by_others(pod: Pod, objects: list[Object]) -> Iterator[Object]:
    """What is not among the objects and will be there: operators make Secrets, and an annotation may name the rest."""
    for thing in objects:
        spec = thing.get("spec") or {}
        name = thing["metadata"].get("name")
        if thing["kind"] == "ExternalSecret":
            yield {"kind": "Secret", "metadata": {"name": spec.get("target", {}).get("name", name)}}
        if thing["kind"] == "SealedSecret":
            yield {"kind": "Secret", "metadata": {"name": name}}
    for word in pod.owner["metadata"].get("annotations", {}).get(EXISTS, "").replace(",", " ").split():
        kind, _, name = word.partition("/")
        yield {"kind": kind, "metadata": {"name": name}}


def _of_ending(pod: Pod, objects: list[Object]) -> Iterator[str]:
    granted = pod.spec.get("terminationGracePeriodSeconds", 30)
    for container in pod.spec.get("containers", ()):
        stop = container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds")
        if stop is None:
            continue
        values = DEFAULTS | _variables(container, objects)
        drain, most = (float(values[name]) for name in DEFAULTS)
        needed = stop + drain + most + TO_FINISH
        if granted <= needed:
            yield (
                f"it is killed after {granted} s, and may need {needed:g} s to end (preStop {stop}, API_DRAIN_SECONDS "
                f"{drain:g}, API_MAX_SECONDS {most:g}, {TO_FINISH} to finish); raise terminationGracePeriodSeconds"
            )


def _variables(container: Object, objects: list[Object]) -> dict[str, str]:
    values: dict[str, str] = {}
    for source in container.get("envFrom", ()):
        found = _find(objects, "ConfigMap", source.get("configMapRef", {}).get("name"))
        values |= (found or {}).get("data", {})
    values |= {one["name"]: one["value"] for one in container.get("env", ()) if "value" in one}
    return {name: value for name, value in values.items() if re.fullmatch(r"[0-9]+(\.[0-9]+)?", str(value))}


def _find(objects: list[Object], kind: str, name: str | None) -> Object | None:
    return next((one for one in objects if one["kind"] == kind and one["metadata"].get("name") == name), None)
