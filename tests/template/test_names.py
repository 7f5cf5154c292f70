"""No name stands in a meaning that was given up: `old_names.tsv` lists what replaced each, and why some words remain.

Run as a program, it lists where those that remain stand: `python -m tests.template.test_names`.
"""

import ast
import csv
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..conftest import ROOT

FOLDERS = ("template", "examples", "hooks", "bench", "tests")


def old_names() -> dict[str, str]:
    """Each old name, and the reason why the word may stand; empty if it may not."""
    with (Path(__file__).parent / "old_names.tsv").open(encoding="utf-8", newline="") as file:
        return {row["old"]: row["remains because"] or "" for row in csv.DictReader(file, delimiter="\t")}


def identifiers(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name) | ast.Attribute(attr=name) | ast.arg(arg=name) | ast.keyword(arg=str(name)):
                yield name
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield name
            case ast.alias(name=name, asname=alias):
                yield alias or name.rpartition(".")[2]


def occurrences() -> Counter[tuple[str, str]]:
    """How often an old name stands in a file, with or without leading underscores."""
    names = old_names()
    total = Counter[tuple[str, str]]()
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            if path.stem in names:
                total[path.stem, path.relative_to(ROOT).as_posix()] += 1
            for identifier in identifiers(ast.parse(path.read_text(encoding="utf-8"))):
                if (name := identifier.lstrip("_")) in names:
                    total[name, path.relative_to(ROOT).as_posix()] += 1
    return total


@pytest.fixture(scope="module")
def counts() -> Counter[tuple[str, str]]:
    return occurrences()


def test_what_was_renamed_stays_renamed(counts: Counter[tuple[str, str]]) -> None:
    names = old_names()
    assert {place for place in counts if not names[place[0]]} == set()


def test_a_word_that_no_longer_stands_needs_no_reason(counts: Counter[tuple[str, str]]) -> None:
    remaining = {name for name, _ in counts}
    assert {name for name, reason in old_names().items() if reason and name not in remaining} == set()


if __name__ == "__main__":
    for (name, path), count in sorted(occurrences().items()):
        print(f"{name}\t{count}\t{path}\t{old_names()[name]}")
