"""Name, build, scan, push and sign the images of this project, for the targets of make.

A tag says what is inside: version, commit and model. What files and the variables of make hold reaches programs as
words of their own, never through a shell.
"""

import argparse
import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from datetime import UTC, datetime
from pathlib import Path

SIGNS = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")
REGISTRY = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[0-9]{1,5})?(/[a-z0-9]+([._-]+[a-z0-9]+)*)*")
EXAMPLE = "REGISTRY=ghcr.io/ada"


class InputError(Exception):
    """Something that a person can put right; the message says what, where and how."""


def version() -> str:
    """The version of the project; other tables of pyproject.toml may have one of their own."""
    try:
        found = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    except (OSError, KeyError, ValueError):
        raise InputError('pyproject.toml says no version. Write it below [project]: version = "0.1.0"') from None
    return plain(str(found), "pyproject.toml: the version", "Write one such as 0.1.0 below [project]")


def commit() -> str:
    """The commit, with -dirty if the working tree is not as it has it."""
    described = asked("git", "describe", "--always", "--abbrev=12", "--exclude", "*")
    return (described or "uncommitted") + ("-dirty" if asked("git", "status", "--porcelain") else "")


def model() -> str:
    """The name of the current version."""
    try:
        found = Path("artifacts/current").read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        found = ""
    if not found:
        raise InputError("No version is current yet. Make one with: make train")
    return plain(found, "artifacts/current: the model", "Choose one with: make train")


def plain(value: str, what: str, remedy: str) -> str:
    """The value, if it may stand in a tag."""
    if not SIGNS.fullmatch(value):
        raise InputError(f"{what} {json.dumps(value)} has other signs than letters, digits, dot, _ and -. {remedy}.")
    return value


def tag() -> str:
    """What an image of this commit and model is tagged with."""
    return f"{version()}-{commit()}-{model()}"


def staying_tag() -> str:
    """The same, if it will never mean another image."""
    found = tag()
    line = [sys.executable, "hooks/image_tags.py", f"--tag={found}"]
    answer = subprocess.run(line, capture_output=True, text=True, check=False)  # noqa: S603 - a script of ours
    if answer.returncode:
        raise InputError((answer.stdout + answer.stderr).strip())
    return found


def names(package: str) -> list[str]:
    """The name of the API's image and that of the jobs'."""
    return [f"{name}:{tag()}" for name in (package, f"{package}-jobs")]


def built(package: str) -> list[str]:
    """Those of both that are built; that of the API must be."""
    api, jobs = names(package)
    if inspected(api) is None:
        raise InputError(f"{api} is not built; make image builds it.")
    return [api] if inspected(jobs) is None else [api, jobs]


def checked(registry: str) -> str:
    """The registry without a slash at its end, if it can be one."""
    found = registry.strip().rstrip("/")
    if not found:
        raise InputError(f"Say where the images belong, for instance {EXAMPLE}")
    if not REGISTRY.fullmatch(found):
        raise InputError(
            f"REGISTRY {json.dumps(registry)} names no registry: it takes a host and a path in small letters, "
            f"without https:// before it, for instance {EXAMPLE}"
        )
    return found


def digest(image: str) -> str:
    """The pushed `image` by its digest in exactly its own repository; another may have the same content."""
    repository = image.rpartition(":")[0]
    for one in inspected(image) or ():
        name, _, found = one.partition("@")
        if name.removeprefix("docker.io/") == repository.removeprefix("docker.io/") and found.startswith("sha256:"):
            return f"{repository}@{found}"
    raise InputError(f"{image} could not be signed: it was not pushed. First: make push {EXAMPLE}")


def build(package: str, options: str, jobs: bool) -> None:
    """Build the image of the API, or that of the jobs."""
    image = names(package)[jobs]
    about = {"VERSION": version(), "COMMIT": commit(), "MODEL": model()}
    about["CREATED"] = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    about |= {"WITH": "--group tables"} if jobs else {}
    given = [word for name, value in about.items() for word in ("--build-arg", f"{name}={value}")]
    run("docker", "build", "--file", "deploy/docker/Dockerfile", *given, *shlex.split(options), "--tag", image, ".")
    print(f"{image} is built.")


def scan(package: str) -> None:
    """Fail on the first image with a grave hole that has a remedy."""
    grave = ("--exit-code", "1", "--severity", "HIGH,CRITICAL", "--ignore-unfixed")
    for image in built(package):
        run("trivy", "image", "--quiet", *grave, image)


def push(package: str, registry: str) -> None:
    """Push what is built, if its tag stays."""
    staying_tag()
    for image in built(package):
        run("docker", "tag", image, f"{registry}/{image}")
        run("docker", "push", "--quiet", f"{registry}/{image}")


def sign(package: str, registry: str) -> None:
    """Sign what was pushed, if there is a key."""
    if not os.environ.get("COSIGN_KEY"):
        print("Not signed: COSIGN_KEY holds no key.")
        return
    for image in built(package):
        run("cosign", "sign", "--yes", "--key", "env://COSIGN_KEY", digest(f"{registry}/{image}"))


def inspected(image: str) -> list[str] | None:
    """The names with digests of an image that is here, or None."""
    line = ["docker", "image", "inspect", image]
    try:
        answer = subprocess.run(line, capture_output=True, text=True, check=False)  # noqa: S603 - words of ours, no shell
    except OSError:
        raise InputError("docker is not here. See what is missing with: make doctor") from None
    if answer.returncode:
        return None
    try:
        return list(json.loads(answer.stdout)[0].get("RepoDigests") or ())
    except (ValueError, LookupError, AttributeError, TypeError):
        raise InputError(f"{' '.join(line)} did not answer with a list in JSON. Try: docker version") from None


def run(*line: str) -> None:
    """Let a program do its work in sight; what comes after it is not done if it fails."""
    try:
        code = subprocess.run(line, check=False).returncode  # noqa: S603 - words of ours, no shell
    except OSError:
        raise InputError(f"{line[0]} is not here. See what is missing with: make doctor") from None
    if code:
        raise InputError(f"{' '.join(line[:2])} failed, with code {code}: {line[-1]}")


def asked(*line: str) -> str:
    """What a program says; nothing if it fails."""
    try:
        return subprocess.run(line, capture_output=True, text=True, check=True).stdout.strip()  # noqa: S603 - words of ours
    except (OSError, subprocess.CalledProcessError):
        return ""


def main(words: list[str] | None = None) -> int:
    """Do what a target asks; 1 and a sentence if it cannot be done."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "what", choices=["name", "name-jobs", "name-dev", "tag", "build", "build-jobs", "scan", "push", "sign"]
    )
    parser.add_argument("package")
    parser.add_argument("--registry", default="", help="where images are pushed to")
    parser.add_argument("--options", default="", help="further options of docker build, in one word")
    given = parser.parse_args(words)
    try:
        match given.what:
            case "name" | "name-jobs":
                print(names(given.package)[given.what == "name-jobs"])
            case "name-dev":
                print(f"{given.package}-dev:{version()}-{commit()}")
            case "tag":
                print(staying_tag())
            case "build" | "build-jobs":
                build(given.package, given.options, jobs=given.what == "build-jobs")
            case "scan":
                scan(given.package)
            case "push":
                push(given.package, checked(given.registry))
            case _:
                sign(given.package, checked(given.registry))
    except InputError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
