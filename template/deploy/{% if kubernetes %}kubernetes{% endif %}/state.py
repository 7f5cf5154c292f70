"""Compare what a cluster runs with what git says."""

from dataclasses import dataclass
from datetime import UTC, datetime

from cluster import Cluster, reason
from overlay import Rendered, component, container_of
from pods import Object

REVISION_ANNOTATION = "deployment.kubernetes.io/revision"
NAME_LABEL = "app.kubernetes.io/name"


@dataclass(frozen=True)
class PodStatus:
    """The status of a pod of the API."""

    name: str
    image: str  # empty if nothing runs
    digest: str
    ready: bool
    restarts: int
    revision: int
    age: str
    reason: str
    terminating: bool
    finished: bool


class State:
    """The API, its pods and the CronJobs of a project, read from the cluster once."""

    def __init__(self, cluster: Cluster, rendered: Rendered) -> None:
        project = rendered.api["metadata"]["labels"][NAME_LABEL]
        self.objects = cluster.get("deployments,replicasets,pods,cronjobs", f"--selector={NAME_LABEL}={project}")

    def of_kind(self, kind: str) -> list[Object]:
        """Return the objects of a kind."""
        return [obj for obj in self.objects if obj["kind"] == kind]

    @property
    def api(self) -> Object | None:
        """The Deployment of the API, if there is one."""
        return next((obj for obj in self.of_kind("Deployment") if component(obj) == "api"), None)

    def revisions(self) -> dict[int, Object]:
        """Return the ReplicaSets of the API by revision."""
        replica_sets = [obj for obj in self.of_kind("ReplicaSet") if component(obj) == "api"]
        return {revision(replica_set): replica_set for replica_set in replica_sets}

    def pods(self) -> list[PodStatus]:
        """Return the status of each pod of the API, oldest revision first."""
        revision_numbers = {replica_set["metadata"]["name"]: number for number, replica_set in self.revisions().items()}
        statuses = [_pod_status(pod, revision_numbers) for pod in self.of_kind("Pod") if component(pod) == "api"]
        return sorted(statuses, key=lambda pod: (pod.revision, pod.name))


def revision(obj: Object) -> int:
    """Return the revision of a Deployment or ReplicaSet, or 0."""
    return int(obj["metadata"].get("annotations", {}).get(REVISION_ANNOTATION, 0))


def compare(rendered: Rendered, state: State) -> list[str]:
    """Print the desired state of the cluster and what each pod runs; return how they differ from git."""
    image = container_of(rendered.api)["image"]
    if state.api is None:
        return ["nothing is deployed"]
    differences = _report_deployment(state.api, image)
    pods = state.pods()
    digests = {pod.digest for pod in pods if same_image(pod.image, image)}
    if len(digests) > 1:
        differences.append("pods run different contents under one tag: it was pushed twice; deploy a tag of its own")
    for pod in pods:
        differences += _report_pod(pod, image, digests)
    cronjobs = {job["metadata"]["name"]: job for job in state.of_kind("CronJob")}
    for desired in rendered.of_kind("CronJob"):
        name = desired["metadata"]["name"]
        if name in cronjobs:
            differences += _report_cronjob(cronjobs[name], container_of(desired)["image"])
        else:
            differences.append(f"{name} is not there")
    desired_names = {desired["metadata"]["name"] for desired in rendered.of_kind("CronJob")}
    for name in sorted(set(cronjobs) - desired_names):
        differences.append(f"{name} runs by the clock, and is in no manifest; kubectl delete cronjob {name} ends it")
    return differences


def same_image(first: str, second: str) -> bool:
    """Whether two names mean one image; engines spell out the registry of Docker."""
    return _short_name(first) == _short_name(second)


def _short_name(image: str) -> str:
    for prefix in ("docker.io/library/", "docker.io/", "index.docker.io/"):
        image = image.removeprefix(prefix)
    return image


def _report_deployment(api: Object, image: str) -> list[str]:
    status = api.get("status", {})
    current_image = container_of(api)["image"]
    replicas = api["spec"].get("replicas", 1)
    updated = status.get("updatedReplicas", 0)
    ready = status.get("readyReplicas", 0)
    total = status.get("replicas", 0)
    print(f"asked     {current_image}  revision {revision(api)}, {replicas} pods wanted")
    differences = [] if same_image(current_image, image) else [f"the cluster was asked for {current_image}"]
    if status.get("observedGeneration", 0) < api["metadata"].get("generation", 0):
        differences.append("the cluster has not looked at the last change yet")
    if (updated, ready, total) != (replicas, replicas, replicas):
        differences.append(
            f"of {replicas} pods, {updated} are new and {ready} are ready, and {max(0, total - updated)} are old ones"
        )
    return differences


def _report_pod(pod: PodStatus, image: str, digests: set[str]) -> list[str]:
    condition = "going" if pod.terminating else "ended" if pod.finished else "ready" if pod.ready else "not ready"
    content = f"{pod.image or 'runs nothing yet'}  {pod.digest[:19]}".rstrip()
    print(f"pod       {pod.name}  {condition}  {content}  {pod.restarts} restarts  revision {pod.revision}  {pod.age}")
    if pod.reason:
        print(f"          {pod.reason}")
    if pod.terminating:
        return [f"{pod.name} is still going"]
    if pod.finished:
        return []  # evicted, for instance; another pod replaces it
    if pod.image and not same_image(pod.image, image) and pod.digest not in digests:
        return [f"{pod.name} runs {pod.image}"]
    return [] if pod.ready else [f"{pod.name} is not ready"]


def _report_cronjob(job: Object, image: str) -> list[str]:
    current_image = container_of(job)["image"]
    status = job.get("status", {})
    last_run = status.get("lastScheduleTime")
    last_success = status.get("lastSuccessfulTime")
    history = (
        f"started {age(last_run)} ago, ended well {age(last_success) + ' ago' if last_success else 'never'}"
        if last_run
        else "not run yet"
    )
    print(f"cronjob   {job['metadata']['name']}  {current_image}  {history}")
    return [] if same_image(current_image, image) else [f"{job['metadata']['name']} would run {current_image}"]


def age(timestamp: str) -> str:
    """Return the time since `timestamp`, in its largest unit."""
    seconds = int((datetime.now(UTC) - datetime.fromisoformat(timestamp)).total_seconds())
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= length:
            return f"{seconds // length}{unit}"
    return f"{max(0, seconds)}s"


def _pod_status(pod: Object, revision_numbers: dict[str, int]) -> PodStatus:
    metadata = pod["metadata"]
    status = pod.get("status", {})
    containers = pod["spec"]["containers"]
    statuses = {entry["name"]: entry for entry in status.get("containerStatuses", ())}
    main = next((container for container in containers if container["name"] == component(pod)), containers[0])
    main_status = statuses.get(main["name"], {})
    image = str(main_status.get("image", ""))
    digest = str(main_status.get("imageID", "")).rpartition("@")[2]
    if image.startswith("sha256:"):  # some engines report no name; then it is that of the manifest
        image = main["image"]
    owner = next((reference["name"] for reference in metadata.get("ownerReferences", ())), "")
    return PodStatus(
        name=metadata["name"],
        image=image if digest else "",
        digest=digest,
        ready=all(statuses.get(container["name"], {}).get("ready") for container in containers),
        restarts=sum(int(entry.get("restartCount", 0)) for entry in statuses.values()),
        revision=revision_numbers.get(owner, 0),
        age=age(metadata["creationTimestamp"]),
        reason=reason(pod),
        terminating="deletionTimestamp" in metadata,
        finished=status.get("phase") in ("Failed", "Succeeded"),
    )
