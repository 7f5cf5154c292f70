"""The manifests: schemas, what Pod Security asks, what scanners find, and that what is deployed keeps its promises."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from copier import run_copy

from ..conftest import Render, succeed

Object = dict[str, Any]
TOOLS = Path(sys.executable).parent
PACKAGES = ["a", "customer_churn", "null", "no", "a" * 30]
OLDEST = "1.30"
NEWEST = "1.37"  # the first that has the handler `sleep` switched on, and the last that is bundled
CHECK = "import json, sys, manifests; print(*manifests.faults(json.loads(sys.argv[1])), sep='\\n')"
DANGEROUS = ("hostNetwork", "hostPID", "hostIPC")
VOLUMES = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}
SYSCTLS = {
    *("kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.ip_unprivileged_port_start"),
    *("net.ipv4.tcp_syncookies", "net.ipv4.ping_group_range", "net.ipv4.ip_local_reserved_ports"),
    *("net.ipv4.tcp_keepalive_time", "net.ipv4.tcp_fin_timeout", "net.ipv4.tcp_keepalive_intvl"),
    *("net.ipv4.tcp_keepalive_probes", "net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem"),
}
PROFILES = ("RuntimeDefault", "Localhost")
LABELS = {"", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"}


def rendered(project: Path, overlay: str) -> list[Object]:
    folder = project / "deploy" / "kubernetes" / "overlays" / overlay
    return list(yaml.safe_load_all(succeed(TOOLS / "kubectl", "kustomize", folder, cwd=project)))


@pytest.fixture(scope="session")
def kubernetes(snapshot: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    project = tmp_path_factory.mktemp("kubernetes") / "myproj"
    run_copy(str(snapshot), project, data={"deploy": ["kubernetes"], "ci": "none"}, defaults=True, quiet=True)
    return project


@pytest.mark.parametrize("package", PACKAGES)
def test_each_manifest_is_valid_under_any_name(render: Render, package: str) -> None:
    project = render(package=package, deploy=["kubernetes"], ci="none")
    for overlay in ("dev", "prod"):
        objects = rendered(project, overlay)
        assert len(objects) == 13
        for thing in objects:
            for version in (OLDEST, NEWEST):
                kubernetes_validate.validate(thing, version, strict=True)
        output = succeed(TOOLS / "python", "-c", CHECK, json.dumps(objects), cwd=project / "deploy" / "kubernetes")
        assert output == "\n"


def pods(objects: list[Object]) -> dict[str, Object]:
    """The pods of the Deployment and of the CronJobs, whose pattern is also that of the Job of batch prediction."""
    templates = {}
    for thing in objects:
        spec = thing.get("spec", {})
        spec = spec.get("jobTemplate", {}).get("spec", spec)
        if "template" in spec:
            templates[f"{thing['kind']}/{thing['metadata']['name']}"] = spec["template"]
    return templates


def restricted(template: Object) -> Iterator[str]:
    """Field by field what the page Pod Security Standards of Kubernetes asks under Baseline and under Restricted."""
    spec = template["spec"]
    notes = template.get("metadata", {}).get("annotations", {})
    yield from (name for name in DANGEROUS if spec.get(name))
    if any("apparmor" in name and value not in ("runtime/default", "") for name, value in notes.items()):
        yield "apparmor"
    for volume in spec.get("volumes", ()):
        if set(volume) - {"name"} - VOLUMES or len(volume) != 2:
            yield "volumes"
    pod_context = spec.get("securityContext", {})
    if {sysctl["name"] for sysctl in pod_context.get("sysctls", ())} - SYSCTLS:
        yield "sysctls"
    for kind in ("initContainers", "containers", "ephemeralContainers"):
        for container in spec.get(kind, ()):
            yield from _restricted(container, pod_context)


def _restricted(container: Object, pod_context: Object) -> Iterator[str]:  # noqa: PLR0912 - one field each
    container_context = container.get("securityContext", {})
    if container_context.get("privileged"):
        yield "privileged"
    if container_context.get("procMount", "Default") != "Default":
        yield "procMount"
    if container_context.get("allowPrivilegeEscalation") is not False:
        yield "allowPrivilegeEscalation"
    if not container_context.get("runAsNonRoot", pod_context.get("runAsNonRoot")):
        yield "runAsNonRoot"
    if 0 in (container_context.get("runAsUser"), pod_context.get("runAsUser")):
        yield "runAsUser"
    if container_context.get("seccompProfile", pod_context.get("seccompProfile", {})).get("type") not in PROFILES:
        yield "seccompProfile"
    capabilities = container_context.get("capabilities", {})
    if "ALL" not in capabilities.get("drop", ()) or set(capabilities.get("add", ())) - {"NET_BIND_SERVICE"}:
        yield "capabilities"
    for context in (pod_context, container_context):
        if context.get("appArmorProfile", {}).get("type", "RuntimeDefault") not in PROFILES:
            yield "appArmorProfile"
        if context.get("windowsOptions", {}).get("hostProcess"):
            yield "hostProcess"
        labels = context.get("seLinuxOptions", {})
        if labels.get("type", "") not in LABELS or labels.get("user") or labels.get("role"):
            yield "seLinuxOptions"
    if any(port.get("hostPort") for port in container.get("ports", ())):
        yield "hostPort"
    handlers = [container.get(f"{kind}Probe", {}) for kind in ("startup", "readiness", "liveness")]
    handlers += list(container.get("lifecycle", {}).values())
    if any("host" in handler.get(way, {}) for handler in handlers for way in ("httpGet", "tcpSocket")):
        yield "host of a probe"


@pytest.mark.parametrize("overlay", ["dev", "prod"])
def test_every_pod_satisfies_pod_security_restricted(kubernetes: Path, overlay: str) -> None:
    objects = rendered(kubernetes, overlay)
    assert {name: list(restricted(template)) for name, template in pods(objects).items()} == {
        "Deployment/myproj-api": [],
        "CronJob/myproj-monitor": [],
        "CronJob/myproj-predict": [],
    }
    namespace = next(thing for thing in objects if thing["kind"] == "Namespace")
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


WRONG = [
    ("securityContext", "runAsNonRoot", None, "runAsNonRoot"),
    ("securityContext", "runAsUser", 0, "runAsUser"),
    ("securityContext", "seccompProfile", None, "seccompProfile"),
    ("securityContext", "seccompProfile", {"type": "Unconfined"}, "seccompProfile"),
    ("securityContext", "sysctls", [{"name": "kernel.msgmax", "value": "1"}], "sysctls"),
    ("securityContext", "seLinuxOptions", {"type": "spc_t"}, "seLinuxOptions"),
    ("securityContext", "windowsOptions", {"hostProcess": True}, "hostProcess"),
    ("securityContext", "appArmorProfile", {"type": "Unconfined"}, "appArmorProfile"),
    ("", "hostNetwork", True, "hostNetwork"),
    ("", "hostPID", True, "hostPID"),
    ("", "hostIPC", True, "hostIPC"),
    ("", "volumes", [{"name": "tmp", "hostPath": {"path": "/"}}], "volumes"),
    ("", "volumes", [{"name": "tmp", "nfs": {"server": "x", "path": "/"}}], "volumes"),
    ("container", "ports", [{"containerPort": 8000, "hostPort": 80}], "hostPort"),
    ("container", "livenessProbe", {"httpGet": {"port": 1, "host": "10.0.0.1"}}, "host of a probe"),
    ("container", "securityContext", None, "capabilities"),
    ("of container", "allowPrivilegeEscalation", None, "allowPrivilegeEscalation"),
    ("of container", "privileged", True, "privileged"),
    ("of container", "procMount", "Unmasked", "procMount"),
    ("of container", "capabilities", {"drop": []}, "capabilities"),
    ("of container", "capabilities", {"drop": ["ALL"], "add": ["SYS_ADMIN"]}, "capabilities"),
    ("of container", "runAsNonRoot", False, "runAsNonRoot"),
]


@pytest.mark.parametrize(("place", "field", "value", "fault"), WRONG)
def test_a_pod_without_a_field_is_noticed(kubernetes: Path, place: str, field: str, value: Any, fault: str) -> None:  # noqa: ANN401
    objects = rendered(kubernetes, "prod")
    changed = pods(objects)
    for template in changed.values():
        container = template["spec"]["containers"][0]
        places = {"": template["spec"], "securityContext": template["spec"]["securityContext"], "container": container}
        at = places.get(place) if place in places else container["securityContext"]
        assert at is not None
        at.pop(field, None)
        if value is not None:
            at[field] = value
        assert fault in list(restricted(template))
    output = succeed(TOOLS / "python", "-c", CHECK, json.dumps(objects), cwd=kubernetes / "deploy" / "kubernetes")
    violating = {line.partition(":")[0] for line in output.splitlines() if "enforces restricted" in line}
    assert violating == set(changed)  # and the project's own check, which is written another way, sees the same


def test_pods_write_nowhere_but_to_what_is_limited_and_have_no_token(kubernetes: Path) -> None:
    for template in pods(rendered(kubernetes, "prod")).values():
        spec = template["spec"]
        assert spec["automountServiceAccountToken"] is False
        assert all(volume["emptyDir"]["sizeLimit"] for volume in spec["volumes"] if "emptyDir" in volume)
        for container in spec["containers"]:
            assert container["securityContext"]["readOnlyRootFilesystem"] is True
            assert {"name": "HOME", "value": "/tmp"} in container["env"]
            assert set(container["resources"]["limits"]) == set(container["resources"]["requests"]) == {"cpu", "memory"}


API = "Deployment/myproj-api"
MONITOR = "CronJob/myproj-monitor"
PREDICT = "CronJob/myproj-predict"
POD = "spec.template.spec"
FIRST = "spec.template.spec.containers.0"
PROMISES: list[tuple[str, str, object]] = [
    (API, "spec.strategy.rollingUpdate", {"maxUnavailable": 0, "maxSurge": 1}),  # the old pods answer meanwhile
    (API, f"{FIRST}.env.1.valueFrom.secretKeyRef.key", "API_KEYS"),  # as the README makes the Secret
    (API, f"{FIRST}.readinessProbe.httpGet.path", "/readyz"),  # red while it drains
    (API, f"{FIRST}.livenessProbe.httpGet.path", "/healthz"),  # or what drains is killed
    (API, f"{FIRST}.startupProbe.httpGet.path", "/healthz"),
    ("HorizontalPodAutoscaler/myproj-api", "spec.metrics.0.resource.target.averageUtilization", 70),  # of what is asked
    ("PodDisruptionBudget/myproj-api", "spec.maxUnavailable", 1),
    ("NetworkPolicy/myproj-nobody", "spec.policyTypes", ["Ingress", "Egress"]),  # nothing here calls anybody
    ("NetworkPolicy/myproj-api", "spec.policyTypes", ["Ingress"]),
    ("NetworkPolicy/myproj-api", "spec.ingress.0.ports.0.port", "http"),
    (MONITOR, "spec.jobTemplate.spec.backoffLimit", 0),  # an alarm is not asked again
    (MONITOR, f"spec.jobTemplate.{POD}.securityContext.fsGroup", 10001),  # or it cannot read the tables
    (PREDICT, f"spec.jobTemplate.{POD}.securityContext.fsGroup", 10001),  # or write them
    (PREDICT, "spec.suspend", True),  # only when it is asked for
]


@pytest.mark.parametrize(("name", "path", "value"), PROMISES)
def test_what_is_promised_is_there(kubernetes: Path, name: str, path: str, value: object) -> None:
    (at,) = [thing for thing in rendered(kubernetes, "prod") if f"{thing['kind']}/{thing['metadata']['name']}" == name]
    for step in path.split("."):
        at = at[int(step)] if isinstance(at, list) else at[step]
    assert at == value


def test_a_change_of_a_setting_rolls_out(kubernetes: Path, tmp_path: Path) -> None:
    def settings(project: Path) -> str:
        api = pods(rendered(project, "prod"))["Deployment/myproj-api"]
        return str(api["spec"]["containers"][0]["envFrom"][0]["configMapRef"]["name"])

    other = tmp_path / "other"
    (other / "deploy").mkdir(parents=True)
    succeed("cp", "-r", kubernetes / "deploy" / "kubernetes", other / "deploy", cwd=tmp_path)
    path = other / "deploy" / "kubernetes" / "base" / "kustomization.yaml"
    path.write_text(path.read_text("utf-8").replace("API_MAX_REQUESTS=100", "API_MAX_REQUESTS=50"), encoding="utf-8")
    assert settings(other) != settings(kubernetes)


def test_trivy_finds_nothing_severe(kubernetes: Path, tmp_path: Path) -> None:
    for overlay in ("dev", "prod"):
        (tmp_path / f"{overlay}.yaml").write_text(yaml.safe_dump_all(rendered(kubernetes, overlay)), encoding="utf-8")
    # The registry is the user's, and API_MAX_REQUESTS is no secret, though "API" and "REQUESTS" make trivy think so.
    assert {name for name, severity in misconfigurations(tmp_path) if severity != "LOW"} <= {"KSV-0125", "KSV-01010"}
    assert {severity for _, severity in misconfigurations(kubernetes / "deploy")} <= {"LOW", "MEDIUM"}


def test_trivy_would_find_what_is_wrong(kubernetes: Path, tmp_path: Path) -> None:
    objects = rendered(kubernetes, "prod")
    pods(objects)["Deployment/myproj-api"]["spec"]["containers"][0]["securityContext"] = {"privileged": True}
    (tmp_path / "prod.yaml").write_text(yaml.safe_dump_all(objects), encoding="utf-8")
    assert "HIGH" in {severity for _, severity in misconfigurations(tmp_path)}


def misconfigurations(folder: Path) -> list[tuple[str, str]]:
    options = ("--skip-check-update", "--skip-version-check", "--quiet", "--format=json")
    completed = subprocess.run(
        (TOOLS / "trivy", "config", *options, folder), capture_output=True, text=True, check=True, cwd=folder
    )
    results = json.loads(completed.stdout).get("Results", [])
    assert results
    return [
        (misconfiguration["ID"], misconfiguration["Severity"])
        for result in results
        for misconfiguration in result.get("Misconfigurations", ())
    ]
