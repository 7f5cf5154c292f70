"""Hold pods against the standard `restricted` of Kubernetes, field by field, where their namespace enforces it.

A namespace refuses the pods and not what makes them: a CronJob would be taken, and then never get a pod.
"""

from collections.abc import Iterable, Iterator

from pods import Object, Pod

ENFORCE = "pod-security.kubernetes.io/enforce"
SHARED = ("hostNetwork", "hostPID", "hostIPC")
VOLUMES = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}
PROFILES = ("RuntimeDefault", "Localhost")
SELINUX = ("", "container_t", "container_init_t", "container_kvm_t", "container_engine_t")
SYSCTLS = {
    *("kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.ip_unprivileged_port_start"),
    *("net.ipv4.tcp_syncookies", "net.ipv4.ping_group_range", "net.ipv4.ip_local_reserved_ports"),
    *("net.ipv4.tcp_keepalive_time", "net.ipv4.tcp_fin_timeout", "net.ipv4.tcp_keepalive_intvl"),
    *("net.ipv4.tcp_keepalive_probes", "net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem"),
}


def enforced(objects: Iterable[Object]) -> bool:
    """Whether a namespace among `objects` takes restricted pods alone."""
    spaces = [one["metadata"].get("labels", {}) for one in objects if one["kind"] == "Namespace"]
    return any(labels.get(ENFORCE) == "restricted" for labels in spaces)


def faults(pod: Pod) -> Iterator[str]:
    """What a namespace that enforces `restricted` refuses a pod for."""
    whole = pod.spec.get("securityContext", {})
    wrong = [f"{name}: true" for name in SHARED if pod.spec.get(name)]
    wrong += [f"a {kind} volume" for one in pod.spec.get("volumes", ()) for kind in set(one) - {"name"} - VOLUMES]
    wrong += [f"sysctl {one['name']}" for one in whole.get("sysctls", ()) if one["name"] not in SYSCTLS]
    wrong += _of_context(whole)
    for fault in wrong:
        yield f"its namespace enforces restricted pods, and refuses {fault}; take it out"
    for container in pod.containers:
        for fault in (*_of_context(container.get("securityContext", {})), *_of_container(container, whole)):
            place = f"container {container['name']}: its namespace enforces restricted pods"
            yield f"{place}, and refuses {fault}; copy the securityContext of the API's container"


def _of_context(context: Object) -> list[str]:
    labels = context.get("seLinuxOptions", {})
    wrong = [f"seccompProfile {kind}" for kind in _kinds(context, "seccompProfile") if kind not in PROFILES]
    wrong += [f"appArmorProfile {kind}" for kind in _kinds(context, "appArmorProfile") if kind not in PROFILES]
    if context.get("windowsOptions", {}).get("hostProcess"):
        wrong.append("hostProcess: true")
    if labels.get("type", "") not in SELINUX or labels.get("user") or labels.get("role"):
        wrong.append("these seLinuxOptions")
    if context.get("runAsUser") == 0:
        wrong.append("runAsUser: 0")
    return wrong


def _kinds(context: Object, field: str) -> list[str]:
    return [str(context[field].get("type"))] if field in context else []


def _of_container(container: Object, whole: Object) -> Iterator[str]:
    own = container.get("securityContext", {})
    both = whole | own
    if own.get("privileged"):
        yield "privileged: true"
    if own.get("procMount", "Default") != "Default":
        yield f"procMount: {own['procMount']}"
    if own.get("allowPrivilegeEscalation") is not False:
        yield "what does not say allowPrivilegeEscalation: false"
    if not both.get("runAsNonRoot"):
        yield "what does not say runAsNonRoot: true"
    if "seccompProfile" not in both:
        yield "what has no seccompProfile"
    capabilities = own.get("capabilities", {})
    if "ALL" not in capabilities.get("drop", ()):
        yield "what does not drop ALL capabilities"
    if set(capabilities.get("add", ())) - {"NET_BIND_SERVICE"}:
        yield "added capabilities"
    if any(port.get("hostPort") for port in container.get("ports", ())):
        yield "a hostPort"
    handlers = [container.get(f"{kind}Probe", {}) for kind in ("startup", "readiness", "liveness")]
    handlers += container.get("lifecycle", {}).values()
    if any("host" in handler.get(way, {}) for handler in handlers for way in ("httpGet", "tcpSocket")):
        yield "a probe of another host"
