"""Refuse a suite that could not guard anything: unreadable, about absent columns, or with an empty expectation."""

import ast
import csv
import json
import sys
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

SEVERITIES = ("critical", "warning", "info")
UNBOUNDED = ({"min_value", "max_value"}, {"value_set"}, {"column_set"}, {"column_list"}, {"regex"}, {"type_"})


def faults(path: Path, columns: set[str] | None, kinds: set[str] | None) -> list[str]:
    """Return one message for each fault of the suite at `path`; None as columns or kinds skips their checks."""
    text = path.read_text(encoding="utf-8", errors="replace")
    try:
        suite = json.loads(text)
    except ValueError as error:
        return [f"{path}:{getattr(error, 'lineno', 1)}: not JSON ({error}); correct it"]
    expectations = suite.get("expectations") if isinstance(suite, dict) else None
    if not isinstance(expectations, list) or not expectations:
        return [f"{path}:1: the suite holds no expectations and would accept anything; add some"]
    messages: list[str] = []
    position = 0
    for expectation in expectations:
        kind = expectation.get("type") if isinstance(expectation, dict) else None
        if not isinstance(kind, str) or not isinstance(expectation.get("kwargs"), dict):
            messages.append(f"{path}:1: this has no type or kwargs: {json.dumps(expectation)[:60]}; complete it")
            continue
        position = max(text.find(f'"{kind}"', position + 1), 0)
        line = text.count("\n", 0, position) + 1
        problems = [*_argument_problems(kind, expectation["kwargs"]), *_column_problems(expectation["kwargs"], columns)]
        if (severity := expectation.get("severity", "critical")) not in SEVERITIES:
            problems.append(f"{kind} has the severity {json.dumps(severity)}; write critical, warning or info")
        if kinds is not None and kind not in kinds:
            problems.append(f"{kind} is not an expectation of Great Expectations; correct its name")
        messages += [f"{path}:{line}: {problem}" for problem in problems]
    return messages


def _argument_problems(kind: str, kwargs: dict[str, Any]) -> list[str]:
    values = {name: value for name, value in kwargs.items() if name != "column"}
    mostly = values.get("mostly", 1)
    if not isinstance(mostly, int | float) or not 0 < mostly <= 1:
        return [f"{kind} has mostly {json.dumps(mostly)}, and anything but a share over 0 asks nothing; correct it"]
    for name in ("value_set", "column_set", "column_list"):
        if not isinstance(values.get(name, []), list | None):
            return [f"{kind} has a {name} that is no list; write it as one"]
    for names in UNBOUNDED:
        if names & set(values) and all(values.get(name) in (None, [], "") for name in names):
            return [f"{kind} has no {' or '.join(sorted(names))}, so it asks nothing; give one or remove it"]
    comparisons = ("_to_be_between", "_to_be_in_set", "_to_equal", "_to_match_set", "_to_match_regex")
    if kind.endswith(comparisons) and not values:
        return [f"{kind} has no arguments, so it asks nothing; give some or remove it"]
    return []


def _column_problems(kwargs: dict[str, Any], columns: set[str] | None) -> list[str]:
    used = [value for name in ("column", "column_A", "column_B") if isinstance(value := kwargs.get(name), str)]
    for name in ("column_set", "column_list"):
        used += kwargs[name] if isinstance(kwargs.get(name), list) else []
    missing = [name for name in used if columns is not None and name not in columns]
    return [
        f'no table in data/ has the column "{name}"; correct the name or remove the expectation' for name in missing
    ]


def columns_of_the_data(folder: Path) -> set[str] | None:
    """The columns of all CSV files in `folder`; None if there is no CSV file."""
    columns: set[str] = set()
    for path in sorted(folder.glob("*.csv")):
        with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
            columns.update(next(csv.reader(file), []))
    return columns or None


def columns_of_the_code(paths: Iterable[Path]) -> set[str]:
    """The strings and keywords in Python files: `load` may derive columns of these names."""
    names: set[str] = set()
    for path in paths:
        try:
            tree = ast.parse(path.read_text(encoding="utf-8"))
        except (OSError, SyntaxError, ValueError):
            continue  # other hooks report it
        nodes = list(ast.walk(tree))
        names.update(node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str))
        names.update(node.arg for node in nodes if isinstance(node, ast.keyword) and node.arg)
    return names


def known_kinds() -> set[str] | None:
    """The expectations that Great Expectations has, read from its file names, since importing it takes a second."""
    spec = find_spec("great_expectations")
    if spec is None or not spec.submodule_search_locations:
        return None
    core = Path(spec.submodule_search_locations[0]) / "expectations" / "core"
    return {path.stem for path in core.glob("*expect*.py")} | {"unexpected_rows_expectation"}


def main(paths: list[str]) -> int:
    columns = columns_of_the_data(Path("data"))
    if columns is not None:
        columns |= columns_of_the_code(Path("src").glob("*/data.py"))
    kinds = known_kinds()
    messages = [message for path in paths for message in faults(Path(path), columns, kinds)]
    print("\n".join(messages), end="\n" if messages else "")
    return 1 if messages else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
