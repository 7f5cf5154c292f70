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
        return f"{'absent ' if self.optional else 'MISSING'}  {self.name}; to get it: {self.get}"


def examine(needs: Path) -> list[Finding]:
    """Look for each tool and credential that the file `needs` lists."""
    listed = yaml.safe_load(needs.read_text(encoding="utf-8")) or {}
    things = [*listed.get("tools", ()), *listed.get("credentials", ())]
    return [Finding(one["name"], _is_here(one), bool(one.get("optional")), one["get"]) for one in things]


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
        findings = examine(needs)
        lacking = [one for one in findings if not one.here and not one.optional]
        missing = missing or bool(lacking)
        if lacking or not names:  # asked about all, it shows all; before a deployment it shows what stops it
            print(f"{needs.parent.name}:", *(f"  {one}" for one in (lacking if names else findings)), sep="\n")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
