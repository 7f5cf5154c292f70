"""Say which tools and credentials are here and which are missing, as `deploy/*/needs.yaml` lists them.

What a check prints is not shown, and of a variable only whether it is set: either may hold a secret.
"""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

SECONDS = 20  # a tool that waits for a network or a password longer than that does not work


@dataclass(frozen=True)
class Finding:
    """What was found of one thing that a deployment needs."""

    name: str
    here: bool
    optional: bool
    get: str

    def __str__(self) -> str:
        """Tell it in a line."""
        if self.here:
            return f"ok       {self.name}"
        remedy = f"; to get it: {self.get}" if self.get else ""
        return f"{'absent ' if self.optional else 'MISSING'}  {self.name}{remedy}"


class NeedsError(Exception):
    """A needs.yaml does not say what to look for."""


def examine(needs: Path) -> list[Finding]:
    """Look for each tool and credential that the file `needs` lists.

    Raises:
        NeedsError: it cannot be read, or a thing in it has no name or nothing to look for.
    """
    try:
        listed = yaml.safe_load(needs.read_text(encoding="utf-8")) or {}
        things = [*(listed.get("tools") or ()), *(listed.get("credentials") or ())]
    except (OSError, ValueError, AttributeError, TypeError, yaml.YAMLError) as error:
        said = " ".join(str(error).split())
        raise NeedsError(
            f"it does not list tools and credentials ({said}). Write it as the other folders do."
        ) from None
    if wrong := [one for one in things if not _can_be_looked_for(one)]:
        raise NeedsError(f"{wrong[0]!r} needs a name, and a check (a list of words) or a variable.")
    return [
        Finding(str(one["name"]), _is_here(one), bool(one.get("optional")), str(one.get("get") or "")) for one in things
    ]


def _can_be_looked_for(thing: object) -> bool:
    if not isinstance(thing, dict) or not thing.get("name"):
        return False
    check = thing.get("check")
    variable = thing.get("variable")
    if "variable" in thing:
        return isinstance(variable, str) and bool(variable)
    return isinstance(check, list) and bool(check) and all(isinstance(word, str) for word in check)


def _is_here(thing: dict[str, Any]) -> bool:
    if "variable" in thing:
        return bool(os.environ.get(thing["variable"]))
    nothing = subprocess.DEVNULL
    try:
        done = subprocess.run(  # noqa: S603 - the project's own file names the commands
            thing["check"], stdin=nothing, stdout=nothing, stderr=nothing, timeout=SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def main(names: list[str]) -> int:
    """Examine what the deployments `names` need, or all; 0 if nothing but optional things is missing."""
    folder = Path(__file__).parent
    files = [folder / name / "needs.yaml" for name in names] if names else sorted(folder.glob("*/needs.yaml"))
    missing = False
    for needs in files:
        try:
            findings = examine(needs)
        except NeedsError as error:
            print(f"deploy/{needs.parent.name}/{needs.name}: {error}")
            missing = True
            continue
        lacking = [one for one in findings if not one.here and not one.optional]
        missing = missing or bool(lacking)
        if lacking or not names:  # asked about all, it shows all; before a deployment it shows what stops it
            print(f"{needs.parent.name}:", *(f"  {one}" for one in (lacking if names else findings)), sep="\n")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
