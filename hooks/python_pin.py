"""Refuse a .python-version that disagrees with requires-python or with the Python that CI or an image names."""

import itertools
import re
import sys
import tomllib
from pathlib import Path

from packaging.specifiers import InvalidSpecifier, SpecifierSet

PIN = re.compile(r"3\.\d+(\.\d+)?")
PYTHON_REFERENCE = re.compile(r"(?:python-version|UV_PYTHON|PYTHON_VERSION)\s*[:=](.*)|\bpython:(3\.\d+)")
VERSION = re.compile(r"3\.\d+")


def faults(project: Path) -> list[str]:
    """Return one message for each Python version in `project` that disagrees with .python-version."""
    path = project / ".python-version"
    lines = path.read_text(encoding="utf-8", errors="replace").split() if path.is_file() else []
    if len(lines) != 1 or not PIN.fullmatch(lines[0]):
        return [f".python-version:1: it must hold one version such as 3.12 and nothing else, not {lines}; correct it"]
    pinned = lines[0]
    messages = []
    text = (project / "pyproject.toml").read_text(encoding="utf-8", errors="replace")
    try:
        required = str(tomllib.loads(text).get("project", {}).get("requires-python", ""))
    except tomllib.TOMLDecodeError as error:
        return [f"pyproject.toml:1: not TOML ({error}); correct it"]
    line = _line_number(text, "requires-python")
    try:
        if pinned not in SpecifierSet(required):
            messages.append(
                f'pyproject.toml:{line}: requires-python "{required}" leaves out {pinned}, which .python-version '
                "names; change one of them"
            )
    except InvalidSpecifier:
        messages.append(f'pyproject.toml:{line}: requires-python "{required}" is no range of versions; write ">=3.11"')
    patterns = (".github/workflows/*.y*ml", ".gitlab-ci.yml", ".lighthouse/*/*.y*ml", "deploy/docker/Dockerfile*")
    for file in [file for pattern in patterns for file in sorted(project.glob(pattern))]:
        messages += _mismatches(file, file.relative_to(project).as_posix(), pinned)
    return messages


def _mismatches(path: Path, relative_path: str, pinned: str) -> list[str]:
    """Return a message for each line that names, with the list below it, Python versions but not the pinned one."""
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    messages = []
    for number, line in enumerate(lines, start=1):
        if match := PYTHON_REFERENCE.search(line):
            list_items = itertools.takewhile(lambda item: item.strip().startswith("-"), lines[number:])
            text = match[2] or match[1] + ("" if match[1].strip() else " ".join(list_items))
            versions = VERSION.findall(text)
            if versions and ".".join(pinned.split(".")[:2]) not in versions:
                mismatch = f"{relative_path}:{number}: this names Python {', '.join(versions)}"
                messages.append(f"{mismatch}, and .python-version names {pinned}; make them agree")
    return messages


def _line_number(text: str, prefix: str) -> int:
    return next((number for number, line in enumerate(text.splitlines(), start=1) if line.startswith(prefix)), 1)


def main() -> int:
    messages = faults(Path())
    print("\n".join(messages), end="\n" if messages else "")
    return 1 if messages else 0


if __name__ == "__main__":
    sys.exit(main())
