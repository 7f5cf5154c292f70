"""Refuse to release a tag that is not the version in pyproject.toml, or a commit without its lock."""

import sys
import tomllib
from pathlib import Path


def fault(tag: str, project: Path) -> str | None:
    """Return why the fresh checkout in `project` must not be released under `tag`, or None."""
    try:
        version = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    except (OSError, KeyError, ValueError):
        return 'pyproject.toml says no version. Write it below [project]: version = "0.1.0"'
    if tag != f"v{version}":
        return (
            f'The tag is "{tag}", and pyproject.toml says version = "{version}", whose tag is "v{version}".\n'
            f"Take the tag away with: git push --delete origin {tag}\n"
            "Then commit the version that you mean, and push its tag."
        )
    locked = _version_in_lock(project / "uv.lock")
    if locked != version:
        state = f"of version {locked}" if locked else "missing or broken"
        return (
            f"In the commit under this tag uv.lock is {state}, so nobody could tell which packages the image holds.\n"
            "Make it with: make setup\n"
            f"Then commit it, and move the tag: git tag --force {tag} && git push --force origin {tag}"
        )
    return None


def _version_in_lock(lock: Path) -> str | None:
    """Return the version of the project that the file `lock` was made for, or None."""
    try:
        packages = tomllib.loads(lock.read_text(encoding="utf-8"))["package"]
    except (OSError, KeyError, ValueError):
        return None
    return next((package.get("version") for package in packages if "." in package.get("source", {}).values()), None)


def main(arguments: list[str]) -> int:
    """Check a tag; return 0 if it may be released."""
    problem = fault(" ".join(arguments), Path())
    if problem:
        print(problem)
    return 1 if problem else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
