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
VARIABLE = re.compile(r"\$\{[^}]*\}|\$\w+|\{\{.*?\}\}")
MOVES = {"latest", "main", "master", "dev", "edge", "nightly", "snapshot"}
NOTHING_YET = "0.0.0-none-yet"  # where nothing was deployed yet
ADVICE = "name one that stays, such as {}"
OURS = "0.1.0-3f2a9c1b0d4e-20261122T160054182736-63de8fce, as make tag prints it"


def fault(tag: str, numbers: int = 3) -> str | None:
    """What is wrong with `tag`, which must hold a version of so many numbers, or None if it stays what it is."""
    words = set(re.split(r"[.-]", tag.lower()))
    if not tag:
        return "no tag is named"
    if not TAG.fullmatch(tag):
        return f'"{tag}" is no tag'
    if words & {"dirty", "uncommitted"}:
        return f'the tag "{tag}" was given to a state that no commit holds'
    if tag.endswith("-"):
        return f'the tag "{tag}" names no model'
    if words & MOVES or not re.search(r"\d+" + r"\.\d+" * (numbers - 1), tag):
        return f'the tag "{tag}" may mean another image tomorrow'
    return None


def faults(path: Path) -> list[str]:
    """Each image in a Dockerfile, or in a YAML or JSON file, whose tag is missing or moves, as one line."""
    text = path.read_text(encoding="utf-8", errors="replace")
    found = _of_dockerfile(text) if path.name.startswith("Dockerfile") else _of_yaml(text)
    advice = ADVICE.format("1.28.0, or a digest")
    return [
        f"{path.as_posix()}:{line}: {wrong}; {advice}" for line, name in found if (wrong := _fault_of_reference(name))
    ]


def _fault_of_reference(name: str) -> str | None:
    name = VARIABLE.sub("$", name.strip())
    if name in ("$", "scratch") or re.search(r"@sha256:[0-9a-f]{64}$", name):
        return None
    tag = name.rpartition("/")[2].partition("@")[0].partition(":")[2]
    if "$" in tag or tag == NOTHING_YET:
        return None
    return fault(tag, numbers=2) if tag else f'the image "{name}" has no tag'


def _of_dockerfile(text: str) -> Iterator[tuple[int, str]]:
    stages = set()
    for line, content in enumerate(text.splitlines(), start=1):
        words = [word for word in content.split() if not word.startswith("--platform")]
        if words and words[0].upper() == "FROM" and len(words) > 1:
            if words[1] not in stages:
                yield line, words[1]
            stages.add(words[-1])
        match = re.match(r"\s*COPY\s.*--from=(\S+)", content, flags=re.IGNORECASE)
        if match and match[1] not in stages and not match[1].isdigit():
            yield line, match[1]


def _of_yaml(text: str) -> Iterator[tuple[int, str]]:
    try:
        documents = list(yaml.compose_all(text, Loader=yaml.SafeLoader))
    except yaml.YAMLError:
        return  # a template of a chart, or a fault that another hook names
    for document in documents:
        yield from _of_node(document)


def _of_node(node: yaml.Node | None, above: str = "") -> Iterator[tuple[int, str]]:
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            if above == "services" and isinstance(item, yaml.ScalarNode):  # of GitLab
                yield item.start_mark.line + 1, item.value
            yield from _of_node(item, above)
    if not isinstance(node, yaml.MappingNode):
        return
    entries = {key.value: value for key, value in node.value if isinstance(key, yaml.ScalarNode)}
    if above == "images" and "newName" in entries and not {"newTag", "digest"} & set(entries):
        yield node.start_mark.line + 1, entries["newName"].value
    for key, value in entries.items():
        if not isinstance(value, yaml.ScalarNode):
            yield from _of_node(value, key)
        elif key in ("image", "ImageIdentifier") or (key == "name" and above in ("image", "services")):
            yield value.start_mark.line + 1, value.value
        elif key == "newTag" or (key == "tag" and above == "image"):
            yield value.start_mark.line + 1, f"image:{value.value}"


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
