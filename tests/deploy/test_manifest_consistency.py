"""What ties the manifests together: each planted fault is named by a line of its own, and without one there is none."""

import copy
import importlib
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from .test_kubernetes import Object, kubernetes, rendered

__all__ = ["kubernetes"]
MODULES = ("image_tags", "manifests", "pod_security", "pods", "schedule", "texts")


@pytest.fixture(scope="module")
def faults(kubernetes: Path) -> Iterator[Callable[[list[Object]], list[str]]]:
    """The check of a rendered project, as its `make deploy` calls it."""
    before = list(sys.path)
    sys.path.insert(0, str(kubernetes / "deploy" / "kubernetes"))
    yield importlib.import_module("manifests").faults
    sys.path[:] = before
    for name in MODULES:
        sys.modules.pop(name, None)


@pytest.fixture(scope="module")
def objects(kubernetes: Path) -> list[Object]:
    return rendered(kubernetes, "prod")


API = "Deployment/myproj-api"
POD = f"{API}:spec.template.spec"
FIRST = f"{POD}.containers.0"
JOB = "CronJob/myproj-monitor:spec.jobTemplate.spec.template"
FROM_MAP = {"name": "A", "valueFrom": {"configMapKeyRef": {"name": "team", "key": "B"}}}
TEAM = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "team", "namespace": "myproj-prod"}, "data": {}}
NO_RIGHTS = {"name": "init", "image": "busybox:1.36"}
HARDENED: Object = {"name": "more", "image": "busybox:1.36", "resources": {"limits": {"cpu": "1"}}}
HARDENED["securityContext"] = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
AVERAGE = {"name": "hugepages-2Mi", "target": {"type": "AverageValue", "averageValue": "2Mi"}}
GONE = object()
TWICE = object()  # the first of a list comes again
FAULTS: list[tuple[str, Any, str]] = [
    (f"{API}:spec.selector.matchLabels", {"app": "other"}, "its selector does not match the labels of its own pods"),
    (f"{API}:spec.selector", {}, "its selector does not match"),
    (f"{API}:spec.strategy.rollingUpdate", {"maxSurge": 0, "maxUnavailable": "0%"}, "are both 0"),
    (f"{API}:spec.replicas", 2, "Deployment/myproj-api sets replicas"),
    (f"{API}:spec.progressDeadlineSeconds", 0, "progressDeadlineSeconds is not above"),
    (f"{API}:metadata.name", "My_api", "that is no name; take at most 63"),
    ("CronJob/myproj-monitor:metadata.name", "a" * 53, "that is no name; take at most 52"),
    ("Service/myproj-api:metadata.name", "a" * 64, "that is no name; take at most 63"),
    ("ConfigMap/*:metadata.name", "-settings", "that is no name; take at most 253"),
    ("CronJob/myproj-predict:metadata.name", "myproj-monitor", "CronJob/myproj-monitor: it comes twice"),
    ("Service/myproj-api:metadata.namespace", "other", "more than one namespace (myproj-prod, other)"),
    ("Service/myproj-api:metadata.namespace", GONE, "more than one namespace (myproj-prod, none)"),
    ("Namespace/myproj-prod:metadata.name", "other", "more than one namespace"),
    ("Service/myproj-api:spec.selector", {"app": "other"}, "Service/myproj-api: its selector finds no pods"),
    ("Service/myproj-api:spec.ports.0.targetPort", "web", "targetPort web is no port of its pods"),
    ("Service/myproj-api:spec.ports.0.targetPort", 8080, "targetPort 8080 is no port"),
    ("Service/myproj-api:spec.ports.0.targetPort", GONE, "targetPort 80 is no port"),
    ("Service/myproj-api:spec.ports", TWICE, "two ports are called http"),
    ("Service/myproj-api:spec.ports", TWICE, "port 80 comes twice"),
    ("Ingress/*:spec.rules.0.http.paths.0.backend.service.name", "other", "no Service is called other"),
    ("Ingress/*:spec.rules.0.http.paths.0.backend.service.port", {"name": "web"}, "Service/myproj-api has no port"),
    ("Ingress/*:spec.rules.0.http.paths.0.backend.service.port", {"number": 8000}, "Service/myproj-api has no port"),
    ("Ingress/*:spec.rules.0.http.paths.0.pathType", "prefix", "pathType prefix is none"),
    ("Ingress/*:spec.rules.0.http.paths.0.path", "api", 'the path api does not begin with "/"'),
    ("Ingress/*:spec.rules.0.host", "my_proj.example.com", "my_proj.example.com is no host"),
    ("HorizontalPodAutoscaler/*:spec.scaleTargetRef.name", "other", "there is no Deployment/other to scale"),
    ("HorizontalPodAutoscaler/*:spec.scaleTargetRef.apiVersion", "apps/v1beta1", "write apps/v1"),
    ("HorizontalPodAutoscaler/*:spec.minReplicas", 11, "minReplicas 11 is above maxReplicas 10"),
    (f"{FIRST}.resources", {}, "requests none; add the request"),
    ("PodDisruptionBudget/*:spec.selector.matchLabels", {"app": "other"}, "Budget/myproj-api: its selector finds no"),
    ("PodDisruptionBudget/*:spec.maxUnavailable", 0, "with 3 pods it lets none be evicted"),
    ("PodDisruptionBudget/*:spec.maxUnavailable", "0%", "with 3 pods it lets none be evicted"),
    ("PodDisruptionBudget/*:spec.minAvailable", 1, "it must set one of minAvailable and maxUnavailable"),
    ("NetworkPolicy/myproj-api:spec.podSelector.matchLabels", {"app": "other"}, "its podSelector finds no pods"),
    ("NetworkPolicy/myproj-api:spec.ingress.0.ports.0.port", "web", "it lets port web through"),
    ("CronJob/myproj-monitor:spec.schedule", "17 * * *", "has 4 fields"),
    ("CronJob/myproj-monitor:spec.schedule", "60 * * * *", '"60" is no minute'),
    ("CronJob/myproj-monitor:spec.schedule", "0 0 * * 7", '"7" is no weekday'),
    ("CronJob/myproj-monitor:spec.schedule", "0 5-2 * * *", '"5-2" is no hour'),
    ("CronJob/myproj-monitor:spec.schedule", "*/0 * * * *", '"*/0" is no minute'),
    ("CronJob/myproj-monitor:spec.schedule", "0 0 0 * *", '"0" is no day'),
    ("CronJob/myproj-monitor:spec.schedule", "@every hour", "has 2 fields"),
    ("CronJob/myproj-monitor:spec.timeZone", "Europe/Berlinn", 'timeZone "Europe/Berlinn" is none'),
    (f"{JOB}.spec.initContainers", [NO_RIGHTS], "CronJob/myproj-monitor: container init: its namespace enforces"),
    (f"{JOB}.spec.restartPolicy", "Always", "restartPolicy Always does not fit"),
    (f"{JOB}.spec.restartPolicy", GONE, "restartPolicy Always does not fit"),
    (f"{POD}.restartPolicy", "Never", "restartPolicy Never does not fit"),
    (f"{JOB}.spec.volumes.0.persistentVolumeClaim.claimName", "other", "no PersistentVolumeClaim is called other"),
    (f"{JOB}.spec.volumes", [], "it mounts tables, and no volume is called that"),
    (f"{JOB}.spec.containers.0.volumeMounts.1.mountPath", "/tables", "two volumes are mounted at /tables"),
    (f"{POD}.volumes", TWICE, "two volumes are called tmp"),
    (f"{POD}.volumes.0.emptyDir.sizeLimit", "64MB", "volume tmp: 64MB is no amount"),
    (f"{POD}.volumes.0", {"name": "tmp", "configMap": {"name": "other"}}, "no ConfigMap is called other"),
    (f"{POD}.volumes.0", {"name": "tmp", "secret": {"secretName": "other"}}, "no Secret is called other; mark it"),
    (f"{POD}.serviceAccountName", "other", "no ServiceAccount is called other"),
    (f"{POD}.containers", TWICE, "two containers are called api"),
    (
        f"{POD}.topologySpreadConstraints.0.labelSelector.matchLabels",
        {"app": "other"},
        "counts other pods than its own",
    ),
    (f"{POD}.terminationGracePeriodSeconds", 13, "is killed after 13 s, and may need 13 s to end"),
    ("ConfigMap/*:data.API_MAX_SECONDS", "60", "is killed after 20 s, and may need 68 s to end"),
    (f"{FIRST}.livenessProbe.httpGet.port", "web", "livenessProbe asks port web"),
    (f"{FIRST}.startupProbe.httpGet.port", 8080, "startupProbe asks port 8080"),
    (f"{FIRST}.ports", TWICE, "two ports are called http"),
    (f"{FIRST}.ports", TWICE, "two containers listen to TCP 8000"),
    (f"{FIRST}.ports.0.containerPort", 80000, "the port 80000 is none"),
    (f"{FIRST}.ports.0.name", "Http_port", "the port name Http_port is none"),
    (f"{FIRST}.env", TWICE, "the variable HOME is set twice"),
    (f"{FIRST}.envFrom.0.configMapRef.name", "settings", "no ConfigMap is called settings"),
    (f"{FIRST}.env.1.valueFrom.secretKeyRef.optional", GONE, "no Secret is called myproj-keys; mark it optional"),
    (f"{FIRST}.resources.requests.memory", "1Gi", "requests 1Gi of memory and may use 512Mi"),
    (f"{FIRST}.resources.requests.cpu", "1.5", "requests 1.5 of cpu and may use 1"),
    (f"{FIRST}.resources.limits.memory", "512MB", "limits of memory: 512MB is no amount"),
    (f"{FIRST}.env.0.value", 4, "the variable HOME: 4 is no text"),
    (f"{FIRST}.env.0", FROM_MAP, "has no B; add it"),
    (f"{API}:metadata.annotations", {"scrape": True}, "annotation scrape: True is no text"),
    (f"{API}:spec.template.metadata.labels.version", 1.5, "label version: 1.5 is no text"),
    (f"{JOB}.metadata.labels.version", 2, "CronJob/myproj-monitor: label version: 2 is no text"),
    ("ConfigMap/*:data.API_MAX_SECONDS", 5, "data API_MAX_SECONDS: 5 is no text"),
    ("ConfigMap/*:metadata", {"generateName": "x-", "namespace": "myproj-prod"}, "ConfigMap/x-*: kubectl apply needs"),
    (f"{FIRST}.image", "ghcr.io/ada/myproj", "has no tag"),
    (f"{FIRST}.image", "ghcr.io:443/ada/myproj:latest", "may mean another image tomorrow"),
]


def plant(objects: list[Object], where: str, value: object) -> list[Object]:
    """A copy in which another value stands in one place, such as Service/name:spec.ports.0.port."""
    objects = copy.deepcopy(objects)
    name, _, path = where.partition(":")
    kind, _, title = name.partition("/")
    chosen = [thing for thing in objects if thing["kind"] == kind and title in ("*", thing["metadata"]["name"])]
    at: Any = chosen[0]
    *way, last = path.split(".")
    for step in way:
        at = at[int(step)] if isinstance(at, list) else at[step]
    key: Any = int(last) if isinstance(at, list) else last
    if value is GONE:
        del at[key]
    elif value is TWICE:
        at[key].append(copy.deepcopy(at[key][0]))
    elif isinstance(at, list) and key == len(at):
        at.append(value)
    else:
        at[key] = value
    return objects


def test_without_a_fault_there_is_none(faults: Callable[[list[Object]], list[str]], kubernetes: Path) -> None:
    for overlay in ("dev", "prod"):
        assert faults(rendered(kubernetes, overlay)) == []


@pytest.mark.parametrize(("where", "value", "text"), FAULTS)
def test_a_fault_is_named(
    faults: Callable[[list[Object]], list[str]], objects: list[Object], where: str, value: object, text: str
) -> None:
    messages = faults([*plant(objects, where, value), TEAM])
    assert any(text in line for line in messages), json.dumps(messages, indent=2)
    assert all("; " in line and ": " in line and "\n" not in line for line in messages)


@pytest.mark.parametrize(
    ("where", "value"),
    [
        ("CronJob/myproj-monitor:spec.schedule", "*/5,7 0-6/2 1,15 jan-mar MON-FRI"),
        ("CronJob/myproj-monitor:spec.schedule", "@daily"),
        ("CronJob/myproj-monitor:spec.schedule", "@every 1h30m"),
        (f"{FIRST}.resources.requests.cpu", "0.5"),
        (f"{FIRST}.resources.requests.memory", "1e8"),
        (f"{FIRST}.image", f"ghcr.io/ada/myproj@sha256:{64 * '0'}"),
        ("PodDisruptionBudget/*:spec", {"minAvailable": "50%", "selector": {}}),
        ("Ingress/*:spec.rules.0.host", "*.example.com"),
        ("Ingress/*:spec.defaultBackend", {"resource": {"kind": "Bucket", "name": "x"}}),
        ("Service/myproj-api:spec", {"type": "ExternalName", "externalName": "api.example.com"}),
        (f"{FIRST}.resources", {"limits": {"cpu": "1", "memory": "1Gi"}}),
        (f"{POD}.initContainers", [HARDENED | {"resources": {}}]),
        (f"{POD}.containers.1", HARDENED | {"ports": [{"name": "http", "containerPort": 9000}]}),
        ("HorizontalPodAutoscaler/*:spec.metrics.0.resource", AVERAGE),
        ("Service/myproj-api:spec.ports.0.targetPort", 8000),
        ("NetworkPolicy/myproj-api:spec.podSelector", {"matchExpressions": [{"key": "x", "operator": "DoesNotExist"}]}),
    ],
)
def test_what_is_right_in_another_way_passes(
    faults: Callable[[list[Object]], list[str]], objects: list[Object], where: str, value: object
) -> None:
    assert faults(plant(objects, where, value)) == []


SECRET_OPERATORS: list[tuple[str, str, str, Object]] = [
    ("bitnami.com/v1alpha1", "SealedSecret", "myproj-keys", {}),
    ("external-secrets.io/v1", "ExternalSecret", "keys", {"target": {"name": "myproj-keys"}}),
]


@pytest.mark.parametrize(("version", "kind", "name", "spec"), SECRET_OPERATORS)
def test_a_secret_that_an_operator_makes_is_there(
    faults: Callable[[list[Object]], list[str]], objects: list[Object], version: str, kind: str, name: str, spec: Object
) -> None:
    needed = plant(objects, f"{FIRST}.env.1.valueFrom.secretKeyRef.optional", GONE)
    meta = {"name": name, "namespace": "myproj-prod"}
    assert faults([*needed, {"apiVersion": version, "kind": kind, "metadata": meta, "spec": spec}]) == []
    annotated = plant(needed, f"{API}:metadata.annotations", {"deploy/exists": "ConfigMap/x, Secret/myproj-keys"})
    assert faults(annotated) == []


@pytest.mark.parametrize(
    ("version", "kind", "name"),
    [
        ("networking.k8s.io/v1", "IngressClass", "nginx"),
        ("cert-manager.io/v1", "ClusterIssuer", "ours"),
        ("apiextensions.k8s.io/v1", "CustomResourceDefinition", "birds.example.org"),
        ("rbac.authorization.k8s.io/v1", "ClusterRole", "system:birds"),
    ],
)
def test_what_belongs_to_the_whole_cluster_has_no_namespace(
    faults: Callable[[list[Object]], list[str]], objects: list[Object], version: str, kind: str, name: str
) -> None:
    assert faults([*objects, {"apiVersion": version, "kind": kind, "metadata": {"name": name}}]) == []
