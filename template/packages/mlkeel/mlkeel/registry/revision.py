"""The git commit of a project."""

import os
import re
import subprocess
from pathlib import Path


def revision(root: Path) -> str | None:
    """Return the commit of the project in `root`, with "-dirty" if its files differ from it; None if it is unknown.

    Without git or a repository, as in an image, it is the environment variable COMMIT.
    """
    try:
        status = _git(root, "status", "--porcelain=v2", "--branch", "--", ".")
        match = re.search(r"^# branch\.oid ([0-9a-f]{40,64})$", status.stdout, re.MULTILINE)
        if match is None:
            return os.environ.get("COMMIT") or None
        changed = any(line[:1] not in ("", "#") for line in status.stdout.split("\n"))
        ignored = _git(root, "check-ignore", "--quiet", ".").returncode == 0  # such as the folder in which adopt trains
    except OSError:
        return os.environ.get("COMMIT") or None
    return match[1] + ("-dirty" if changed or ignored else "")


def _git(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = ["git", "--no-optional-locks", *arguments]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)  # noqa: S603 - fixed arguments


def short_commit(commit: str | None) -> str:
    """Return a commit in seven characters, with "-dirty" if files differed from it."""
    return commit[:7] + "-dirty" * commit.endswith("-dirty") if commit else ""
