"""Bring what a later template has better, and end with what changed, what conflicts and what to do.

Exit codes: 0 done, 1 done with conflicts, 2 not done, in which case nothing was changed.
"""

import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

ANSWERS = Path(".copier-answers.yml")
COPIER = ("uv", "tool", "run", "--quiet", "copier", "update", "--defaults", "--conflict", "inline")
KINDS = {"A": "new", "?": "new", "D": "removed", "M": "changed", "U": "CONFLICT"}
MARKERS = re.compile(rb"^(<{7} before updating|>{7} after updating)\r?$", flags=re.MULTILINE)


def update(options: list[str]) -> int:
    """Update the project in this folder with `options` of Copier; returns the exit code."""
    source, before = _answer("_src_path"), _answer("_commit")
    if changes := _git("status", "--porcelain", "--untracked-files=no").strip():
        return _stop(
            f"Some files have changes that are not committed ({changes.split()[1]}, for one). Commit them first."
        )
    done = subprocess.run([*COPIER, *options], capture_output=True, text=True, check=False)  # noqa: S603 - no shell
    if done.returncode != 0:
        reason = _reason(done.stdout + done.stderr)
        return _stop(f"The template at {source} could not be used ({reason}). See _src_path in {ANSWERS}.")
    found = changes_by_kind()
    after = _answer("_commit")
    print(f"{source}: {before} → {after}" if after != before else f"{source}: {after}, as before")
    for kind in ("new", "changed", "removed", "CONFLICT"):
        for name in found[kind]:
            print(f"  {kind:10}{name}")
    if found["CONFLICT"]:
        print(
            "Your edits and the template's touch the same lines. Where <<<<<<< and >>>>>>> stand in these files, keep "
            "what is right, take out the marks, and git add the file. Then: make test, and commit.",
            file=sys.stderr,
        )
        return 1
    print("Look at git diff. Then: make test, and commit." if any(found.values()) else "Nothing is new.")
    return 0


def changes_by_kind() -> dict[str, list[str]]:
    """The files that differ from the last commit; one with markers of a conflict is a conflict."""
    found: dict[str, list[str]] = defaultdict(list)
    folder = _git("rev-parse", "--show-prefix").strip()  # of the repository, in which the project may be one of several
    listed = _git("status", "--porcelain", "-z", "--untracked-files=all", "--no-renames", "--", ".")
    for entry in filter(None, listed.split("\0")):
        codes, name = entry[:2].strip(), entry[3:].removeprefix(folder)
        kind = KINDS["U" if "U" in codes or codes == "AA" else codes[0]]
        if Path(name).is_file() and MARKERS.search(Path(name).read_bytes()):
            kind = "CONFLICT"
        found[kind].append(name)
    return found


def _answer(name: str) -> str:
    """An answer of Copier's; it writes each on a line of its own."""
    match = re.search(rf"^{name}: (.*)$", ANSWERS.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return match[1].strip("'\"") if match else "unknown"


def _git(*words: str) -> str:
    return subprocess.run(("git", *words), capture_output=True, text=True, check=True).stdout  # noqa: S603, S607


def _reason(said: str) -> str:
    """The line of what a program printed that tells why it ended: the last one that is no part of a traceback."""
    lines = [line.rstrip() for line in said.splitlines() if line.strip()]
    told = [line for line in lines if not line.startswith((" ", "Traceback", "│"))]
    return told[-1].rstrip(".") if told else "copier did not say why"


def _stop(message: str) -> int:
    print(f"{message} Nothing was changed.", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(update(sys.argv[1:]))
