"""Check the pods of workloads, and their references to other objects."""

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
FINISH_S = 2  # that the API gives requests on top of API_MAX_SECONDS
EXISTS_ANNOTATION = "deploy/exists"
EXISTS_REMEDY = f"if others make it say so in an annotation of this object, {EXISTS_ANNOTATION}: Kind/name"
MALFORMED_ERRORS = (KeyError, TypeError, AttributeError, ValueError)  # raised by reading an object with other fields
API_DEFAULTS = {"API_DRAIN_SECONDS": "1", "API_MAX_SECONDS": "5"}  # of the API itself


@dataclass(frozen=True)
class Pod:
    """The pod template of a workload."""

    owner: Object
    labels: dict[str, str]
    spec: Object

    @property
    def containers(self) -> list[Object]:
        """Its containers, init containers first."""
        return [*self.spec.get("initContainers", ()), *self.spec.get("containers", ())]

    @property
    def ports(self) -> list[Object]:
        """The ports of its containers."""
        return [port for container in self.containers for port in container.get("ports", ())]

    def has_port(self, port: int | str) -> bool:
        """Whether it may have the port, a number or a name; a number need not be declared."""
        if isinstance(port, int) and not all(container.get("ports") for container in self.spec.get("containers", ())):
            return True
        return any(
            port == declared.get("name" if isinstance(port, str) else "containerPort") for declared in self.ports
        )


def title(obj: Object) -> str:
    """Return kind and name, as kubectl prints them."""
    return f"{obj.get('kind', 'object')}/{obj.get('metadata', {}).get('name', '(no name)')}"


def describe_malformed(error: Exception) -> str:
    """Return the message for an object that has not the fields of its kind."""
    return f"a field is missing or has a form that Kubernetes does not know ({type(error).__name__}: {error}); mend it"


def pods(objects: Iterable[Object]) -> list[Pod]:
    """Return the pods of the workloads among `objects`."""
    workload_pods = []
    for obj in objects:
        spec = obj.get("spec") or {}
        if obj["kind"] == "CronJob":
            spec = spec["jobTemplate"]["spec"]
        if obj["kind"] in ("Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob"):
            template = spec["template"]
            workload_pods.append(Pod(obj, template.get("metadata", {}).get("labels", {}), template["spec"]))
    return workload_pods


def quantity(text: object) -> Decimal | None:
    """Return an amount such as 250m or 1Gi as a number, or None if it is none."""
    match = QUANTITY.fullmatch(str(text))
    if not match:
        return None
    number, unit, exponent = match.groups()
    if unit in BINARY:
        return Decimal(number) * Decimal(2 ** BINARY[unit])
    return Decimal(number).scaleb(int(exponent or DECIMAL.get(unit, 0)))


def repeated(values: Iterable[Any]) -> list[Any]:
    """Return the values that occur more than once."""
    return [value for value, count in Counter(value for value in values if value is not None).items() if count > 1]


def faults(pod: Pod, objects: list[Object]) -> Iterator[str]:
    """Yield a message, without the name of the object, for each reason why a pod would be refused or not start."""
    objects = [*objects, *_external_objects(pod, objects)]
    restart = pod.spec.get("restartPolicy", "Always")
    if (pod.owner["kind"] in ("Job", "CronJob")) == (restart == "Always"):
        yield f"restartPolicy {restart} does not fit; a Job takes Never or OnFailure, all else Always"
    for name in repeated(container["name"] for container in pod.containers):
        yield f"two containers are called {name}; rename one"
    yield from _check_ports(pod)
    for container in pod.containers:
        yield from (f"container {container['name']}: {fault}" for fault in _check_container(container, pod, objects))
    yield from _check_volumes(pod, objects)
    account = pod.spec.get("serviceAccountName", "default")
    if account != "default" and not _find(objects, "ServiceAccount", account):
        yield f"no ServiceAccount is called {account}; add it, correct serviceAccountName, or {EXISTS_REMEDY}"
    for spread in pod.spec.get("topologySpreadConstraints", ()):
        match_labels = spread.get("labelSelector", {}).get("matchLabels", {})
        if not match_labels or not match_labels.items() <= pod.labels.items():
            yield "its topologySpreadConstraint counts other pods than its own; repeat its labels there"
    yield from _check_termination(pod, objects)


def _check_ports(pod: Pod) -> Iterator[str]:
    for number, protocol in repeated((port["containerPort"], port.get("protocol", "TCP")) for port in pod.ports):
        yield f"two containers listen to {protocol} {number}; change one"
    for port in pod.ports:
        if not 1 <= port["containerPort"] <= 65535:
            yield f"the port {port['containerPort']} is none; take one from 1 to 65535"
        if "name" in port and not PORT_NAME.fullmatch(port["name"]):
            yield f"the port name {port['name']} is none; take at most 15 small letters, digits and -"


def _check_container(container: Object, pod: Pod, objects: list[Object]) -> Iterator[str]:
    for name in repeated(port.get("name") for port in container.get("ports", ())):
        yield f"two ports are called {name}; rename one"
    yield from _check_probes(container, pod)
    yield from _check_mounts(container, pod)
    yield from _check_variables(container, objects)
    yield from _check_resources(container.get("resources", {}))


def _check_probes(container: Object, pod: Pod) -> Iterator[str]:
    for kind in ("startupProbe", "readinessProbe", "livenessProbe"):
        for handler in ("httpGet", "tcpSocket", "grpc"):
            port = container.get(kind, {}).get(handler, {}).get("port")
            if port is not None and not Pod(pod.owner, {}, {"containers": [container]}).has_port(port):
                yield f"{kind} asks port {port}, which it does not have; name one of its ports"


def _check_mounts(container: Object, pod: Pod) -> Iterator[str]:
    volumes = {volume["name"] for volume in pod.spec.get("volumes", ())}
    for mount in container.get("volumeMounts", ()):
        if mount["name"] not in volumes:
            yield f"it mounts {mount['name']}, and no volume is called that; add the volume or correct the name"
    for path in repeated(mount["mountPath"] for mount in container.get("volumeMounts", ())):
        yield f"two volumes are mounted at {path}; move one"


def _check_variables(container: Object, objects: list[Object]) -> Iterator[str]:
    for name in repeated(variable["name"] for variable in container.get("env", ())):
        yield f"the variable {name} is set twice; keep one"
    for variable in container.get("env", ()):
        if not isinstance(variable.get("value", ""), str):
            yield f"the variable {variable['name']}: {variable['value']} is no text; put it in quotes"
    for source in container.get("envFrom", ()):
        yield from _check_reference("ConfigMap", source.get("configMapRef"), objects)
        yield from _check_reference("Secret", source.get("secretRef"), objects)
    for variable in container.get("env", ()):
        value = variable.get("valueFrom", {})
        yield from _check_reference("ConfigMap", value.get("configMapKeyRef"), objects)
        yield from _check_key(value.get("configMapKeyRef", {}), objects)
        yield from _check_reference("Secret", value.get("secretKeyRef"), objects)


def _check_resources(resources: Object) -> Iterator[str]:
    amounts = {field: resources.get(field, {}) for field in ("requests", "limits")}
    for field, quantities in amounts.items():
        for name, text in quantities.items():
            if quantity(text) is None:
                yield f"{field} of {name}: {text} is no amount; write it like 250m or 512Mi"
    for name in set(amounts["requests"]) & set(amounts["limits"]):
        request = quantity(amounts["requests"][name])
        limit = quantity(amounts["limits"][name])
        if request is not None and limit is not None and request > limit:
            comparison = f"{amounts['requests'][name]} of {name} and may use {amounts['limits'][name]}"
            yield f"it requests {comparison}; request no more than the limit"


def _check_volumes(pod: Pod, objects: list[Object]) -> Iterator[str]:
    volumes = pod.spec.get("volumes", ())
    for name in repeated(volume["name"] for volume in volumes):
        yield f"two volumes are called {name}; rename one"
    for volume in volumes:
        projected_sources = volume.get("projected", {}).get("sources", [])
        for source in [volume, *projected_sources]:
            yield from _check_reference("ConfigMap", source.get("configMap"), objects)
            yield from _check_reference(
                "Secret", source.get("secret"), objects, key="secretName" if source is volume else "name"
            )
        yield from _check_reference(
            "PersistentVolumeClaim", volume.get("persistentVolumeClaim"), objects, key="claimName"
        )
        size = (volume.get("emptyDir") or {}).get("sizeLimit", 0)
        if quantity(size) is None:
            yield f"volume {volume['name']}: {size} is no amount; write it like 64Mi"


def _check_reference(kind: str, reference: Object | None, objects: list[Object], key: str = "name") -> Iterator[str]:
    if reference is None or reference.get("optional") or _find(objects, kind, reference.get(key)):
        return
    remedy = "mark it optional: it is made by hand" if kind == "Secret" else "add it, correct the name"
    yield f"no {kind} is called {reference.get(key)}; {remedy}, or {EXISTS_REMEDY}"


def _check_key(reference: Object, objects: list[Object]) -> Iterator[str]:
    config_map = _find(objects, "ConfigMap", reference.get("name"))
    if (
        config_map
        and "data" in config_map
        and not reference.get("optional")
        and reference["key"] not in config_map["data"]
    ):
        yield f"{title(config_map)} has no {reference['key']}; add it, or correct the key"


def _external_objects(pod: Pod, objects: list[Object]) -> Iterator[Object]:
    """Yield the objects that others create: operators create Secrets, and an annotation may name more."""
    for obj in objects:
        spec = obj.get("spec") or {}
        name = obj["metadata"].get("name")
        if obj["kind"] == "ExternalSecret":
            yield {"kind": "Secret", "metadata": {"name": spec.get("target", {}).get("name", name)}}
        if obj["kind"] == "SealedSecret":
            yield {"kind": "Secret", "metadata": {"name": name}}
    for reference in pod.owner["metadata"].get("annotations", {}).get(EXISTS_ANNOTATION, "").replace(",", " ").split():
        kind, _, name = reference.partition("/")
        yield {"kind": kind, "metadata": {"name": name}}


def _check_termination(pod: Pod, objects: list[Object]) -> Iterator[str]:
    grace_period = pod.spec.get("terminationGracePeriodSeconds", 30)
    for container in pod.spec.get("containers", ()):
        pre_stop = container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds")
        if pre_stop is None:
            continue
        values = API_DEFAULTS | _numeric_variables(container, objects)
        drain = float(values["API_DRAIN_SECONDS"])
        max_seconds = float(values["API_MAX_SECONDS"])
        needed = pre_stop + drain + max_seconds + FINISH_S
        if grace_period <= needed:
            yield (
                f"it is killed after {grace_period} s, and may need {needed:g} s to end (preStop {pre_stop}, "
                f"API_DRAIN_SECONDS {drain:g}, API_MAX_SECONDS {max_seconds:g}, {FINISH_S} to finish); "
                "raise terminationGracePeriodSeconds"
            )


def _numeric_variables(container: Object, objects: list[Object]) -> dict[str, str]:
    values: dict[str, str] = {}
    for source in container.get("envFrom", ()):
        config_map = _find(objects, "ConfigMap", source.get("configMapRef", {}).get("name"))
        values |= (config_map or {}).get("data", {})
    values |= {variable["name"]: variable["value"] for variable in container.get("env", ()) if "value" in variable}
    return {name: value for name, value in values.items() if re.fullmatch(r"[0-9]+(\.[0-9]+)?", str(value))}


def _find(objects: list[Object], kind: str, name: str | None) -> Object | None:
    return next((obj for obj in objects if obj["kind"] == kind and obj["metadata"].get("name") == name), None)
