"""Read and write what git says should run: the images in `overlays/<environment>/kustomization.yaml`."""

import json
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import manifests
import yaml
from pods import MALFORMED_ERRORS, Object, describe_malformed, pods

KUBERNETES_FOLDER = Path(__file__).parent
ROOT = KUBERNETES_FOLDER.parents[1]
OVERLAYS = KUBERNETES_FOLDER / "overlays"
COMPONENT_LABEL = "app.kubernetes.io/component"
EXAMPLE_REGISTRY = "registry.example.com/"
PLACEHOLDER_SUFFIX = ":0.0.0-none-yet"
REGISTRY = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[0-9]{1,5})?(/[a-z0-9]+([._-]+[a-z0-9]+)*)*")


class RefusedError(Exception):
    """Something that a person can put right; the message says what, where and how."""


@dataclass(frozen=True)
class Rendered:
    """What kustomize makes of an overlay."""

    text: str
    objects: list[Object]

    def of_kind(self, kind: str) -> list[Object]:
        """The objects of a kind."""
        return [obj for obj in self.objects if obj["kind"] == kind]

    @property
    def api(self) -> Object:
        """The Deployment of the API."""
        return next(obj for obj in self.of_kind("Deployment") if component(obj) == "api")

    @property
    def namespace(self) -> str:
        """The namespace of the Deployment of the API."""
        return str(self.api["metadata"]["namespace"])


class Overlay:
    """One environment, as the working tree describes it, or with another text of its kustomization.yaml."""

    def __init__(self, name: str, text: str | None = None, original: bytes | None = None) -> None:
        names = environments()
        if name not in names:
            problem = f'ENV="{name}" is no overlay' if name else "ENV is missing"
            raise RefusedError(f"{problem}. Say which of {', '.join(names)}, for instance: ENV={names[0]}")
        self.name = name
        self.path = OVERLAYS / name / "kustomization.yaml"
        self.relative_path = self.path.relative_to(ROOT).as_posix()
        self.original = self.path.read_bytes() if original is None else original
        try:
            self.text = self.original.decode("utf-8") if text is None else text
        except UnicodeDecodeError as error:
            raise RefusedError(f"{self.relative_path}: this is not UTF-8: {error}. Save it as UTF-8.") from error

    def images(self) -> dict[str, str]:
        """Return the image of the API and that of the jobs as this overlay names them, each with its tag."""
        return {
            name: f"{entry['newName'].value}:{entry['newTag'].value}" for name, entry in self._image_entries().items()
        }

    def namespace(self) -> str:
        """Return the namespace that kustomization.yaml sets, or "default"."""
        node = _pairs(self._root_node()).get("namespace")
        return str(node.value) if node else "default"

    def with_images(self, tag: str, registry: str = "") -> "Overlay":
        """Return an overlay with another tag, and with another registry; all else stays, byte for byte."""
        replacements = []
        for entry in self._image_entries().values():
            replacements.append((entry["newTag"], tag))
            if registry:
                replacements.append((entry["newName"], f"{registry}/{entry['newName'].value.rpartition('/')[2]}"))
        text = self.text
        for node, value in sorted(replacements, key=lambda replacement: -replacement[0].start_mark.index):
            scalar = value if yaml.safe_load(value) == value else json.dumps(value)
            text = text[: node.start_mark.index] + scalar + text[node.end_mark.index :]
        return Overlay(self.name, text, self.original)

    def check_unchanged(self) -> None:
        """Check that the file has not changed since it was read.

        Raises:
            RefusedError: it has changed.
        """
        if self.path.read_bytes() != self.original:
            raise RefusedError(
                f"{self.relative_path} was edited meanwhile, and stays as it is. Look at it, and begin again."
            )

    def write(self) -> None:
        """Write the file atomically."""
        self.check_unchanged()
        temporary_path = self.path.with_name(".kustomization.yaml.new")
        temporary_path.write_bytes(self.text.encode("utf-8"))
        temporary_path.replace(self.path)

    def is_committed(self) -> bool:
        """Whether the file is committed as it is."""
        return not run("git", "status", "--porcelain", "--", self.relative_path).stdout

    def render(self, to_send: bool = True) -> Rendered:
        """Render the objects with kustomize, in a copy of the folder.

        Raises:
            RefusedError: kustomize fails, there is no API or, if they are to be sent, the objects have faults.
        """
        text, objects = self._kustomize()
        problems = [*self._overwrite_problems(objects)]
        try:
            problems += [*self._unused_image_problems(objects), *manifests.faults(objects)] if to_send else []
        except MALFORMED_ERRORS as error:
            problems.append(describe_malformed(error))
        if not any(obj["kind"] == "Deployment" and component(obj) == "api" for obj in objects):
            problems.append(f"no Deployment has the label {COMPONENT_LABEL}: api; give it to that of the API")
        elif not all(obj["metadata"].get("namespace") for obj in objects if obj["kind"] == "Deployment"):
            problems.append("there is no namespace; set namespace: in it")
        if problems:
            raise RefusedError(
                "\n".join([f"{self.relative_path}: what comes of it does not hold together:", *problems])
            )
        return Rendered(text, objects)

    def _kustomize(self) -> tuple[str, list[Object]]:
        with tempfile.TemporaryDirectory() as folder:  # with all of deploy/, since overlays may refer to it
            copy = Path(folder) / KUBERNETES_FOLDER.parent.name
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(KUBERNETES_FOLDER.parent, copy, ignore=ignored, ignore_dangling_symlinks=True)
            overlay_folder = copy / KUBERNETES_FOLDER.name / "overlays" / self.name
            (overlay_folder / "kustomization.yaml").write_bytes(self.text.encode("utf-8"))
            result = run("kubectl", "kustomize", str(overlay_folder))
            if result.returncode != 0:
                raise RefusedError(
                    f"{self.relative_path}: kustomize refuses it: {result.stderr.strip().replace(folder, '')}"
                )
        return result.stdout, [drop_nulls(obj) for obj in yaml.safe_load_all(result.stdout) if obj]

    def _overwrite_problems(self, objects: list[Object]) -> Iterator[str]:
        identities = {_identity(obj) for obj in objects if obj["kind"] != "Namespace"}
        for other in environments():
            if other == self.name:
                continue
            try:
                other_objects = Overlay(other)._kustomize()[1]  # noqa: SLF001
            except RefusedError:
                continue  # reported when that overlay is sent
            for kind, name, namespace in sorted(identities & {_identity(obj) for obj in other_objects}):
                conflict = f"in the namespace {namespace} too, and each would overwrite the other"
                remedy = "give one of them another namespace or a nameSuffix"
                yield f"{kind}/{name}: overlays/{other} has one of that name {conflict}; {remedy}"

    def _unused_image_problems(self, objects: list[Object]) -> Iterator[str]:
        used_images = {container["image"] for pod in pods(objects) for container in pod.containers}
        for name, image in self.images().items():
            if image not in used_images:
                yield f"images: {name} reaches no pod; let one have the image {name}, and no digest"
        if not any(image.endswith(PLACEHOLDER_SUFFIX) for image in self.images().values()):
            for image in used_images:
                if image.endswith(PLACEHOLDER_SUFFIX):
                    yield f"images: nothing says which {image.partition(':')[0]} is meant; give it newName and newTag"

    def _root_node(self) -> yaml.Node | None:
        try:
            root: yaml.Node | None = yaml.compose(self.text, Loader=yaml.SafeLoader)
        except yaml.YAMLError as error:
            raise RefusedError(f"{self.relative_path}: this is not YAML: {error}") from error
        return root

    def _image_entries(self) -> dict[str, dict[str, Any]]:
        images_node = _pairs(self._root_node()).get("images")
        mappings = [_pairs(item) for item in (images_node.value if isinstance(images_node, yaml.SequenceNode) else ())]
        entries = {
            entry["name"].value: entry
            for entry in mappings
            if "name" in entry and entry["name"].value in ("api", "jobs")
        }
        if "api" not in entries:
            raise RefusedError(f"{self.relative_path}: under images: there is no api. Add it, with newName and newTag.")
        for name, entry in entries.items():
            if not {"newName", "newTag"} <= set(entry):
                raise RefusedError(f"{self.relative_path}: the image {name} needs newName and newTag. Write both.")
        return entries


def drop_nulls(value: Any) -> Any:  # noqa: ANN401 - whatever YAML holds
    """Return `value` without null fields, which Kubernetes ignores."""
    if isinstance(value, dict):
        return {name: drop_nulls(item) for name, item in value.items() if item is not None}
    return [drop_nulls(item) for item in value if item is not None] if isinstance(value, list) else value


def component(obj: Object) -> str:
    """Return which part of the project an object is: api, monitor or predict."""
    return str((obj["metadata"].get("labels") or {}).get(COMPONENT_LABEL, ""))


def container_of(obj: Object) -> Object:
    """Return the main container of a workload, which may have sidecars."""
    spec = obj["spec"]["jobTemplate"]["spec"] if obj["kind"] == "CronJob" else obj["spec"]
    containers: list[Object] = spec["template"]["spec"]["containers"]
    return next((container for container in containers if container["name"] == component(obj)), containers[0])


def environments() -> list[str]:
    """Return the names of the overlays."""
    return sorted(path.parent.name for path in OVERLAYS.glob("*/kustomization.yaml"))


def check_registry(registry: str) -> str:
    """Return the registry without a slash at its end.

    Raises:
        RefusedError: it is none.
    """
    registry = registry.rstrip("/")
    if registry and not REGISTRY.fullmatch(registry):
        raise RefusedError(f'REGISTRY="{registry}" is no registry. Write it without https://, such as ghcr.io/ada')
    return registry


def run(*args: str, text: str | None = None, show: bool = False) -> subprocess.CompletedProcess[str]:
    """Run a program; its output is returned, or shown as it comes.

    Raises:
        RefusedError: there is no such program.
    """
    pipe = None if show else subprocess.PIPE
    try:
        return subprocess.run(  # noqa: S603 - no shell
            args, input=text or "", stdout=pipe, stderr=pipe, text=True, encoding="utf-8", check=False
        )
    except FileNotFoundError as error:
        raise RefusedError(f"{args[0]} is not here; make doctor says how to get it.") from error


def _identity(obj: Object) -> tuple[str, str, str]:
    metadata = obj["metadata"]
    return obj["kind"], str(metadata.get("name")), str(metadata.get("namespace", ""))


def _pairs(node: yaml.Node | None) -> dict[str, Any]:
    return {key.value: value for key, value in node.value} if isinstance(node, yaml.MappingNode) else {}
