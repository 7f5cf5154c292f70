"""Refuse an image whose tag may mean another image tomorrow, in files and for `make deploy`.

A tag that moves cannot be rolled back to, and a cluster does not notice that it moved.
"""

import argparse
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import yaml

TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
DEFAULT = re.compile(r"\$\{\w+:?-([^}]*)\}")
VARIABLE = re.compile(r"\$\{[^}]*\}|\$\w+|\{\{.*?\}\}")
OF_A_VERSION = re.compile(r"\d+\.\d+|\d{6}")
OF_A_STATE = re.compile(r"\d+\.\d+\.\d+|\d+\.\d+.*-[0-9a-f]{7,40}-")  # a whole version, or a commit after it
MOVES = {"latest", "edge", "nightly", "snapshot"}
NOTHING_YET = "0.0.0-none-yet"  # where nothing was deployed yet
ADVICE = "name one that stays, such as {}"
OURS = "0.1.0-3f2a9c1b0d4e-20261122T160054182736-63de8fce, as make tag prints it"
Found = Iterator[tuple[int, str]]


def fault(tag: str, pattern: re.Pattern[str] = OF_A_STATE) -> str | None:
    """What is wrong with `tag`, which must hold what `pattern` finds, or None if it stays what it is."""
    words = set(re.split(r"[.-]", tag.lower()))
    if not tag:
        return "no tag is named"
    if not TAG.fullmatch(tag):
        return f'"{tag}" is no tag'
    if words & {"dirty", "uncommitted"}:
        return f'the tag "{tag}" was given to a state that no commit holds, so commit first'
    if tag.endswith("-"):
        return f'the tag "{tag}" names no model, so make train first'
    if words & MOVES or not pattern.search(tag):
        return f'the tag "{tag}" may mean another image tomorrow'
    return None


def faults(path: Path) -> list[str]:
    """Each image in a Dockerfile, or in a YAML or JSON file, whose tag is missing or moves, as one line."""
    text = path.read_text(encoding="utf-8-sig", errors="replace")
    found = _of_dockerfile(text) if "dockerfile" in path.name.lower() else _of_yaml(text)
    advice = ADVICE.format("1.28.0, or a digest")
    return [f"{path.as_posix()}:{line}: {wrong}; {advice}" for line, name in found if (wrong := fault_of_image(name))]


def fault_of_image(name: str) -> str | None:
    """What is wrong with the tag or the digest in the name of an image."""
    name = VARIABLE.sub("$", DEFAULT.sub(r"\1", name.strip().removeprefix("docker://")))
    image, _, digest = name.partition("@")
    if name in ("", "$", "null", "scratch") or "://" in name or "$" in digest or DIGEST.fullmatch(digest):
        return None
    if digest:
        return f'"{digest}" is no digest'
    tag = image.rpartition("/")[2].partition(":")[2]
    if "$" in tag or tag == NOTHING_YET:
        return None
    return fault(tag, OF_A_VERSION) if tag else f'the image "{name}" has no tag'


def _of_dockerfile(text: str) -> Found:
    stages: set[str] = set()
    defaults: dict[str, str] = {}
    end = ""
    for line, content in _commands(text):
        if end:  # inside of a text that a RUN or COPY holds
            end = "" if content.strip() == end else end
            continue
        if heredoc := re.search(r"<<-?[\"']?(\w+)", content):
            end = heredoc[1]
        words = content.split()
        command = words[0].upper() if words else ""
        named = re.findall(r"\s--from=(\S+)|--mount=\S*\bfrom=([^,\s]+)", content)
        images = ["".join(pair) for pair in named if command in ("COPY", "RUN", "ONBUILD")]
        if command == "ARG" and "=" in content:
            name, _, value = words[1].partition("=")
            defaults[name] = value.strip("\"'")
        elif command == "FROM":
            source, *rest = [word for word in words[1:] if not word.startswith("--")] or [""]
            images = [re.sub(r"\$\{?(\w+)\}?", lambda one: defaults.get(one[1], one[0]), source)]
            yield from ((line, one) for one in images if one.lower() not in stages)
            stages.update(word.lower() for word in rest[1:])
            images = []
        yield from ((line, one) for one in images if one.lower() not in stages and not one.isdigit())


def _commands(text: str) -> Found:
    """The lines of a Dockerfile, those that go on after a backslash put together."""
    start = 1
    whole = ""
    for line, content in enumerate(text.splitlines(), start=1):
        start = start if whole else line
        whole += content.removesuffix("\\")
        if not content.endswith("\\"):
            yield start, whole
            whole = ""


def _of_yaml(text: str) -> Found:
    try:
        documents = list(yaml.compose_all(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)))
    except yaml.YAMLError:
        return  # a template of a chart, or a fault that another hook names
    seen: set[int] = set()
    for document in documents:
        yield from _of_node(document, "", seen)


def _of_node(node: yaml.Node | None, above: str, seen: set[int]) -> Found:
    if node is None or id(node) in seen:  # an alias may lead back
        return
    seen.add(id(node))
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            if above == "services" and isinstance(item, yaml.ScalarNode):  # of GitLab
                yield item.start_mark.line + 1, item.value
            yield from _of_node(item, above, seen)
    if not isinstance(node, yaml.MappingNode):
        return
    entries = {key.value: value for key, value in node.value if isinstance(key, yaml.ScalarNode)}
    if above == "images" and "newName" in entries and not {"newTag", "digest"} & set(entries):
        yield node.start_mark.line + 1, entries["newName"].value
    for key, value in entries.items():
        if not isinstance(value, yaml.ScalarNode):
            yield from _of_node(value, key, seen)
        elif name := _image(key, value.value, above, set(entries)):
            yield value.start_mark.line + 1, name


def _image(key: str, value: str, above: str, beside: set[str]) -> str:
    """The image that an entry names, or nothing."""
    if key in ("image", "ImageIdentifier", "container") or (key == "name" and above in ("image", "services")):
        return value if "build" not in beside else ""  # what is built here is not fetched
    if key == "uses" and value.startswith("docker://"):
        return value
    if key == "newTag" or (key == "tag" and above == "image" and value):
        return f"image:{value}"
    return f"image@{value}" if key == "digest" and above == "images" else ""


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tag", help="a tag, instead of files")
    parser.add_argument("files", nargs="*", type=Path)
    given = parser.parse_args(arguments)
    if given.tag is not None:
        wrong = "nothing was built under that tag" if given.tag == NOTHING_YET else fault(given.tag)
        found = [f"TAG: {wrong}; {ADVICE.format(OURS)}"] if wrong else []
    else:
        found = [line for path in given.files for line in faults(path)]
    print("\n".join(found), end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
