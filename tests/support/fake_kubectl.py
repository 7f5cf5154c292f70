"""A kubectl that keeps a small cluster in a file and writes down how it was called; it lets the real one render.

`mode` in the file says what the cluster is like: well, pull (new images cannot be had), away (no answer), refuse (it
takes nothing), part (it takes half), deny (one may not deploy), failing (Jobs fail), cut (copies break off).
`meanwhile` has a line of shell for a verb: what somebody else does just before; $CALLER is who called kubectl.
"""

import copy
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

NUMBER = "deployment.kubernetes.io/revision"
CREATED_AT = "2026-01-01T00:00:00Z"
Object = dict[str, Any]


class Fake:
    """The cluster in the file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.all: Object = json.loads(path.read_text("utf-8"))
        self.objects: dict[str, Object] = self.all["objects"]
        self.mode = self.all["mode"]

    def save(self) -> None:
        self.path.write_text(json.dumps(self.all), encoding="utf-8")

    def of(self, kind: str) -> list[Object]:
        return [thing for name, thing in self.objects.items() if name.startswith(f"{kind.lower()}/")]

    def put(self, thing: Object) -> str:
        name = f"{thing['kind'].lower()}/{thing['metadata']['name']}"
        self.objects[name] = thing
        return name

    def roll(self) -> None:
        """What the controllers do."""
        for api in self.of("Deployment"):
            meta = api["metadata"]
            sets = self.of("ReplicaSet")
            own = next((item for item in sets if item["spec"]["template"] == api["spec"]["template"]), None)
            newest = max((int(item["metadata"]["annotations"][NUMBER]) for item in sets), default=0)
            if own is None:
                own = {"kind": "ReplicaSet", "metadata": {"name": f"{meta['name']}-{newest + 1}", "annotations": {}}}
                own["metadata"]["labels"] = meta["labels"]
                own["spec"] = {"template": copy.deepcopy(api["spec"]["template"])}
                self.put(own)
            if int(own["metadata"]["annotations"].get(NUMBER, 0)) != newest or newest == 0:
                own["metadata"]["annotations"][NUMBER] = str(newest + 1)
            meta.setdefault("annotations", {})[NUMBER] = own["metadata"]["annotations"][NUMBER]
            meta["generation"] = meta.get("generation", 0) + 1
            replicas = next((item["spec"]["minReplicas"] for item in self.of("HorizontalPodAutoscaler")), 1)
            api["spec"]["replicas"] = replicas
            if self.mode == "pull":
                new = 1
                self.put(pod(own, 9, waiting=True))
            else:
                new = replicas
                for name in [name for name in self.objects if name.startswith("pod/")]:
                    del self.objects[name]
                for number in range(replicas):
                    self.put(pod(own, number))
            api["status"] = {
                "observedGeneration": meta["generation"],
                "updatedReplicas": new,
                "readyReplicas": replicas,
            }
            api["status"]["replicas"] = replicas + (self.mode == "pull")


def pod(owner: Object, number: int, waiting: bool = False) -> Object:
    """A pod of a ReplicaSet, as a node reports it."""
    template = copy.deepcopy(owner["spec"]["template"])
    name = f"{owner['metadata']['name']}-{number}"
    image = template["spec"]["containers"][0]["image"]
    status: Object = {"name": "api", "image": image, "ready": not waiting, "restartCount": 0}
    status["imageID"] = "" if waiting else f"{image.rpartition(':')[0]}@sha256:{image.encode().hex():0<64.64}"
    why = {"reason": "ImagePullBackOff", "message": f'Back-off pulling image "{image}"'}
    status["state"] = {"waiting": why} if waiting else {"running": {}}
    meta = {"name": name, "labels": template["metadata"]["labels"], "creationTimestamp": CREATED_AT}
    meta["ownerReferences"] = [{"name": owner["metadata"]["name"]}]
    return {"kind": "Pod", "metadata": meta, "spec": template["spec"], "status": {"containerStatuses": [status]}}


def main(words: list[str]) -> int:
    """Do what kubectl would."""
    path = Path(os.environ["FAKE_CLUSTER"])
    with path.with_suffix(".calls").open("a", encoding="utf-8") as calls:
        calls.write(json.dumps(words) + "\n")
    if words[0] in ("kustomize", "version"):
        return subprocess.run([os.environ["REAL_KUBECTL"], *words], check=False).returncode
    state = json.loads(path.read_text("utf-8"))
    if line := state.get("meanwhile", {}).pop((*words, "", "", "", "", "")[4], None):
        path.write_text(json.dumps(state), encoding="utf-8")
        subprocess.run(line, shell=True, check=True, env=os.environ | {"CALLER": str(os.getppid())})
    fake = Fake(path)
    if words == ["config", "current-context"]:
        print("lab")
        return 0
    assert words[0] == "--context"
    assert words[2] == "--namespace"
    if fake.mode == "away":
        print(
            "The connection to the server lab:6443 was refused - did you specify the right host or port?",
            file=sys.stderr,
        )
        return 1
    code = run(fake, words[4:])
    fake.save()
    return code


def run(fake: Fake, words: list[str]) -> int:  # noqa: PLR0912, PLR0915 - one case each
    options = dict(word.lstrip("-").partition("=")[::2] for word in words if word.startswith("--"))
    stdin = sys.stdin.read()
    match words:
        case ["auth", "can-i", *_]:
            return int(fake.mode == "deny")
        case ["apply", "--dry-run=server", *_]:
            if fake.mode == "refuse":
                print("Error from server (Forbidden): exceeded quota", file=sys.stderr)
            if not fake.of("Namespace"):
                print('Error from server (NotFound): namespaces "myproj-prod" not found', file=sys.stderr)
            return int(fake.mode == "refuse" or not fake.of("Namespace"))
        case ["apply", *_]:
            for thing in yaml.safe_load_all(stdin):
                print(f"{fake.put(thing)} configured")
                if fake.mode == "part":
                    print("Error from server (Forbidden): services is forbidden", file=sys.stderr)
                    return 1
            fake.roll()
        case ["rollout", "status", *_]:
            print("error: timed out waiting for the condition" if fake.mode == "pull" else "successfully rolled out")
            return int(fake.mode == "pull")
        case ["rollout", "undo", name, *_]:
            sets = [
                item
                for item in fake.of("ReplicaSet")
                if item["metadata"]["annotations"][NUMBER] == options["to-revision"]
            ]
            fake.objects[name]["spec"]["template"] = copy.deepcopy(sets[0]["spec"]["template"])
            fake.roll()
            print(f"{name} rolled back")
        case ["set", "image", name, change]:
            containers = fake.objects[name]["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
            for container in containers:
                assert container["name"] == change.partition("=")[0]
                container["image"] = change.partition("=")[2]
        case ["create", "job", name, *_]:
            pattern = fake.objects[options["from"].replace("cronjob/", "cronjob/")]
            print(
                json.dumps({"kind": "Job", "metadata": {"name": name}, "spec": pattern["spec"]["jobTemplate"]["spec"]})
            )
        case ["create", *_] if json.loads(stdin)["kind"] == "Pod":
            manifest = json.loads(stdin)
            manifest["metadata"]["name"] = manifest["metadata"].pop("generateName") + "q4w8e"
            why = {"reason": "ErrImagePull"}
            manifest["status"] = {"containerStatuses": [{"name": "predict", "state": {"waiting": why}}]}
            print(fake.put(manifest))
        case ["wait", *_]:
            return int(fake.mode == "failing")
        case ["delete", name, *_]:
            del fake.objects[name]
        case ["cp", source, destination]:
            fake.all["copied"] = [source, destination]
            if ":" in source:
                Path(destination).write_text("answers", encoding="utf-8")
            return int(fake.mode == "cut")
        case ["exec", _, "--", "mv", *names]:
            fake.all["moved"] = names
        case ["create", *_]:
            job = json.loads(stdin)
            job["metadata"]["name"] = job["metadata"].pop("generateName") + "x7k2p"
            outcome = "Failed" if fake.mode == "failing" else "Complete"
            job["status"] = {"conditions": [{"type": outcome, "status": "True"}]}
            print(fake.put(job).replace("job/", "job.batch/"))
        case ["get", "events", *_]:
            item = {"involvedObject": {"name": "a-pod"}, "reason": "Failed", "message": "manifest unknown"}
            print(json.dumps({"items": [item] if fake.mode == "pull" else []}))
        case ["get", kinds, *_] if kinds.startswith("job.batch/"):
            print(json.dumps(fake.objects[kinds.replace("job.batch/", "job/")]))
        case ["get", kinds, *_]:
            wanted_kinds = [kind.removesuffix("s") for kind in kinds.split(",")]
            key, _, value = options.get("selector", "").partition("=")
            things = [item for kind in wanted_kinds for item in fake.of(kind)]
            chosen = [item for item in things if not key or item["metadata"].get("labels", {}).get(key) == value]
            print(json.dumps({"items": chosen}))
        case ["logs", *_]:
            print("344 rows predicted")
        case _:
            raise AssertionError(words)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
