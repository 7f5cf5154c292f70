"""Hold what a cluster really runs against what git says."""

from dataclasses import dataclass
from datetime import UTC, datetime

from cluster import Cluster, reason
from overlay import Rendered, component, container_of
from pods import Object

REVISION = "deployment.kubernetes.io/revision"
NAME = "app.kubernetes.io/name"


@dataclass(frozen=True)
class Running:
    """One pod of the API as it really is."""

    name: str
    image: str  # what the node says that it runs; empty if nothing runs
    content: str  # the digest of it
    ready: bool
    restarts: int
    revision: int
    age: str
    reason: str
    going: bool
    ended: bool


class State:
    """The API, its pods and the CronJobs of a project at one moment."""

    def __init__(self, cluster: Cluster, rendered: Rendered) -> None:
        project = rendered.api["metadata"]["labels"][NAME]
        self.objects = cluster.get("deployments,replicasets,pods,cronjobs", f"--selector={NAME}={project}")

    def of(self, kind: str) -> list[Object]:
        """The objects of a kind."""
        return [one for one in self.objects if one["kind"] == kind]

    @property
    def api(self) -> Object | None:
        """The Deployment of the API, if there is one."""
        return next((one for one in self.of("Deployment") if component(one) == "api"), None)

    def revisions(self) -> dict[int, Object]:
        """The ReplicaSets of the API by the number of their roll-out."""
        return {revision(one): one for one in self.of("ReplicaSet") if component(one) == "api"}

    def pods(self) -> list[Running]:
        """The pods of the API, each as its node reports it, oldest roll-out first."""
        sets = {one["metadata"]["name"]: number for number, one in self.revisions().items()}
        found = [_running(pod, sets) for pod in self.of("Pod") if component(pod) == "api"]
        return sorted(found, key=lambda pod: (pod.revision, pod.name))


def revision(thing: Object) -> int:
    """Which roll-out a Deployment or ReplicaSet is at; 0 if none."""
    return int(thing["metadata"].get("annotations", {}).get(REVISION, 0))


def compare(rendered: Rendered, state: State) -> list[str]:
    """Print what was asked of the cluster and what each pod really runs; return in what it differs from git."""
    image = container_of(rendered.api)["image"]
    if state.api is None:
        return ["nothing is deployed"]
    wrong = _of_deployment(state.api, image)
    pods = state.pods()
    contents = {pod.content for pod in pods if same(pod.image, image)}
    if len(contents) > 1:
        wrong.append("pods run different contents under one tag: it was pushed twice; deploy a tag of its own")
    for pod in pods:
        wrong += _of_pod(pod, image, contents)
    running = {job["metadata"]["name"]: job for job in state.of("CronJob")}
    for wanted in rendered.of("CronJob"):
        name = wanted["metadata"]["name"]
        wrong += _of_job(running[name], container_of(wanted)["image"]) if name in running else [f"{name} is not there"]
    intended = {wanted["metadata"]["name"] for wanted in rendered.of("CronJob")}
    for name in sorted(set(running) - intended):
        wrong.append(f"{name} runs by the clock, and is in no manifest; kubectl delete cronjob {name} ends it")
    return wrong


def same(one: str, other: str) -> bool:
    """Whether two names mean one image; engines write the names of Docker's registry out."""
    return _short(one) == _short(other)


def _short(image: str) -> str:
    for prefix in ("docker.io/library/", "docker.io/", "index.docker.io/"):
        image = image.removeprefix(prefix)
    return image


def _of_deployment(api: Object, image: str) -> list[str]:
    said = api.get("status", {})
    own = container_of(api)["image"]
    replicas = api["spec"].get("replicas", 1)
    new, ready, every = (said.get(name, 0) for name in ("updatedReplicas", "readyReplicas", "replicas"))
    print(f"asked     {own}  revision {revision(api)}, {replicas} pods wanted")
    wrong = [] if same(own, image) else [f"the cluster was asked for {own}"]
    if said.get("observedGeneration", 0) < api["metadata"].get("generation", 0):
        wrong.append("the cluster has not looked at the last change yet")
    if (new, ready, every) != (replicas, replicas, replicas):
        wrong.append(f"of {replicas} pods, {new} are new and {ready} are ready, and {max(0, every - new)} are old ones")
    return wrong


def _of_pod(pod: Running, image: str, contents: set[str]) -> list[str]:
    what = "going" if pod.going else "ended" if pod.ended else "ready" if pod.ready else "not ready"
    shown = f"{pod.image or 'runs nothing yet'}  {pod.content[:19]}".rstrip()
    print(f"pod       {pod.name}  {what}  {shown}  {pod.restarts} restarts  revision {pod.revision}  {pod.age}")
    if pod.reason:
        print(f"          {pod.reason}")
    if pod.going:
        return [f"{pod.name} is still going"]
    if pod.ended:
        return []  # it was evicted, say; another has taken its place
    if pod.image and not same(pod.image, image) and pod.content not in contents:
        return [f"{pod.name} runs {pod.image}"]
    return [] if pod.ready else [f"{pod.name} is not ready"]


def _of_job(job: Object, image: str) -> list[str]:
    own = container_of(job)["image"]
    said = job.get("status", {})
    started = said.get("lastScheduleTime")
    well = said.get("lastSuccessfulTime")
    told = (
        f"started {age(started)} ago, ended well {age(well) + ' ago' if well else 'never'}"
        if started
        else "not run yet"
    )
    print(f"cronjob   {job['metadata']['name']}  {own}  {told}")
    return [] if same(own, image) else [f"{job['metadata']['name']} would run {own}"]


def age(moment: str) -> str:
    """How long ago a moment was, in its largest unit."""
    seconds = int((datetime.now(UTC) - datetime.fromisoformat(moment)).total_seconds())
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= length:
            return f"{seconds // length}{unit}"
    return f"{max(0, seconds)}s"


def _running(pod: Object, sets: dict[str, int]) -> Running:
    meta = pod["metadata"]
    said = pod.get("status", {})
    listed = pod["spec"]["containers"]
    found = {one["name"]: one for one in said.get("containerStatuses", ())}
    asked = next((one for one in listed if one["name"] == component(pod)), listed[0])
    own = found.get(asked["name"], {})
    image = str(own.get("image", ""))
    content = str(own.get("imageID", "")).rpartition("@")[2]
    if image.startswith("sha256:"):  # some engines tell no name; then it is the one that was asked for
        image = asked["image"]
    owner = next((one["name"] for one in meta.get("ownerReferences", ())), "")
    return Running(
        name=meta["name"],
        image=image if content else "",
        content=content,
        ready=all(found.get(one["name"], {}).get("ready") for one in listed),
        restarts=sum(int(one.get("restartCount", 0)) for one in found.values()),
        revision=sets.get(owner, 0),
        age=age(meta["creationTimestamp"]),
        reason=reason(pod),
        going="deletionTimestamp" in meta,
        ended=said.get("phase") in ("Failed", "Succeeded"),
    )
