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


def main(words: list[str] | None = None) -> int:
    """Release the image that is given, or without one say what runs; 1 if it is not what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--image", help="what to run; without it, nothing is changed")
    parser.add_argument("--region", required=True)
    parser.add_argument("--project", required=True)
    given = parser.parse_args(words)
    try:
        check("REGION", given.region, REGION, "europe-west1")
        check("PROJECT", given.project, PROJECT, "my-project")
        where = ["--region", given.region, "--project", given.project]
        if given.image is not None:
            release(given.image, given.project, where)
        compare(where)
    except InputError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def check(name: str, value: str, pattern: re.Pattern[str], example: str) -> None:
    """Refuse what Cloud Run would not understand, before anything is sent."""
    if not pattern.fullmatch(value):
        said = f'"{value}" is not one' if value else "there is none"
        raise InputError(f"{name}: {said}. Give the target one of Google Cloud, for instance {name}={example}.")


def release(image: str, project: str, where: list[str]) -> None:
    """Write `image` into the file and send the file."""
    if not IMAGE.fullmatch(image):
        raise InputError(
            f'"{image}" is not the name of an image in Artifact Registry. Give where it was pushed to, for instance '
            "REGISTRY=europe-west1-docker.pkg.dev/my-project/my-repository."
        )
    text = written(FILE.read_bytes().decode(), image, project)
    FILE.write_bytes(text.encode())
    print(f"Cloud Run is asked to run {image}. This takes a minute.", flush=True)
    try:
        gcloud("run", "services", "replace", str(FILE), *where, seconds=900)
    except InputError as error:
        raise InputError(
            f"{error} {FILE.name} names the image that was asked for; what answered before still does."
        ) from None


def written(text: str, image: str, project: str) -> str:
    """The text of the file with `image` in it, and with the project where none stood yet; all else is kept."""
    now = intended(text)[1]
    line = re.compile(rf"^(\s*(?:- )?image: *[\"']?){re.escape(now)}(?=[\"'\s]|$)", re.MULTILINE)
    account = ".".join(reversed(project.split(":")))  # example.com:project has accounts at project.example.com
    text = line.sub(lambda found: found[1] + image, text).replace("@PROJECT.iam.", f"@{account}.iam.")
    if intended(text)[1] != image:
        raise InputError(f'{FILE}: the image stands in no line of its own. Write it as "image: {now}" and try again.')
    return text


def intended(text: str) -> tuple[str, str]:
    """The name of the service, and the image of the container that answers requests."""
    try:
        service = yaml.safe_load(text)
        containers = service["spec"]["template"]["spec"]["containers"]
        answering = next((one for one in containers if one.get("ports")), containers[0])
        return str(service["metadata"]["name"]), str(answering["image"])
    except (yaml.YAMLError, KeyError, IndexError, TypeError, AttributeError) as error:
        said = " ".join(str(error).split())
        raise InputError(
            f"{FILE}: this is no service of Cloud Run with an image ({said}). Mend it, or git restore it."
        ) from None


def compare(where: list[str]) -> None:
    """Say which revisions answer, with which image, and refuse if one is not the image that the file names."""
    name, image = intended(FILE.read_bytes().decode())
    status = described("services", name, where).get("status", {})
    shares: dict[str, int] = {}
    for target in status.get("traffic", []):
        if target.get("percent") and target.get("revisionName"):
            shares[target["revisionName"]] = shares.get(target["revisionName"], 0) + target["percent"]
    wrong = [] if shares else ["no revision answers requests"]
    print(f"Wanted: {image}")
    for revision, percent in shares.items():
        found = [one["image"] for one in described("revisions", revision, where)["spec"]["containers"]]
        print(f"{percent:>4} % of requests: {revision} with {', '.join(found)}")
        if image not in found:
            wrong.append(f"{percent} % of requests go to {revision}, which runs {', '.join(found)}")
    created = status.get("latestCreatedRevisionName")
    ready = status.get("latestReadyRevisionName")
    if created != ready:
        wrong.append(f"{created}, the newest revision, is not ready")
    wrong += [f"it says: {one['message']}" for one in status.get("conditions", []) if failed(one)]
    if wrong:
        logs = f"gcloud run services logs read {name} {' '.join(where)}"
        raise InputError(f"Cloud Run does not run what {FILE.name} names: {'; '.join(wrong)}. To see why: {logs}")
    print(f"It answers at {status.get('url')}")


def failed(condition: dict[str, Any]) -> bool:
    """Whether a condition of a service tells of a failure."""
    return condition.get("type") == "Ready" and condition.get("status") == "False" and bool(condition.get("message"))


def described(kind: str, name: str, where: list[str]) -> dict[str, Any]:
    """What Cloud Run knows of a service or of a revision."""
    said = gcloud("run", kind, "describe", name, *where, "--format", "json", seconds=60)
    try:
        found: dict[str, Any] = json.loads(said)
    except json.JSONDecodeError:
        raise InputError(
            f"gcloud did not answer in JSON when asked for {name}: {said[:200]!r}. Try: gcloud version"
        ) from None
    return found


def gcloud(*words: str, seconds: int) -> str:
    """What gcloud prints.

    Raises:
        InputError: there is no gcloud, it takes longer than `seconds`, or it fails.
    """
    line = ["gcloud", *words, "--quiet"]
    asked = " ".join(line[:4])
    nothing = subprocess.DEVNULL
    try:
        answer = subprocess.run(line, capture_output=True, text=True, check=False, timeout=seconds, stdin=nothing)  # noqa: S603 - words of ours, no shell
    except FileNotFoundError:
        raise InputError("gcloud is not here. To get it: https://cloud.google.com/sdk/docs/install") from None
    except subprocess.TimeoutExpired:
        raise InputError(
            f"{asked} gave no answer within {seconds} s. See what runs with: make status-cloud-run"
        ) from None
    if answer.returncode:
        raise InputError(f"{asked} failed: {' '.join(answer.stderr.split())[-800:]}")
    return answer.stdout


if __name__ == "__main__":
    sys.exit(main())
