"""Which commit of a project runs."""

import os
import re
import subprocess
from pathlib import Path


def revision(root: Path) -> str | None:
    """The commit of the project in `root`, with "-dirty" if its files differ from it; None where git does not say.

    In an image there is no git, and the variable COMMIT tells.
    """
    try:
        said = _git(root, "status", "--porcelain=v2", "--branch", "--", ".")
        found = re.search(r"^# branch\.oid ([0-9a-f]{40,64})$", said.stdout, re.MULTILINE)
        if found is None:
            return os.environ.get("COMMIT") or None
        changed = any(line[:1] not in ("", "#") for line in said.stdout.split("\n"))
        ignored = _git(root, "check-ignore", "--quiet", ".").returncode == 0  # as the folder in which adopt trains
    except OSError:
        return os.environ.get("COMMIT") or None
    return found[1] + ("-dirty" if changed or ignored else "")


def _git(root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    line = ["git", "--no-optional-locks", *words]
    return subprocess.run(line, cwd=root, capture_output=True, text=True, check=False)  # noqa: S603 - fixed words


def shown_commit(commit: str | None) -> str:
    """A commit in a few signs, with "-dirty" if files differed from it."""
    return commit[:7] + "-dirty" * commit.endswith("-dirty") if commit else ""
