"""Put an image into service.json, let App Runner create or update the service, and compare what runs with it.

The file is the input of CreateService. An update takes most of it; what it cannot take (the name, tags, encryption) is
left out. An image that was never pushed is refused first: App Runner would make a service that failed.
"""

import argparse
import json
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("service.json")
NOBODY = "000000000000"  # stands in the file for the account until the first release
REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-[0-9]")
WORD = r"[a-z0-9]+(?:[._-][a-z0-9]+)*"
IMAGE = re.compile(
    rf"(?P<account>[0-9]{{12}})\.dkr\.ecr\.(?P<region>{REGION.pattern})\.amazonaws\.com"
    rf"/(?P<repository>(?:{WORD}/)*{WORD}):(?P<tag>[A-Za-z0-9_][A-Za-z0-9_.-]{{0,127}})"
)
UPDATED = (
    *("SourceConfiguration", "InstanceConfiguration", "AutoScalingConfigurationArn", "HealthCheckConfiguration"),
    *("NetworkConfiguration", "ObservabilityConfiguration"),
)
GOING_ON = ("PENDING", "IN_PROGRESS", "ROLLBACK_IN_PROGRESS")
PAUSE = 10.0
PATIENCE = 1800.0  # seconds between two looks, and until nobody waits any more


class InputError(Exception):
    """Something that a person can put right; the message says what, where and how."""


def main(words: list[str] | None = None) -> int:
    """Release the image that is given, or without one say what runs; 1 if it is not what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--image", help="what to run; without it, nothing is changed")
    parser.add_argument("--region", default="", help="where to run it, if not where the image is")
    given = parser.parse_args(words)
    try:
        image = given.image if given.image is not None else read(FILE.read_bytes().decode())[1]
        parts = named(image)
        region = given.region or parts["region"]
        if not REGION.fullmatch(region):
            raise InputError(
                f'REGION: "{region}" is not one of AWS. Give one, for instance REGION=eu-west-1, or leave it out.'
            )
        if given.image is not None:
            release(image, parts, region)
        compare(region)
    except InputError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def named(image: str) -> dict[str, str]:
    """The parts of an image's name; it must be one that App Runner and ECR both accept."""
    found = IMAGE.fullmatch(image)
    if not found:
        raise InputError(
            f'"{image}" is not the name of an image in ECR that App Runner accepts. Give where it was pushed to, for '
            "instance REGISTRY=123456789012.dkr.ecr.eu-west-1.amazonaws.com. Two signs in a row, as __, do not fit."
        )
    if len(found["repository"]) < 2:
        raise InputError(
            f'"{image}": ECR has no repositories with names of one letter. Put a word before it, for instance '
            f"REGISTRY={image.partition('/')[0]}/models, and push the image there."
        )
    return found.groupdict()


def release(image: str, parts: dict[str, str], region: str) -> None:
    """Write `image` into the file, create or update the service, and wait until App Runner is done."""
    text = written(FILE.read_bytes().decode(), image, parts["account"], region)
    name = read(text)[0]
    at = ["--repository-name", parts["repository"], "--image-ids", f"imageTag={parts['tag']}"]
    aws("ecr", "describe-images", *at, "--registry-id", parts["account"], "--region", parts["region"])
    there = service(name, region)
    if there and there["Status"] not in ("RUNNING", "CREATE_FAILED"):
        raise InputError(
            f"{name} cannot be updated: App Runner says {there['Status']}. If it is at work, wait; if it is paused, "
            f"run: aws apprunner resume-service --region {region} --service-arn {there['ServiceArn']}"
        )
    FILE.write_bytes(text.encode())
    print(f"App Runner is asked to run {image}. This takes some minutes.", flush=True)
    if there:
        changes = json.dumps(update(json.loads(text), there["ServiceArn"]))
        answer = aws("apprunner", "update-service", "--region", region, "--cli-input-json", changes)
    else:
        answer = aws("apprunner", "create-service", "--region", region, "--cli-input-json", f"file://{FILE}")
    wait(answer["Service"]["ServiceArn"], answer["OperationId"], region)


def written(text: str, image: str, account: str, region: str) -> str:
    """The text of the file with `image` in it, and account and region where none stood yet; all else is kept."""
    now = read(text)[1]
    text = re.sub(
        rf"(arn:aws:[a-z]+:)([a-z0-9-]*):{NOBODY}:", lambda arn: f"{arn[1]}{arn[2] and region}:{account}:", text
    )
    text = text.replace(json.dumps(now), json.dumps(image))
    if read(text)[1] != image:
        raise InputError(f'{FILE}: the image does not stand there as "{now}". Write it so and try again.')
    return text


def read(text: str) -> tuple[str, str]:
    """The name of the service and its image."""
    try:
        service = json.loads(text)
        return str(service["ServiceName"]), str(service["SourceConfiguration"]["ImageRepository"]["ImageIdentifier"])
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        said = " ".join(str(error).split())
        raise InputError(
            f"{FILE}: this is no input of CreateService with an image ({said}). Mend it, or git restore it."
        ) from None


def update(create: dict[str, Any], arn: str) -> dict[str, Any]:
    """The input of UpdateService that makes a service what `create`, an input of CreateService, says."""
    return {"ServiceArn": arn} | {name: create[name] for name in UPDATED if name in create}


def wait(arn: str, operation: str, region: str) -> None:
    """Look until the operation has ended, and refuse if it ended badly."""
    end = time.monotonic() + PATIENCE
    while True:
        answer = aws("apprunner", "list-operations", "--region", region, "--service-arn", arn)
        states = {one["Id"]: one["Status"] for one in answer.get("OperationSummaryList", [])}
        state = states.get(operation, "PENDING")
        if state not in GOING_ON:
            break
        if time.monotonic() > end:
            raise InputError(
                f"App Runner has not finished within {PATIENCE:g} s. See later with: make status-app-runner"
            )
        time.sleep(PAUSE)
    if state != "SUCCEEDED":
        kept = "what answered before still does" if state == "ROLLBACK_SUCCEEDED" else "nothing new answers"
        raise InputError(
            f"App Runner could not do it ({state}); {kept}. {FILE.name} names the image that was asked for. "
            f"To see why: aws logs tail /aws/apprunner/{arn.partition('/')[2]}/service --region {region}"
        )


def compare(region: str) -> None:
    """Say which image runs, and refuse if it is not the one that the file names."""
    name, image = read(FILE.read_bytes().decode())
    print(f"Wanted: {image}")
    there = service(name, region)
    if not there:
        raise InputError(f"{name} is not in App Runner in {region}. To create it: make deploy-app-runner")
    found = aws("apprunner", "describe-service", "--region", region, "--service-arn", there["ServiceArn"])["Service"]
    runs = found["SourceConfiguration"].get("ImageRepository", {}).get("ImageIdentifier", "no image")
    print(f"Runs:   {runs} ({found['Status']})")
    if runs != image or found["Status"] != "RUNNING":
        raise InputError(f"App Runner does not run what {FILE.name} names: it has {runs}, and says {found['Status']}.")
    print(f"It answers at https://{found.get('ServiceUrl')}")


def service(name: str, region: str) -> dict[str, Any] | None:
    """The service of that name, if there is one; App Runner lists deleted ones for a while."""
    page: list[str] = []
    while True:
        answer = aws("apprunner", "list-services", "--region", region, *page)
        for one in answer.get("ServiceSummaryList", []):
            if one["ServiceName"] == name and one["Status"] != "DELETED":
                return dict(one)
        if not answer.get("NextToken"):
            return None
        page = ["--next-token", answer["NextToken"]]


def aws(*words: str) -> dict[str, Any]:
    """What aws answers.

    Raises:
        InputError: there is no aws, it gives no answer, or it fails.
    """
    line = ["aws", *words, "--output", "json"]
    asked = " ".join(line[:3])
    nothing = subprocess.DEVNULL
    try:
        answer = subprocess.run(line, capture_output=True, text=True, check=False, timeout=120, stdin=nothing)  # noqa: S603 - words of ours, no shell
    except FileNotFoundError:
        raise InputError(
            "aws is not here. To get it: https://docs.aws.amazon.com/cli/latest/userguide/getting-started-install.html"
        ) from None
    except subprocess.TimeoutExpired:
        raise InputError(f"{asked} gave no answer within 120 s. See what runs with: make status-app-runner") from None
    if answer.returncode:
        raise InputError(f"{asked} failed: {' '.join(answer.stderr.split())[-800:]}")
    try:
        found: dict[str, Any] = json.loads(answer.stdout or "{}")
    except json.JSONDecodeError:
        raise InputError(f"{asked} did not answer in JSON: {answer.stdout[:200]!r}. Try: aws --version") from None
    return found


if __name__ == "__main__":
    sys.exit(main())
