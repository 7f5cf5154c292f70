"""Update the project to a later template, and print what changed, what conflicts and what to do.

Exit codes: 0 done, 1 done with conflicts, 2 not done.
"""

import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

ANSWERS_FILE = Path(".copier-answers.yml")
COPIER = ("uv", "tool", "run", "--quiet", "copier", "update", "--defaults", "--conflict", "inline")
KINDS = {"A": "new", "?": "new", "D": "removed", "M": "changed", "U": "CONFLICT"}
CONFLICT_MARKERS = re.compile(rb"^(<{7} before updating|>{7} after updating)\r?$", flags=re.MULTILINE)


class NotDoneError(Exception):
    """The project was not updated; the message says why."""


def update(options: list[str]) -> int:
    """Update the project in this folder with `options` of Copier; returns the exit code.

    Raises:
        NotDoneError: it could not be updated.
    """
    source = _answer("_src_path")
    old_commit = _answer("_commit")
    if changed := changes():
        name = next(iter(changed.values()))[0]
        raise NotDoneError(f"There are changes that are not committed, {name} for one. Commit or stash them first.")
    result = _run(*COPIER, *options)
    if result.returncode != 0:
        state = "It had begun: look at git status." if changes() else "Nothing was changed."
        reason = _reason(result.stdout + result.stderr)
        raise NotDoneError(
            f"Copier ended with: {reason}. The template is {source}, by _src_path in {ANSWERS_FILE}. {state}"
        )
    changed_files = changes()
    new_commit = _answer("_commit")
    print(
        f"{source}: {old_commit} → {new_commit}" if new_commit != old_commit else f"{source}: {new_commit}, as before"
    )
    for kind in ("new", "changed", "removed", "CONFLICT"):
        for name in changed_files.get(kind, ()):
            print(f"  {kind:10}{name}")
    if "CONFLICT" in changed_files:
        print(
            "Your edits and the template's touch the same lines. Where <<<<<<< and >>>>>>> stand in these files, keep "
            "what is right, take out the marks, and git add the file. Then: make test, and commit.",
            file=sys.stderr,
        )
        return 1
    print("Look at git diff. Then: make test, and commit." if changed_files else "Nothing is new.")
    return 0


def changes() -> dict[str, list[str]]:
    """Return the files of this folder that differ from the last commit, by kind of change."""
    folder = _git("rev-parse", "--show-prefix").strip()  # of the repository, in which the project may be one of several
    status = _git("status", "--porcelain", "-z", "--untracked-files=all", "--no-renames", "--", ".")
    files_by_kind: dict[str, list[str]] = defaultdict(list)
    for entry in filter(None, status.split("\0")):
        codes = entry[:2].strip()
        name = entry[3:].removeprefix(folder)
        has_markers = Path(name).is_file() and CONFLICT_MARKERS.search(Path(name).read_bytes())
        kind = "CONFLICT" if has_markers or "U" in codes or codes == "AA" else KINDS.get(codes[0], "changed")
        files_by_kind[kind].append(name)
    return dict(files_by_kind)


def _answer(name: str) -> str:
    """Return an answer from the answers file of Copier, which writes each on a line of its own."""
    match = re.search(rf"^{name}: (.*)$", ANSWERS_FILE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return match[1].strip("'\"") if match else "unknown"


def _git(*args: str) -> str:
    result = _run("git", *args)
    if result.returncode != 0:
        raise NotDoneError(f"git {args[0]} failed ({_reason(result.stderr).removeprefix('fatal: ')}).")
    return result.stdout


def _run(*args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(args, capture_output=True, text=True, check=False)  # noqa: S603 - no shell


def _reason(output: str) -> str:
    """Return the line of a program's output that says why it ended: the last that is no part of a traceback."""
    lines = [line.rstrip() for line in output.splitlines() if line.strip()]
    messages = [line for line in lines if not line.startswith((" ", "Traceback", "│"))]
    return messages[-1].rstrip(".") if messages else "no word"


if __name__ == "__main__":
    try:
        sys.exit(update(sys.argv[1:]))
    except NotDoneError as error:
        print(error, file=sys.stderr)
    except OSError as error:
        print(f"{error.filename}: {error.strerror}. It is needed to update the project.", file=sys.stderr)
    sys.exit(2)
