"""Put an image into service.yaml, let Cloud Run replace the service, and compare what runs with what was asked.

The file is written first, so that git says what is intended. A revision is asked for its own image: that of the service
is only what was wanted last.
"""

import argparse
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

FILE = Path(__file__).with_name("service.yaml")
PROJECT = re.compile(r"([a-z0-9.-]+:)?[a-z][a-z0-9-]{4,28}[a-z0-9]")
REGION = re.compile(r"[a-z]+-[a-z]+[0-9]+")
WORD = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
IMAGE = re.compile(rf"[a-z0-9-]+-docker\.pkg\.dev(?:/{WORD}){{3,}}:[A-Za-z0-9_][A-Za-z0-9_.-]{{0,127}}")


class InputError(Exception):
    """Something that a person can put right; the message says what, where and how."""


def main(argv: list[str] | None = None) -> int:
    """Release an image, or without one report what runs; return 1 if that is not the image that service.yaml names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--image", help="what to run; without it, nothing is changed")
    parser.add_argument("--region", required=True)
    parser.add_argument("--project", required=True)
    arguments = parser.parse_args(argv)
    try:
        check("REGION", arguments.region, REGION, "europe-west1")
        check("PROJECT", arguments.project, PROJECT, "my-project")
        location = ["--region", arguments.region, "--project", arguments.project]
        if arguments.image is not None:
            release(arguments.image, arguments.project, location)
        compare(location)
    except InputError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def check(name: str, value: str, pattern: re.Pattern[str], example: str) -> None:
    """Refuse a value that Cloud Run would not accept, before anything is sent."""
    if not pattern.fullmatch(value):
        problem = f'"{value}" is not one' if value else "there is none"
        raise InputError(f"{name}: {problem}. Give the target one of Google Cloud, for instance {name}={example}.")


def release(image: str, project: str, location: list[str]) -> None:
    """Write `image` into the file and send the file."""
    if not IMAGE.fullmatch(image):
        raise InputError(
            f'"{image}" is not the name of an image in Artifact Registry. Give where it was pushed to, for instance '
            "REGISTRY=europe-west1-docker.pkg.dev/my-project/my-repository."
        )
    text = with_image(FILE.read_bytes().decode(), image, project)
    FILE.write_bytes(text.encode())
    print(f"Cloud Run is asked to run {image}. This takes a minute.", flush=True)
    try:
        gcloud("run", "services", "replace", str(FILE), *location, seconds=900)
    except InputError as error:
        raise InputError(
            f"{error} {FILE.name} names the image that was asked for; what answered before still does."
        ) from None


def with_image(text: str, image: str, project: str) -> str:
    """Return the text of the file with `image`, and with the project in place of the placeholder."""
    current = read_service(text)[1]
    line = re.compile(rf"^(\s*(?:- )?image: *[\"']?){re.escape(current)}(?=[\"'\s]|$)", re.MULTILINE)
    account = ".".join(reversed(project.split(":")))  # example.com:project has accounts at project.example.com
    text = line.sub(lambda match: match[1] + image, text).replace("@PROJECT.iam.", f"@{account}.iam.")
    if read_service(text)[1] != image:
        raise InputError(
            f'{FILE}: the image stands in no line of its own. Write it as "image: {current}" and try again.'
        )
    return text


def read_service(text: str) -> tuple[str, str]:
    """Return the name of the service, and the image of the container that serves requests."""
    try:
        service = yaml.safe_load(text)
        containers = service["spec"]["template"]["spec"]["containers"]
        serving = next((container for container in containers if container.get("ports")), containers[0])
        return str(service["metadata"]["name"]), str(serving["image"])
    except (yaml.YAMLError, KeyError, IndexError, TypeError, AttributeError) as error:
        detail = " ".join(str(error).split())
        raise InputError(
            f"{FILE}: this is no service of Cloud Run with an image ({detail}). Mend it, or git restore it."
        ) from None


def compare(location: list[str]) -> None:
    """Print which revisions serve requests, with which images.

    Raises:
        InputError: one has not the image that the file names.
    """
    name, image = read_service(FILE.read_bytes().decode())
    status = describe("services", name, location).get("status", {})
    shares: dict[str, int] = {}
    for target in status.get("traffic", []):
        if target.get("percent") and target.get("revisionName"):
            shares[target["revisionName"]] = shares.get(target["revisionName"], 0) + target["percent"]
    problems = [] if shares else ["no revision answers requests"]
    print(f"Wanted: {image}")
    for revision, percent in shares.items():
        containers = describe("revisions", revision, location)["spec"]["containers"]
        images = [container["image"] for container in containers]
        print(f"{percent:>4} % of requests: {revision} with {', '.join(images)}")
        if image not in images:
            problems.append(f"{percent} % of requests go to {revision}, which runs {', '.join(images)}")
    created = status.get("latestCreatedRevisionName")
    ready = status.get("latestReadyRevisionName")
    if created != ready:
        problems.append(f"{created}, the newest revision, is not ready")
    problems += [
        f"it says: {condition['message']}" for condition in status.get("conditions", []) if is_failure(condition)
    ]
    if problems:
        logs = f"gcloud run services logs read {name} {' '.join(location)}"
        raise InputError(f"Cloud Run does not run what {FILE.name} names: {'; '.join(problems)}. To see why: {logs}")
    print(f"It answers at {status.get('url')}")


def is_failure(condition: dict[str, Any]) -> bool:
    """Whether a condition of a service reports a failure."""
    return condition.get("type") == "Ready" and condition.get("status") == "False" and bool(condition.get("message"))


def describe(kind: str, name: str, location: list[str]) -> dict[str, Any]:
    """Return the description of a service or of a revision."""
    output = gcloud("run", kind, "describe", name, *location, "--format", "json", seconds=60)
    try:
        description: dict[str, Any] = json.loads(output)
    except json.JSONDecodeError:
        raise InputError(
            f"gcloud did not answer in JSON when asked for {name}: {output[:200]!r}. Try: gcloud version"
        ) from None
    return description


def gcloud(*args: str, seconds: int) -> str:
    """Return the output of gcloud.

    Raises:
        InputError: there is no gcloud, it takes longer than `seconds`, or it fails.
    """
    command = ["gcloud", *args, "--quiet"]
    command_name = " ".join(command[:4])
    try:
        result = subprocess.run(  # noqa: S603 - no shell
            command, capture_output=True, text=True, check=False, timeout=seconds, stdin=subprocess.DEVNULL
        )
    except FileNotFoundError:
        raise InputError("gcloud is not here. To get it: https://cloud.google.com/sdk/docs/install") from None
    except subprocess.TimeoutExpired:
        raise InputError(
            f"{command_name} gave no answer within {seconds} s. See what runs with: make status-cloud-run"
        ) from None
    if result.returncode:
        raise InputError(f"{command_name} failed: {' '.join(result.stderr.split())[-800:]}")
    return result.stdout


if __name__ == "__main__":
    sys.exit(main())
