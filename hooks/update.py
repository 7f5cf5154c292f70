"""Bring what a later template has better, and end with what changed, what conflicts and what to do.

Exit codes: 0 done, 1 done with conflicts, 2 not done.
"""

import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

ANSWERS = Path(".copier-answers.yml")
COPIER = ("uv", "tool", "run", "--quiet", "copier", "update", "--defaults", "--conflict", "inline")
KINDS = {"A": "new", "?": "new", "D": "removed", "M": "changed", "U": "CONFLICT"}
MARKS = re.compile(rb"^(<{7} before updating|>{7} after updating)\r?$", flags=re.MULTILINE)


class NotDoneError(Exception):
    """Why there is no update, in a sentence."""


def update(options: list[str]) -> int:
    """Update the project in this folder with `options` of Copier; returns the exit code.

    Raises:
        NotDoneError: it could not be updated.
    """
    source = _answer("_src_path")
    before = _answer("_commit")
    if changed := changes():
        name = next(iter(changed.values()))[0]
        raise NotDoneError(f"There are changes that are not committed, {name} for one. Commit or stash them first.")
    done = _run(*COPIER, *options)
    if done.returncode != 0:
        left = "It had begun: look at git status." if changes() else "Nothing was changed."
        reason = _reason(done.stdout + done.stderr)
        raise NotDoneError(f"Copier ended with: {reason}. The template is {source}, by _src_path in {ANSWERS}. {left}")
    found = changes()
    after = _answer("_commit")
    print(f"{source}: {before} → {after}" if after != before else f"{source}: {after}, as before")
    for kind in ("new", "changed", "removed", "CONFLICT"):
        for name in found.get(kind, ()):
            print(f"  {kind:10}{name}")
    if "CONFLICT" in found:
        print(
            "Your edits and the template's touch the same lines. Where <<<<<<< and >>>>>>> stand in these files, keep "
            "what is right, take out the marks, and git add the file. Then: make test, and commit.",
            file=sys.stderr,
        )
        return 1
    print("Look at git diff. Then: make test, and commit." if found else "Nothing is new.")
    return 0


def changes() -> dict[str, list[str]]:
    """The files of this folder that differ from the last commit, by what became of them."""
    folder = _git("rev-parse", "--show-prefix").strip()  # of the repository, in which the project may be one of several
    listed = _git("status", "--porcelain", "-z", "--untracked-files=all", "--no-renames", "--", ".")
    found: dict[str, list[str]] = defaultdict(list)
    for entry in filter(None, listed.split("\0")):
        codes = entry[:2].strip()
        name = entry[3:].removeprefix(folder)
        marked = Path(name).is_file() and MARKS.search(Path(name).read_bytes())
        found["CONFLICT" if marked or "U" in codes or codes == "AA" else KINDS.get(codes[0], "changed")].append(name)
    return dict(found)


def _answer(name: str) -> str:
    """An answer of Copier's; it writes each on a line of its own."""
    match = re.search(rf"^{name}: (.*)$", ANSWERS.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return match[1].strip("'\"") if match else "unknown"


def _git(*words: str) -> str:
    done = _run("git", *words)
    if done.returncode != 0:
        raise NotDoneError(f"git {words[0]} failed ({_reason(done.stderr).removeprefix('fatal: ')}).")
    return done.stdout


def _run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, capture_output=True, text=True, check=False)  # noqa: S603 - no shell


def _reason(said: str) -> str:
    """The line of what a program printed that tells why it ended: the last one that is no part of a traceback."""
    lines = [line.rstrip() for line in said.splitlines() if line.strip()]
    told = [line for line in lines if not line.startswith((" ", "Traceback", "│"))]
    return told[-1].rstrip(".") if told else "no word"


if __name__ == "__main__":
    try:
        sys.exit(update(sys.argv[1:]))
    except NotDoneError as why:
        print(why, file=sys.stderr)
    except OSError as error:
        print(f"{error.filename}: {error.strerror}. It is needed to update the project.", file=sys.stderr)
    sys.exit(2)
