"""Report which tools and credentials of `deploy/*/needs.yaml` are available and which are missing.

What a check prints is not shown, and of a variable only whether it is set: either may hold a secret.
"""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

TIMEOUT_S = 20  # a tool that waits for a network or a password longer than that does not work


@dataclass(frozen=True)
class NeedStatus:
    """Whether a tool or credential that a deployment needs is available."""

    name: str
    available: bool
    optional: bool
    instructions: str

    def __str__(self) -> str:
        """The line of the report."""
        if self.available:
            return f"ok       {self.name}"
        remedy = f"; to get it: {self.instructions}" if self.instructions else ""
        return f"{'absent ' if self.optional else 'MISSING'}  {self.name}{remedy}"


class NeedsError(Exception):
    """A needs.yaml does not say what to check."""


def examine(path: Path) -> list[NeedStatus]:
    """Check each tool and credential that the needs.yaml at `path` lists.

    Raises:
        NeedsError: it cannot be read, or an entry has no name or nothing to check.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
        needs = [*(content.get("tools") or ()), *(content.get("credentials") or ())]
    except (OSError, ValueError, AttributeError, TypeError, yaml.YAMLError) as error:
        detail = " ".join(str(error).split())
        raise NeedsError(
            f"it does not list tools and credentials ({detail}). Write it as the other folders do."
        ) from None
    if invalid := [need for need in needs if not _is_valid(need)]:
        raise NeedsError(f"{invalid[0]!r} needs a name, and a check (a list of words) or a variable.")
    return [
        NeedStatus(str(need["name"]), _is_available(need), bool(need.get("optional")), str(need.get("get") or ""))
        for need in needs
    ]


def _is_valid(need: object) -> bool:
    if not isinstance(need, dict) or not need.get("name"):
        return False
    check = need.get("check")
    variable = need.get("variable")
    if "variable" in need:
        return isinstance(variable, str) and bool(variable)
    return isinstance(check, list) and bool(check) and all(isinstance(word, str) for word in check)


def _is_available(need: dict[str, Any]) -> bool:
    if "variable" in need:
        return bool(os.environ.get(need["variable"]))
    devnull = subprocess.DEVNULL
    try:
        result = subprocess.run(  # noqa: S603 - the project's own file names the commands
            need["check"], stdin=devnull, stdout=devnull, stderr=devnull, timeout=TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return result.returncode == 0


def main(names: list[str]) -> int:
    """Report on the deployments `names`, or on all; return 0 if nothing but optional needs is missing."""
    folder = Path(__file__).parent
    files = [folder / name / "needs.yaml" for name in names] if names else sorted(folder.glob("*/needs.yaml"))
    failed = False
    for path in files:
        try:
            statuses = examine(path)
        except NeedsError as error:
            print(f"deploy/{path.parent.name}/{path.name}: {error}")
            failed = True
            continue
        missing = [status for status in statuses if not status.available and not status.optional]
        failed = failed or bool(missing)
        if missing or not names:  # before a deployment, print only what stops it
            print(f"{path.parent.name}:", *(f"  {status}" for status in (missing if names else statuses)), sep="\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
