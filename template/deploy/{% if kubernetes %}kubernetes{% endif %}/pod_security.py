"""Check pods against the standard `restricted` of Kubernetes, field by field, where their namespace enforces it.

A namespace refuses the pods and not what makes them: a CronJob would be accepted, and then never get a pod.
"""

from collections.abc import Iterable, Iterator

from pods import Object, Pod

ENFORCE_LABEL = "pod-security.kubernetes.io/enforce"
HOST_NAMESPACES = ("hostNetwork", "hostPID", "hostIPC")
VOLUMES = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}
PROFILES = ("RuntimeDefault", "Localhost")
SELINUX_TYPES = ("", "container_t", "container_init_t", "container_kvm_t", "container_engine_t")
SYSCTLS = {
    *("kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.ip_unprivileged_port_start"),
    *("net.ipv4.tcp_syncookies", "net.ipv4.ping_group_range", "net.ipv4.ip_local_reserved_ports"),
    *("net.ipv4.tcp_keepalive_time", "net.ipv4.tcp_fin_timeout", "net.ipv4.tcp_keepalive_intvl"),
    *("net.ipv4.tcp_keepalive_probes", "net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem"),
}


def enforced(objects: Iterable[Object]) -> bool:
    """Whether a namespace among `objects` enforces the standard `restricted`."""
    namespace_labels = [obj["metadata"].get("labels", {}) for obj in objects if obj["kind"] == "Namespace"]
    return any(labels.get(ENFORCE_LABEL) == "restricted" for labels in namespace_labels)


def faults(pod: Pod) -> Iterator[str]:
    """Yield each violation for which a namespace that enforces `restricted` refuses a pod."""
    pod_context = pod.spec.get("securityContext", {})
    violations = [f"{name}: true" for name in HOST_NAMESPACES if pod.spec.get(name)]
    violations += [
        f"a {kind} volume" for volume in pod.spec.get("volumes", ()) for kind in set(volume) - {"name"} - VOLUMES
    ]
    violations += [
        f"sysctl {sysctl['name']}" for sysctl in pod_context.get("sysctls", ()) if sysctl["name"] not in SYSCTLS
    ]
    violations += _context_violations(pod_context)
    for violation in violations:
        yield f"its namespace enforces restricted pods, and refuses {violation}; take it out"
    for container in pod.containers:
        for violation in (
            *_context_violations(container.get("securityContext", {})),
            *_container_violations(container, pod_context),
        ):
            prefix = f"container {container['name']}: its namespace enforces restricted pods"
            yield f"{prefix}, and refuses {violation}; copy the securityContext of the API's container"


def _context_violations(context: Object) -> list[str]:
    selinux = context.get("seLinuxOptions", {})
    violations = [
        f"seccompProfile {kind}" for kind in _profile_types(context, "seccompProfile") if kind not in PROFILES
    ]
    violations += [
        f"appArmorProfile {kind}" for kind in _profile_types(context, "appArmorProfile") if kind not in PROFILES
    ]
    if context.get("windowsOptions", {}).get("hostProcess"):
        violations.append("hostProcess: true")
    if selinux.get("type", "") not in SELINUX_TYPES or selinux.get("user") or selinux.get("role"):
        violations.append("these seLinuxOptions")
    if context.get("runAsUser") == 0:
        violations.append("runAsUser: 0")
    return violations


def _profile_types(context: Object, field: str) -> list[str]:
    return [str(context[field].get("type"))] if field in context else []


def _container_violations(container: Object, pod_context: Object) -> Iterator[str]:
    context = container.get("securityContext", {})
    effective = pod_context | context
    if context.get("privileged"):
        yield "privileged: true"
    if context.get("procMount", "Default") != "Default":
        yield f"procMount: {context['procMount']}"
    if context.get("allowPrivilegeEscalation") is not False:
        yield "what does not say allowPrivilegeEscalation: false"
    if not effective.get("runAsNonRoot"):
        yield "what does not say runAsNonRoot: true"
    if "seccompProfile" not in effective:
        yield "what has no seccompProfile"
    capabilities = context.get("capabilities", {})
    if "ALL" not in capabilities.get("drop", ()):
        yield "what does not drop ALL capabilities"
    if set(capabilities.get("add", ())) - {"NET_BIND_SERVICE"}:
        yield "added capabilities"
    if any(port.get("hostPort") for port in container.get("ports", ())):
        yield "a hostPort"
    handlers = [container.get(f"{kind}Probe", {}) for kind in ("startup", "readiness", "liveness")]
    handlers += container.get("lifecycle", {}).values()
    if any("host" in handler.get(action, {}) for handler in handlers for action in ("httpGet", "tcpSocket")):
        yield "a probe of another host"
