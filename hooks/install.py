"""Install the git hooks; where that cannot be done, say why in one sentence, since nothing else needs them."""

import subprocess
import sys
from pathlib import Path

PRE_COMMIT = Path(".venv/bin/pre-commit")


def install(project: Path) -> str | None:
    """Install the hooks of `project`, and give the reason with its remedy where they cannot be installed."""
    try:
        found = _run(project, "git", "rev-parse", "--git-path", "hooks")
    except FileNotFoundError:
        return "git is not here; install it"
    if found.returncode != 0:
        said = found.stderr.strip().splitlines()
        remedy = next((line.strip() for line in said if line.strip().startswith("git config")), "git status")
        return f"{said[0].removeprefix('fatal: ')}; {'look at' if remedy == 'git status' else 'to allow it'}: {remedy}"
    done = _run(project, str(PRE_COMMIT), "install")
    if done.returncode == 0:
        return None
    said = [line for line in (done.stdout + done.stderr).splitlines() if "rror" in line and not line.startswith("An ")]
    reason = said[0].removeprefix("An unexpected error has occurred: ") if said else "pre-commit install failed"
    return f"{reason}; make {found.stdout.strip()} writable"


def _run(project: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, cwd=project, capture_output=True, text=True, check=False)  # noqa: S603 - no shell


if __name__ == "__main__":
    if reason := install(Path()):
        print(
            f"Git hooks are not installed ({reason}, then: make setup). Everything else works without them.",
            file=sys.stderr,
        )
