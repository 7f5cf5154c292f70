"""Ship a version to Kubernetes, see what runs there, go back, and predict a table there.

Git says what should run: every way to another image is written into the overlay, and a person commits it. What can be
refused is refused before anything is written or sent.
"""

import os
import re
import sys
from collections.abc import Callable

import batch
from cluster import Cluster, UnreachableError, connect, wait_for_rollout
from overlay import (
    EXAMPLE_REGISTRY,
    KUBERNETES_FOLDER,
    PLACEHOLDER_SUFFIX,
    ROOT,
    Overlay,
    RefusedError,
    Rendered,
    check_registry,
    container_of,
    environments,
    run,
)
from state import State, compare, revision


def deploy() -> int:
    """Set the tag of an environment, apply its manifests, and wait for the roll-out."""
    old_overlay = Overlay(make_variable("ENV"))
    tag = make_variable("TAG")
    if run(sys.executable, "hooks/image_tags.py", f"--tag={tag}", show=True).returncode != 0:
        return 1
    overlay = old_overlay.with_images(tag, check_registry(make_variable("REGISTRY")))
    for image in overlay.images().values():
        if image.startswith(EXAMPLE_REGISTRY):
            raise RefusedError(
                f"{overlay.relative_path}: {image} is an example. Say once where your images are, with the REGISTRY "
                "that you gave to make push, such as REGISTRY=ghcr.io/ada; it is kept."
            )
    if run(sys.executable, "deploy/doctor.py", KUBERNETES_FOLDER.name, show=True).returncode != 0:
        return 1
    rendered = overlay.render()
    cluster = cluster_of(rendered)
    print(f"Sending {tag} to {cluster.namespace}, context {cluster.context}.", flush=True)
    _dry_run(cluster, rendered)
    overlay.write()
    result = cluster.kubectl("apply", "--filename=-", text=rendered.text)
    print(result.stdout, end="", flush=True)
    if result.returncode != 0:
        raise RefusedError(f"Not all of it was taken: {result.stderr.strip()}\n{_recovery_hint(old_overlay)}")
    if not wait_for_rollout(cluster, rendered.api["metadata"]["name"]):
        raise RefusedError(_status_hint(overlay))
    running_image = container_of(State(cluster, rendered).api or rendered.api)["image"]
    image = container_of(rendered.api)["image"]
    if running_image != image:
        raise RefusedError(f"Meanwhile somebody else deployed {running_image}, so that runs, and not {tag}.")
    print(f"{overlay.name} runs {tag}. {_commit_hint(overlay)}")
    return 0


def manifests() -> int:
    """Print the manifests that would be applied."""
    print(Overlay(make_variable("ENV")).render().text, end="")
    return 0


def status() -> int:
    """Print what should run and what does: exit code 0 if they agree, 1 if not, 2 if the cluster is unreachable."""
    overlay = Overlay(make_variable("ENV"))
    rendered = overlay.render(to_send=False)
    cluster = cluster_of(rendered)
    state = State(cluster, rendered)
    print(f"{overlay.name}      {cluster.namespace}, context {cluster.context}")
    print(f"intended  {container_of(rendered.api)['image']}{'' if overlay.is_committed() else '  (not committed)'}")
    differences = compare(rendered, state)
    print("\n".join(f"DIFFERS   {difference}" for difference in differences) or "The cluster runs what is intended.")
    return 1 if differences else 0


def deploy_undo() -> int:
    """Roll back to the previous roll-out, or to REVISION, and write that to the overlay."""
    overlay = Overlay(make_variable("ENV"))
    rendered = overlay.render(to_send=False)
    cluster = cluster_of(rendered)
    state = State(cluster, rendered)
    if state.api is None:
        raise RefusedError(f"Nothing is deployed in {cluster.namespace}. Nothing was changed.")
    current_image = container_of(state.api)["image"]
    images = {target: container_of(replica_set)["image"] for target, replica_set in state.revisions().items()}
    if not make_variable("REVISION") and current_image != overlay.images()["api"]:
        raise RefusedError(
            f"{overlay.relative_path} says {overlay.images()['api']}, and the cluster was asked for {current_image}, "
            "so it is not plain which way is back. Nothing was changed. To stay with that, deploy its tag; to go back, "
            "say REVISION="
        )
    target = _undo_target(images, revision(state.api), make_variable("REVISION"))
    name, _, tag = images[target].rpartition(":")
    overlay = overlay.with_images(tag, name.rpartition("/")[0])
    if overlay.images()["api"] != images[target]:
        raise RefusedError(
            f"Revision {target} ran {images[target]}, which {overlay.relative_path} cannot name by another tag alone. "
            "Nothing was changed. Write newName and newTag there yourself, and call: kubectl rollout undo "
            f"--to-revision={target}"
        )
    overlay.check_unchanged()
    print(
        f"Going back from {current_image} to {images[target]} in {cluster.namespace}, context {cluster.context}.",
        flush=True,
    )
    deployment = f"deployment/{state.api['metadata']['name']}"
    print(cluster.check_output("rollout", "undo", deployment, f"--to-revision={target}"), end="", flush=True)
    overlay.write()
    jobs = overlay.images().get("jobs", "")
    for job in state.of_kind("CronJob") if jobs else ():  # a Deployment remembers its roll-outs, and a CronJob does not
        image = f"{container_of(job)['name']}={jobs}"
        print(cluster.check_output("set", "image", f"cronjob/{job['metadata']['name']}", image), end="", flush=True)
    if not wait_for_rollout(cluster, state.api["metadata"]["name"]):
        raise RefusedError(_status_hint(overlay))
    print(f"{overlay.name} runs {tag} again, and its jobs will. {_commit_hint(overlay)}")
    print("If settings or manifests changed as well, take that back in git, or the next deploy sends it again.")
    return 0


def predict() -> int:
    """Predict a table in the volume of the cluster, and wait for the predictions."""
    rendered = Overlay(make_variable("ENV")).render()
    return batch.predict(cluster_of(rendered), rendered, make_variable("IN"), make_variable("OUT"))


def tables() -> int:
    """Copy a table into the volume of the cluster, or out of it."""
    rendered = Overlay(make_variable("ENV")).render()
    return batch.copy(cluster_of(rendered), rendered, make_variable("IN"), make_variable("OUT"))


def allowed() -> int:
    """Return 0 if the user may deploy into ENV, or without it into any environment; for make doctor."""
    for name in [make_variable("ENV")] if make_variable("ENV") else environments():
        cluster = connect(make_variable("CONTEXT"), Overlay(name).namespace())
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
    """Run a command in the project's folder; return its exit code."""
    os.chdir(ROOT)
    try:
        return COMMANDS[name]()
    except RefusedError as error:
        print(error, file=sys.stderr)
        return 2 if isinstance(error, UnreachableError) else 1
    except KeyboardInterrupt:
        print(f"Stopped. See what runs with make status ENV={make_variable('ENV')}", file=sys.stderr)
        return 130


def make_variable(name: str) -> str:
    """Return a variable from the command line of make, or an empty string."""
    return os.environ.get(f"ASKED_{name}", "")


def cluster_of(rendered: Rendered) -> Cluster:
    """Return the namespace of an environment, in CONTEXT or in the current context of kubectl."""
    return connect(make_variable("CONTEXT"), rendered.namespace)


def _dry_run(cluster: Cluster, rendered: Rendered) -> None:
    """Check by a dry run what the cluster would refuse; it cannot tell before it has the namespace."""
    result = cluster.kubectl("apply", "--dry-run=server", "--filename=-", text=rendered.text)
    tolerated = "does not support dry run"
    if any(obj["metadata"]["name"] == cluster.namespace for obj in rendered.of_kind("Namespace")):
        tolerated += f'|namespaces "{cluster.namespace}" not found'
    lines = [line for line in result.stderr.splitlines() if line and not line.startswith("Warning: ")]
    if result.returncode != 0 and not (lines and all(re.search(tolerated, line) for line in lines)):
        raise RefusedError(f"The cluster refuses it, so nothing was changed: {result.stderr.strip()}")


def _undo_target(images: dict[int, str], current: int, requested: str) -> int:
    others = {number: image for number, image in images.items() if 0 < number != current}
    if requested and (not requested.isdecimal() or int(requested) not in others):
        available = ", ".join(f"{number} ({image})" for number, image in sorted(others.items())) or "none"
        raise RefusedError(f'REVISION="{requested}" is no other roll-out; there are: {available}. Nothing was changed.')
    earlier = [number for number in others if number < current]
    if not requested and not earlier:
        raise RefusedError(f"There is no roll-out before revision {current} to go back to. Nothing was changed.")
    return int(requested) if requested else max(earlier)


def _status_hint(overlay: Overlay) -> str:
    return f"See what runs with make status ENV={overlay.name}; go back with make deploy-undo ENV={overlay.name}."


def _recovery_hint(old_overlay: Overlay) -> str:
    name, _, tag = old_overlay.images()["api"].rpartition(":")
    redeploy = f"make deploy ENV={old_overlay.name} TAG={tag} REGISTRY={name.rpartition('/')[0]}"
    retry = "send it again when it can be taken"
    return f"See what runs with make status ENV={old_overlay.name}; {retry}" + (
        "." if tag == PLACEHOLDER_SUFFIX[1:] else f", or what was there before: {redeploy}"
    )


def _commit_hint(overlay: Overlay) -> str:
    return (
        "Git has it."
        if overlay.is_committed()
        else f"Commit it: git commit -m 'chore: deploy to {overlay.name}' -- {overlay.relative_path}"
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
