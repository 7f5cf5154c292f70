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
VERSION_TAG = re.compile(r"\d+\.\d+|\d{6}")
EXACT_VERSION_TAG = re.compile(r"\d+\.\d+\.\d+|\d+\.\d+.*-[0-9a-f]{7,40}-")  # a full version, or a commit after it
MOVING_WORDS = {"latest", "edge", "nightly", "snapshot"}
PLACEHOLDER_TAG = "0.0.0-none-yet"  # where nothing was deployed yet
REMEDY = "name one that stays, such as {}"
EXAMPLE_TAG = "0.1.0-3f2a9c1b0d4e-20261122T160054182736-63de8fce, as make tag prints it"
NumberedItems = Iterator[tuple[int, str]]


def fault(tag: str, pattern: re.Pattern[str] = EXACT_VERSION_TAG) -> str | None:
    """Return why `tag` is refused, or None; an accepted tag contains a match of `pattern`."""
    parts = set(re.split(r"[.-]", tag.lower()))
    if not tag:
        return "no tag is named"
    if not TAG.fullmatch(tag):
        return f'"{tag}" is no tag'
    if parts & {"dirty", "uncommitted"}:
        return f'the tag "{tag}" was given to a state that no commit holds, so commit first'
    if tag.endswith("-"):
        return f'the tag "{tag}" names no model, so make train first'
    if parts & MOVING_WORDS or not pattern.search(tag):
        return f'the tag "{tag}" may mean another image tomorrow'
    return None


def faults(path: Path) -> list[str]:
    """Return one message for each image in a Dockerfile, YAML or JSON file whose tag is missing or moves."""
    text = path.read_text(encoding="utf-8-sig", errors="replace")
    images = _dockerfile_images(text) if "dockerfile" in path.name.lower() else _yaml_images(text)
    remedy = REMEDY.format("1.28.0, or a digest")
    return [
        f"{path.as_posix()}:{line}: {problem}; {remedy}" for line, name in images if (problem := fault_of_image(name))
    ]


def fault_of_image(name: str) -> str | None:
    """Return what is wrong with the tag or the digest in the name of an image, or None."""
    name = VARIABLE.sub("$", DEFAULT.sub(r"\1", name.strip().removeprefix("docker://")))
    image, _, digest = name.partition("@")
    if name in ("", "$", "null", "scratch") or "://" in name or "$" in digest or DIGEST.fullmatch(digest):
        return None
    if digest:
        return f'"{digest}" is no digest'
    tag = image.rpartition("/")[2].partition(":")[2]
    if "$" in tag or tag == PLACEHOLDER_TAG:
        return None
    return fault(tag, VERSION_TAG) if tag else f'the image "{name}" has no tag'


def _dockerfile_images(text: str) -> NumberedItems:
    stages: set[str] = set()
    defaults: dict[str, str] = {}
    heredoc_end = ""
    for line, content in _instructions(text):
        if heredoc_end:  # inside the heredoc of a RUN or COPY
            heredoc_end = "" if content.strip() == heredoc_end else heredoc_end
            continue
        if heredoc := re.search(r"<<-?[\"']?(\w+)", content):
            heredoc_end = heredoc[1]
        words = content.split()
        instruction = words[0].upper() if words else ""
        from_options = re.findall(r"\s--from=(\S+)|--mount=\S*\bfrom=([^,\s]+)", content)
        images = ["".join(pair) for pair in from_options if instruction in ("COPY", "RUN", "ONBUILD")]
        if instruction == "ARG" and "=" in content:
            name, _, value = words[1].partition("=")
            defaults[name] = value.strip("\"'")
        elif instruction == "FROM":
            base_image, *stage_clause = [word for word in words[1:] if not word.startswith("--")] or [""]
            images = [re.sub(r"\$\{?(\w+)\}?", lambda match: defaults.get(match[1], match[0]), base_image)]
            yield from ((line, image) for image in images if image.lower() not in stages)
            stages.update(word.lower() for word in stage_clause[1:])
            images = []
        yield from ((line, image) for image in images if image.lower() not in stages and not image.isdigit())


def _instructions(text: str) -> NumberedItems:
    """Yield each instruction of a Dockerfile with its line number, continued lines joined."""
    start = 1
    instruction = ""
    for line, content in enumerate(text.splitlines(), start=1):
        start = start if instruction else line
        instruction += content.removesuffix("\\")
        if not content.endswith("\\"):
            yield start, instruction
            instruction = ""


def _yaml_images(text: str) -> NumberedItems:
    try:
        documents = list(yaml.compose_all(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)))
    except yaml.YAMLError:
        return  # a template of a chart, or a fault that another hook reports
    visited: set[int] = set()
    for document in documents:
        yield from _node_images(document, "", visited)


def _node_images(node: yaml.Node | None, parent_key: str, visited: set[int]) -> NumberedItems:
    if node is None or id(node) in visited:  # an alias may refer to an ancestor
        return
    visited.add(id(node))
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            if parent_key == "services" and isinstance(item, yaml.ScalarNode):  # of GitLab
                yield item.start_mark.line + 1, item.value
            yield from _node_images(item, parent_key, visited)
    if not isinstance(node, yaml.MappingNode):
        return
    entries = {key.value: value for key, value in node.value if isinstance(key, yaml.ScalarNode)}
    if parent_key == "images" and "newName" in entries and not {"newTag", "digest"} & set(entries):
        yield node.start_mark.line + 1, entries["newName"].value
    for key, value in entries.items():
        if not isinstance(value, yaml.ScalarNode):
            yield from _node_images(value, key, visited)
        elif name := _entry_image(key, value.value, parent_key, set(entries)):
            yield value.start_mark.line + 1, name


def _entry_image(key: str, value: str, parent_key: str, siblings: set[str]) -> str:
    """Return the image that a YAML entry names, or an empty string."""
    if key in ("image", "ImageIdentifier", "container") or (key == "name" and parent_key in ("image", "services")):
        return value if "build" not in siblings else ""  # what is built here is not fetched
    if key == "uses" and value.startswith("docker://"):
        return value
    if key == "newTag" or (key == "tag" and parent_key == "image" and value):
        return f"image:{value}"
    return f"image@{value}" if key == "digest" and parent_key == "images" else ""


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tag", help="a tag, instead of files")
    parser.add_argument("files", nargs="*", type=Path)
    arguments = parser.parse_args(argv)
    if arguments.tag is not None:
        problem = "nothing was built under that tag" if arguments.tag == PLACEHOLDER_TAG else fault(arguments.tag)
        messages = [f"TAG: {problem}; {REMEDY.format(EXAMPLE_TAG)}"] if problem else []
    else:
        messages = [line for path in arguments.files for line in faults(path)]
    print("\n".join(messages), end="\n" if messages else "")
    return 1 if messages else 0


if __name__ == "__main__":
    sys.exit(main())
