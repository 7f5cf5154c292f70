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
from pods import FORMLESS, Object, formless, pods

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
OVERLAYS = HERE / "overlays"
COMPONENT = "app.kubernetes.io/component"
EXAMPLE = "registry.example.com/"
NOTHING_YET = ":0.0.0-none-yet"
REGISTRY = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[0-9]{1,5})?(/[a-z0-9]+([._-]+[a-z0-9]+)*)*")


class RefusedError(Exception):
    """Something that a person can put right; the message says what, where and how."""


@dataclass(frozen=True)
class Rendered:
    """What kustomize makes of an overlay."""

    text: str
    objects: list[Object]

    def of(self, kind: str) -> list[Object]:
        """The objects of a kind."""
        return [one for one in self.objects if one["kind"] == kind]

    @property
    def api(self) -> Object:
        """The Deployment of the API."""
        return next(one for one in self.of("Deployment") if component(one) == "api")

    @property
    def namespace(self) -> str:
        """Where all of it goes."""
        return str(self.api["metadata"]["namespace"])


class Overlay:
    """One environment, as the working tree describes it, or with another text of its kustomization.yaml."""

    def __init__(self, name: str, text: str | None = None, found: bytes | None = None) -> None:
        names = environments()
        if name not in names:
            said = f'ENV="{name}" is no overlay' if name else "ENV is missing"
            raise RefusedError(f"{said}. Say which of {', '.join(names)}, for instance: ENV={names[0]}")
        self.name = name
        self.path = OVERLAYS / name / "kustomization.yaml"
        self.shown = self.path.relative_to(ROOT).as_posix()
        self.found = self.path.read_bytes() if found is None else found
        try:
            self.text = self.found.decode("utf-8") if text is None else text
        except UnicodeDecodeError as error:
            raise RefusedError(f"{self.shown}: this is not UTF-8: {error}. Save it as UTF-8.") from error

    def images(self) -> dict[str, str]:
        """The image of the API and that of the jobs as this overlay names them, each with its tag."""
        return {name: f"{one['newName'].value}:{one['newTag'].value}" for name, one in self._entries().items()}

    def namespace(self) -> str:
        """Where it says that all of it goes."""
        given = _pairs(self._root()).get("namespace")
        return str(given.value) if given else "default"

    def with_images(self, tag: str, registry: str = "") -> "Overlay":
        """The same with another tag, and with names in another registry; all else stays, byte for byte."""
        changes = []
        for one in self._entries().values():
            changes.append((one["newTag"], tag))
            if registry:
                changes.append((one["newName"], f"{registry}/{one['newName'].value.rpartition('/')[2]}"))
        text = self.text
        for node, value in sorted(changes, key=lambda change: -change[0].start_mark.index):
            scalar = value if yaml.safe_load(value) == value else json.dumps(value)
            text = text[: node.start_mark.index] + scalar + text[node.end_mark.index :]
        return Overlay(self.name, text, self.found)

    def check(self) -> None:
        """See that the file is still what was read.

        Raises:
            RefusedError: somebody changed it.
        """
        if self.path.read_bytes() != self.found:
            raise RefusedError(f"{self.shown} was edited meanwhile, and stays as it is. Look at it, and begin again.")

    def write(self) -> None:
        """Put the text in its place, whole or not at all."""
        self.check()
        beside = self.path.with_name(".kustomization.yaml.new")
        beside.write_bytes(self.text.encode("utf-8"))
        beside.replace(self.path)

    def committed(self) -> bool:
        """Whether git has it as it is."""
        return not run("git", "status", "--porcelain", "--", self.shown).stdout

    def render(self, to_send: bool = True) -> Rendered:
        """Let kustomize make the objects of it, in a copy; nothing is written here.

        Raises:
            RefusedError: kustomize cannot, none is the API's or, if they are to be sent, they do not hold together.
        """
        text, objects = self._made()
        found = [*self._overwritten(objects)]
        try:
            found += [*self._lost(objects), *manifests.faults(objects)] if to_send else []
        except FORMLESS as error:
            found.append(formless(error))
        if not any(one["kind"] == "Deployment" and component(one) == "api" for one in objects):
            found.append(f"no Deployment has the label {COMPONENT}: api; give it to that of the API")
        elif not all(one["metadata"].get("namespace") for one in objects if one["kind"] == "Deployment"):
            found.append("there is no namespace; set namespace: in it")
        if found:
            raise RefusedError("\n".join([f"{self.shown}: what comes of it does not hold together:", *found]))
        return Rendered(text, objects)

    def _made(self) -> tuple[str, list[Object]]:
        with tempfile.TemporaryDirectory() as folder:  # with all of deploy/, since overlays may name what is beside
            copy = Path(folder) / HERE.parent.name
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(HERE.parent, copy, ignore=ignored, ignore_dangling_symlinks=True)
            place = copy / HERE.name / "overlays" / self.name
            (place / "kustomization.yaml").write_bytes(self.text.encode("utf-8"))
            said = run("kubectl", "kustomize", str(place))
            if said.returncode != 0:
                raise RefusedError(f"{self.shown}: kustomize refuses it: {said.stderr.strip().replace(folder, '')}")
        return said.stdout, [whole(one) for one in yaml.safe_load_all(said.stdout) if one]

    def _overwritten(self, objects: list[Object]) -> Iterator[str]:
        own = {_identity(one) for one in objects if one["kind"] != "Namespace"}
        for other in environments():
            if other == self.name:
                continue
            try:
                theirs = Overlay(other)._made()[1]  # noqa: SLF001
            except RefusedError:
                continue  # it is said where that one is sent
            for kind, name, space in sorted(own & {_identity(one) for one in theirs}):
                where = f"in the namespace {space} too, and each would overwrite the other"
                remedy = "give one of them another namespace or a nameSuffix"
                yield f"{kind}/{name}: overlays/{other} has one of that name {where}; {remedy}"

    def _lost(self, objects: list[Object]) -> Iterator[str]:
        reached = {container["image"] for pod in pods(objects) for container in pod.containers}
        for name, image in self.images().items():
            if image not in reached:
                yield f"images: {name} reaches no pod; let one have the image {name}, and no digest"
        if not any(image.endswith(NOTHING_YET) for image in self.images().values()):
            for image in reached:
                if image.endswith(NOTHING_YET):
                    yield f"images: nothing says which {image.partition(':')[0]} is meant; give it newName and newTag"

    def _root(self) -> yaml.Node | None:
        try:
            root: yaml.Node | None = yaml.compose(self.text, Loader=yaml.SafeLoader)
        except yaml.YAMLError as error:
            raise RefusedError(f"{self.shown}: this is not YAML: {error}") from error
        return root

    def _entries(self) -> dict[str, dict[str, Any]]:
        listed = _pairs(self._root()).get("images")
        found = [_pairs(item) for item in (listed.value if isinstance(listed, yaml.SequenceNode) else ())]
        entries = {one["name"].value: one for one in found if "name" in one and one["name"].value in ("api", "jobs")}
        if "api" not in entries:
            raise RefusedError(f"{self.shown}: under images: there is no api. Add it, with newName and newTag.")
        for name, one in entries.items():
            if not {"newName", "newTag"} <= set(one):
                raise RefusedError(f"{self.shown}: the image {name} needs newName and newTag. Write both.")
        return entries


def whole(value: Any) -> Any:  # noqa: ANN401 - whatever YAML holds
    """The same without fields that hold nothing, which Kubernetes takes as not written."""
    if isinstance(value, dict):
        return {name: whole(one) for name, one in value.items() if one is not None}
    return [whole(one) for one in value if one is not None] if isinstance(value, list) else value


def component(thing: Object) -> str:
    """Which part of the project an object is: api, monitor or predict."""
    return str((thing["metadata"].get("labels") or {}).get(COMPONENT, ""))


def container_of(thing: Object) -> Object:
    """The container that a workload is about; others may stand beside it."""
    spec = thing["spec"]["jobTemplate"]["spec"] if thing["kind"] == "CronJob" else thing["spec"]
    listed: list[Object] = spec["template"]["spec"]["containers"]
    return next((one for one in listed if one["name"] == component(thing)), listed[0])


def environments() -> list[str]:
    """The names of the overlays."""
    return sorted(path.parent.name for path in OVERLAYS.glob("*/kustomization.yaml"))


def checked_registry(registry: str) -> str:
    """The registry without a slash at its end.

    Raises:
        RefusedError: it is none.
    """
    registry = registry.rstrip("/")
    if registry and not REGISTRY.fullmatch(registry):
        raise RefusedError(f'REGISTRY="{registry}" is no registry. Write it without https://, such as ghcr.io/ada')
    return registry


def run(*words: str, text: str | None = None, show: bool = False) -> subprocess.CompletedProcess[str]:
    """Run a program; its output is returned, or shown as it comes.

    Raises:
        RefusedError: there is no such program.
    """
    pipe = None if show else subprocess.PIPE
    try:
        return subprocess.run(  # noqa: S603 - no shell
            words, input=text or "", stdout=pipe, stderr=pipe, text=True, encoding="utf-8", check=False
        )
    except FileNotFoundError as error:
        raise RefusedError(f"{words[0]} is not here; make doctor says how to get it.") from error


def _identity(thing: Object) -> tuple[str, str, str]:
    meta = thing["metadata"]
    return thing["kind"], str(meta.get("name")), str(meta.get("namespace", ""))


def _pairs(node: yaml.Node | None) -> dict[str, Any]:
    return {key.value: value for key, value in node.value} if isinstance(node, yaml.MappingNode) else {}
