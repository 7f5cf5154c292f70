"""Refuse a .python-version that disagrees with requires-python or with the Python that CI or an image names."""

import itertools
import re
import sys
import tomllib
from pathlib import Path

from packaging.specifiers import InvalidSpecifier, SpecifierSet

PIN = re.compile(r"3\.\d+(\.\d+)?")
NAMED = re.compile(r"(?:python-version|UV_PYTHON|PYTHON_VERSION)\s*[:=](.*)|\bpython:(3\.\d+)")
VERSION = re.compile(r"3\.\d+")


def faults(project: Path) -> list[str]:
    """What is wrong with the Python versions named in `project`, one line each."""
    path = project / ".python-version"
    lines = path.read_text(encoding="utf-8", errors="replace").split() if path.is_file() else []
    if len(lines) != 1 or not PIN.fullmatch(lines[0]):
        return [f".python-version:1: it must hold one version such as 3.12 and nothing else, not {lines}; correct it"]
    wanted = lines[0]
    found = []
    text = (project / "pyproject.toml").read_text(encoding="utf-8", errors="replace")
    try:
        allowed = str(tomllib.loads(text).get("project", {}).get("requires-python", ""))
    except tomllib.TOMLDecodeError as error:
        return [f"pyproject.toml:1: not TOML ({error}); correct it"]
    line = _line(text, "requires-python")
    try:
        if wanted not in SpecifierSet(allowed):
            found.append(
                f'pyproject.toml:{line}: requires-python "{allowed}" leaves out {wanted}, which .python-version names; '
                "change one of them"
            )
    except InvalidSpecifier:
        found.append(f'pyproject.toml:{line}: requires-python "{allowed}" is no range of versions; write ">=3.11"')
    patterns = (".github/workflows/*.y*ml", ".gitlab-ci.yml", ".lighthouse/*/*.y*ml", "deploy/docker/Dockerfile*")
    for file in [file for pattern in patterns for file in sorted(project.glob(pattern))]:
        found += _named(file, file.relative_to(project).as_posix(), wanted)
    return found


def _named(path: Path, shown: str, wanted: str) -> list[str]:
    """Where a file names versions and the wanted one is not among them; a list may stand on the lines below."""
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    found = []
    for number, line in enumerate(lines, start=1):
        if match := NAMED.search(line):
            below = itertools.takewhile(lambda item: item.strip().startswith("-"), lines[number:])
            said = match[2] or match[1] + ("" if match[1].strip() else " ".join(below))
            named = VERSION.findall(said)
            if named and ".".join(wanted.split(".")[:2]) not in named:
                named_here = f"{shown}:{number}: this names Python {', '.join(named)}"
                found.append(f"{named_here}, and .python-version names {wanted}; make them agree")
    return found


def _line(text: str, word: str) -> int:
    return next((number for number, line in enumerate(text.splitlines(), start=1) if line.startswith(word)), 1)


def main() -> int:
    found = faults(Path())
    print("\n".join(found), end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
