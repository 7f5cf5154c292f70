"""Ship a version to Kubernetes, see what runs there, go back, and predict a table there.

Git says what should run: every way to another image is written into the overlay, and a person commits it. What can be
refused is refused before anything is written or sent.
"""

import os
import re
import sys
from collections.abc import Callable

import batch
from cluster import Cluster, UnreachableError, connect, wait
from overlay import (
    EXAMPLE,
    HERE,
    NOTHING_YET,
    ROOT,
    Overlay,
    RefusedError,
    Rendered,
    checked_registry,
    container_of,
    environments,
    run,
)
from state import State, compare, revision


def deploy() -> int:
    """Set the tag of an environment, send it all, and wait until it runs."""
    before = Overlay(asked("ENV"))
    tag = asked("TAG")
    if run(sys.executable, "hooks/image_tags.py", f"--tag={tag}", show=True).returncode != 0:
        return 1
    overlay = before.with_images(tag, checked_registry(asked("REGISTRY")))
    for image in overlay.images().values():
        if image.startswith(EXAMPLE):
            raise RefusedError(
                f"{overlay.shown}: {image} is an example. Say once where your images are, with the REGISTRY that you "
                "gave to make push, such as REGISTRY=ghcr.io/ada; it is kept."
            )
    if run(sys.executable, "deploy/doctor.py", HERE.name, show=True).returncode != 0:
        return 1
    rendered = overlay.render()
    cluster = there(rendered)
    print(f"Sending {tag} to {cluster.namespace}, context {cluster.context}.", flush=True)
    _try(cluster, rendered)
    overlay.write()
    said = cluster.kubectl("apply", "--filename=-", text=rendered.text)
    print(said.stdout, end="", flush=True)
    if said.returncode != 0:
        raise RefusedError(f"Not all of it was taken: {said.stderr.strip()}\n{_way_back(before)}")
    if not wait(cluster, rendered.api["metadata"]["name"]):
        raise RefusedError(_way_on(overlay))
    now, image = (container_of(one or rendered.api)["image"] for one in (State(cluster, rendered).api, rendered.api))
    if now != image:
        raise RefusedError(f"Meanwhile somebody else deployed {now}, so that runs, and not {tag}.")
    print(f"{overlay.name} runs {tag}. {_to_commit(overlay)}")
    return 0


def manifests() -> int:
    """Print what would be sent."""
    print(Overlay(asked("ENV")).render().text, end="")
    return 0


def status() -> int:
    """Say what should run and what does: 0 if they are the same, 1 if not, 2 if the cluster gives no answer."""
    overlay = Overlay(asked("ENV"))
    rendered = overlay.render(to_send=False)
    cluster = there(rendered)
    state = State(cluster, rendered)
    print(f"{overlay.name}      {cluster.namespace}, context {cluster.context}")
    print(f"intended  {container_of(rendered.api)['image']}{'' if overlay.committed() else '  (not committed)'}")
    wrong = compare(rendered, state)
    print("\n".join(f"DIFFERS   {one}" for one in wrong) or "The cluster runs what is intended.")
    return 1 if wrong else 0


def deploy_undo() -> int:
    """Go back to the roll-out before, or to REVISION, and let git say so."""
    overlay = Overlay(asked("ENV"))
    rendered = overlay.render(to_send=False)
    cluster = there(rendered)
    state = State(cluster, rendered)
    if state.api is None:
        raise RefusedError(f"Nothing is deployed in {cluster.namespace}. Nothing was changed.")
    now = container_of(state.api)["image"]
    images = {to: container_of(one)["image"] for to, one in state.revisions().items()}
    if not asked("REVISION") and now != overlay.images()["api"]:
        raise RefusedError(
            f"{overlay.shown} says {overlay.images()['api']}, and the cluster was asked for {now}, so it is not plain "
            f"which way is back. Nothing was changed. To stay with that, deploy its tag; to go back, say REVISION="
        )
    to = _earlier(images, revision(state.api), asked("REVISION"))
    name, _, tag = images[to].rpartition(":")
    overlay = overlay.with_images(tag, name.rpartition("/")[0])
    if overlay.images()["api"] != images[to]:
        raise RefusedError(
            f"Revision {to} ran {images[to]}, which {overlay.shown} cannot name by another tag alone. Nothing was "
            f"changed. Write newName and newTag there yourself, and call: kubectl rollout undo --to-revision={to}"
        )
    overlay.check()
    print(f"Going back from {now} to {images[to]} in {cluster.namespace}, context {cluster.context}.", flush=True)
    deployment = f"deployment/{state.api['metadata']['name']}"
    print(cluster.must("rollout", "undo", deployment, f"--to-revision={to}"), end="", flush=True)
    overlay.write()
    jobs = overlay.images().get("jobs", "")
    for job in state.of("CronJob") if jobs else ():  # a Deployment remembers its roll-outs, and a CronJob does not
        image = f"{container_of(job)['name']}={jobs}"
        print(cluster.must("set", "image", f"cronjob/{job['metadata']['name']}", image), end="", flush=True)
    if not wait(cluster, state.api["metadata"]["name"]):
        raise RefusedError(_way_on(overlay))
    print(f"{overlay.name} runs {tag} again, and its jobs will. {_to_commit(overlay)}")
    print("If settings or manifests changed as well, take that back in git, or the next deploy sends it again.")
    return 0


def predict() -> int:
    """Predict a table of the volume in the cluster, and wait for the answers."""
    rendered = Overlay(asked("ENV")).render()
    return batch.predict(there(rendered), rendered, asked("IN"), asked("OUT"))


def tables() -> int:
    """Copy a table into the volume of the cluster, or from there."""
    rendered = Overlay(asked("ENV")).render()
    return batch.copy(there(rendered), rendered, asked("IN"), asked("OUT"))


def allowed() -> int:
    """Whether one may deploy into ENV, or into any of them; for make doctor."""
    for name in [asked("ENV")] if asked("ENV") else environments():
        cluster = connect(asked("CONTEXT"), Overlay(name).namespace())
        if cluster.kubectl("auth", "can-i", "patch", "deployments", "--request-timeout=10s").returncode == 0:
            return 0
    return 1


COMMANDS: dict[str, Callable[[], int]] = {
    "deploy": deploy,
    "manifests": manifests,
    "status": status,
    "deploy-undo": deploy_undo,
    "predict": predict,
    "tables": tables,
    "allowed": allowed,
}


def main(name: str) -> int:
    """Run a command in the project's folder; what is wrong is said in words."""
    os.chdir(ROOT)
    try:
        return COMMANDS[name]()
    except RefusedError as error:
        print(error, file=sys.stderr)
        return 2 if isinstance(error, UnreachableError) else 1
    except KeyboardInterrupt:
        print(f"Stopped. See what runs with make status ENV={asked('ENV')}", file=sys.stderr)
        return 130


def asked(name: str) -> str:
    """What was asked for on the command line of make; empty if nothing."""
    return os.environ.get(f"ASKED_{name}", "")


def there(rendered: Rendered) -> Cluster:
    """The namespace of an environment, in the context that was asked for."""
    return connect(asked("CONTEXT"), rendered.namespace)


def _try(cluster: Cluster, rendered: Rendered) -> None:
    """Let the cluster say what it would refuse, where it can: not before it has the namespace."""
    said = cluster.kubectl("apply", "--dry-run=server", "--filename=-", text=rendered.text)
    forgiven = "does not support dry run"
    if any(one["metadata"]["name"] == cluster.namespace for one in rendered.of("Namespace")):
        forgiven += f'|namespaces "{cluster.namespace}" not found'
    lines = [line for line in said.stderr.splitlines() if line and not line.startswith("Warning: ")]
    if said.returncode != 0 and not (lines and all(re.search(forgiven, line) for line in lines)):
        raise RefusedError(f"The cluster refuses it, so nothing was changed: {said.stderr.strip()}")


def _earlier(images: dict[int, str], now: int, wanted: str) -> int:
    others = {to: image for to, image in images.items() if 0 < to != now}
    if wanted and (not wanted.isdecimal() or int(wanted) not in others):
        known = ", ".join(f"{to} ({image})" for to, image in sorted(others.items())) or "none"
        raise RefusedError(f'REVISION="{wanted}" is no other roll-out; there are: {known}. Nothing was changed.')
    before = [to for to in others if to < now]
    if not wanted and not before:
        raise RefusedError(f"There is no roll-out before revision {now} to go back to. Nothing was changed.")
    return int(wanted) if wanted else max(before)


def _way_on(overlay: Overlay) -> str:
    return f"See what runs with make status ENV={overlay.name}; go back with make deploy-undo ENV={overlay.name}."


def _way_back(before: Overlay) -> str:
    name, _, tag = before.images()["api"].rpartition(":")
    back = f"make deploy ENV={before.name} TAG={tag} REGISTRY={name.rpartition('/')[0]}"
    again = "send it again when it can be taken"
    return f"See what runs with make status ENV={before.name}; {again}" + (
        "." if tag == NOTHING_YET[1:] else f", or what was there before: {back}"
    )


def _to_commit(overlay: Overlay) -> str:
    return (
        "Git has it."
        if overlay.committed()
        else f"Commit it: git commit -m 'chore: deploy to {overlay.name}' -- {overlay.shown}"
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
