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

TAG_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")
REGISTRY = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[0-9]{1,5})?(/[a-z0-9]+([._-]+[a-z0-9]+)*)*")
REGISTRY_EXAMPLE = "REGISTRY=ghcr.io/ada"


class InputError(Exception):
    """Something that a person can put right; the message says what, where and how."""


def version() -> str:
    """The version of the project; other tables of pyproject.toml may have their own."""
    try:
        value = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    except (OSError, KeyError, ValueError):
        raise InputError('pyproject.toml says no version. Write it below [project]: version = "0.1.0"') from None
    return check_tag_part(str(value), "pyproject.toml: the version", "Write one such as 0.1.0 below [project]")


def commit() -> str:
    """The commit, with -dirty if the working tree differs from it."""
    commit_hash = output_of("git", "describe", "--always", "--abbrev=12", "--exclude", "*")
    return (commit_hash or "uncommitted") + ("-dirty" if output_of("git", "status", "--porcelain") else "")


def model() -> str:
    """The name of the current version."""
    try:
        name = Path("artifacts/current").read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        name = ""
    if not name:
        raise InputError("No version is current yet. Make one with: make train")
    return check_tag_part(name, "artifacts/current: the model", "Choose one with: make train")


def check_tag_part(value: str, label: str, remedy: str) -> str:
    """Return `value` if it is allowed in a tag.

    Raises:
        InputError: it has other characters.
    """
    if not TAG_PART.fullmatch(value):
        raise InputError(f"{label} {json.dumps(value)} has other signs than letters, digits, dot, _ and -. {remedy}.")
    return value


def tag() -> str:
    """The tag of an image of this commit and model."""
    return f"{version()}-{commit()}-{model()}"


def immutable_tag() -> str:
    """Return the tag if it will never mean another image.

    Raises:
        InputError: it may.
    """
    image_tag = tag()
    command = [sys.executable, "hooks/image_tags.py", f"--tag={image_tag}"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - no shell
    if result.returncode:
        raise InputError((result.stdout + result.stderr).strip())
    return image_tag


def image_names(package: str) -> list[str]:
    """The name of the API's image and that of the jobs'."""
    return [f"{name}:{tag()}" for name in (package, f"{package}-jobs")]


def built_images(package: str) -> list[str]:
    """The names of both images, or of the API's alone if the jobs' is not built."""
    api, jobs = image_names(package)
    if repo_digests(api) is None:
        raise InputError(f"{api} is not built; make image builds it.")
    return [api] if repo_digests(jobs) is None else [api, jobs]


def check_registry(registry: str) -> str:
    """Return the registry without a slash at its end.

    Raises:
        InputError: it is none.
    """
    name = registry.strip().rstrip("/")
    if not name:
        raise InputError(f"Say where the images belong, for instance {REGISTRY_EXAMPLE}")
    if not REGISTRY.fullmatch(name):
        raise InputError(
            f"REGISTRY {json.dumps(registry)} names no registry: it takes a host and a path in small letters, "
            f"without https:// before it, for instance {REGISTRY_EXAMPLE}"
        )
    return name


def digest(image: str) -> str:
    """Return the pushed `image` by its digest in its own repository; another may have the same content."""
    repository = image.rpartition(":")[0]
    for repo_digest in repo_digests(image) or ():
        name, _, value = repo_digest.partition("@")
        if name.removeprefix("docker.io/") == repository.removeprefix("docker.io/") and value.startswith("sha256:"):
            return f"{repository}@{value}"
    raise InputError(f"{image} could not be signed: it was not pushed. First: make push {REGISTRY_EXAMPLE}")


def build(package: str, options: str, jobs: bool) -> None:
    """Build the image of the API, or that of the jobs."""
    image = image_names(package)[jobs]
    build_args = {"VERSION": version(), "COMMIT": commit(), "MODEL": model()}
    build_args["CREATED"] = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    build_args |= {"WITH": "--group tables"} if jobs else {}
    arguments = [word for name, value in build_args.items() for word in ("--build-arg", f"{name}={value}")]
    run("docker", "build", "--file", "deploy/docker/Dockerfile", *arguments, *shlex.split(options), "--tag", image, ".")
    print(f"{image} is built.")


def scan(package: str) -> None:
    """Fail on the first image with a high or critical vulnerability that has a fix."""
    severity_options = ("--exit-code", "1", "--severity", "HIGH,CRITICAL", "--ignore-unfixed")
    for image in built_images(package):
        run("trivy", "image", "--quiet", *severity_options, image)


def push(package: str, registry: str) -> None:
    """Push the images that are built, if their tag is immutable."""
    immutable_tag()
    for image in built_images(package):
        run("docker", "tag", image, f"{registry}/{image}")
        run("docker", "push", "--quiet", f"{registry}/{image}")


def sign(package: str, registry: str) -> None:
    """Sign the pushed images, if there is a key."""
    if not os.environ.get("COSIGN_KEY"):
        print("Not signed: COSIGN_KEY holds no key.")
        return
    for image in built_images(package):
        run("cosign", "sign", "--yes", "--key", "env://COSIGN_KEY", digest(f"{registry}/{image}"))


def repo_digests(image: str) -> list[str] | None:
    """Return the RepoDigests of a local image, or None if there is no such image."""
    command = ["docker", "image", "inspect", image]
    try:
        result = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - no shell
    except OSError:
        raise InputError("docker is not here. See what is missing with: make doctor") from None
    if result.returncode:
        return None
    try:
        return list(json.loads(result.stdout)[0].get("RepoDigests") or ())
    except (ValueError, LookupError, AttributeError, TypeError):
        raise InputError(f"{' '.join(command)} did not answer with a list in JSON. Try: docker version") from None


def run(*command: str) -> None:
    """Run a program and show its output.

    Raises:
        InputError: there is no such program, or it failed.
    """
    try:
        code = subprocess.run(command, check=False).returncode  # noqa: S603 - no shell
    except OSError:
        raise InputError(f"{command[0]} is not here. See what is missing with: make doctor") from None
    if code:
        raise InputError(f"{' '.join(command[:2])} failed, with code {code}: {command[-1]}")


def output_of(*command: str) -> str:
    """Return the output of a program, or an empty string if it fails."""
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()  # noqa: S603
    except (OSError, subprocess.CalledProcessError):
        return ""


def main(argv: list[str] | None = None) -> int:
    """Do what a target of make needs; return 1 with a message if it cannot be done."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "what", choices=["name", "name-jobs", "name-dev", "tag", "build", "build-jobs", "scan", "push", "sign"]
    )
    parser.add_argument("package")
    parser.add_argument("--registry", default="", help="where images are pushed to")
    parser.add_argument("--options", default="", help="further options of docker build, in one word")
    arguments = parser.parse_args(argv)
    try:
        match arguments.what:
            case "name" | "name-jobs":
                print(image_names(arguments.package)[arguments.what == "name-jobs"])
            case "name-dev":
                print(f"{arguments.package}-dev:{version()}-{commit()}")
            case "tag":
                print(immutable_tag())
            case "build" | "build-jobs":
                build(arguments.package, arguments.options, jobs=arguments.what == "build-jobs")
            case "scan":
                scan(arguments.package)
            case "push":
                push(arguments.package, check_registry(arguments.registry))
            case _:
                sign(arguments.package, check_registry(arguments.registry))
    except InputError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
