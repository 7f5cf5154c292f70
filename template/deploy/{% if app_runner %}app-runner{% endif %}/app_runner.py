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
PLACEHOLDER_ACCOUNT = "000000000000"  # stands in the file for the account until the first release
REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-[0-9]")
WORD = r"[a-z0-9]+(?:[._-][a-z0-9]+)*"
IMAGE = re.compile(
    rf"(?P<account>[0-9]{{12}})\.dkr\.ecr\.(?P<region>{REGION.pattern})\.amazonaws\.com"
    rf"/(?P<repository>(?:{WORD}/)*{WORD}):(?P<tag>[A-Za-z0-9_][A-Za-z0-9_.-]{{0,127}})"
)
UPDATE_FIELDS = (
    *("SourceConfiguration", "InstanceConfiguration", "AutoScalingConfigurationArn", "HealthCheckConfiguration"),
    *("NetworkConfiguration", "ObservabilityConfiguration"),
)
IN_PROGRESS = ("PENDING", "IN_PROGRESS", "ROLLBACK_IN_PROGRESS")
POLL_EVERY_S = 10.0
TIMEOUT_S = 1800.0


class InputError(Exception):
    """Something that a person can put right; the message says what, where and how."""


def main(argv: list[str] | None = None) -> int:
    """Release an image, or without one report what runs; return 1 if that is not the image that service.json names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--image", help="what to run; without it, nothing is changed")
    parser.add_argument("--region", default="", help="where to run it, if not where the image is")
    arguments = parser.parse_args(argv)
    try:
        image = arguments.image if arguments.image is not None else read(FILE.read_bytes().decode())[1]
        parts = parse_image(image)
        region = arguments.region or parts["region"]
        if not REGION.fullmatch(region):
            raise InputError(
                f'REGION: "{region}" is not one of AWS. Give one, for instance REGION=eu-west-1, or leave it out.'
            )
        if arguments.image is not None:
            release(image, parts, region)
        compare(region)
    except InputError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def parse_image(image: str) -> dict[str, str]:
    """Return the parts of an image's name, which App Runner and ECR must both accept."""
    match = IMAGE.fullmatch(image)
    if not match:
        raise InputError(
            f'"{image}" is not the name of an image in ECR that App Runner accepts. Give where it was pushed to, for '
            "instance REGISTRY=123456789012.dkr.ecr.eu-west-1.amazonaws.com. Two signs in a row, as __, do not fit."
        )
    if len(match["repository"]) < 2:
        raise InputError(
            f'"{image}": ECR has no repositories with names of one letter. Put a word before it, for instance '
            f"REGISTRY={image.partition('/')[0]}/models, and push the image there."
        )
    return match.groupdict()


def release(image: str, parts: dict[str, str], region: str) -> None:
    """Write `image` into the file, create or update the service, and wait until App Runner is done."""
    text = with_image(FILE.read_bytes().decode(), image, parts["account"], region)
    name = read(text)[0]
    image_options = ["--repository-name", parts["repository"], "--image-ids", f"imageTag={parts['tag']}"]
    aws("ecr", "describe-images", *image_options, "--registry-id", parts["account"], "--region", parts["region"])
    existing = find_service(name, region)
    if existing and existing["Status"] not in ("RUNNING", "CREATE_FAILED"):
        raise InputError(
            f"{name} cannot be updated: App Runner says {existing['Status']}. If it is at work, wait; if it is paused, "
            f"run: aws apprunner resume-service --region {region} --service-arn {existing['ServiceArn']}"
        )
    FILE.write_bytes(text.encode())
    print(f"App Runner is asked to run {image}. This takes some minutes.", flush=True)
    if existing:
        update_input = json.dumps(update(json.loads(text), existing["ServiceArn"]))
        response = aws("apprunner", "update-service", "--region", region, "--cli-input-json", update_input)
    else:
        response = aws("apprunner", "create-service", "--region", region, "--cli-input-json", f"file://{FILE}")
    wait(response["Service"]["ServiceArn"], response["OperationId"], region)


def with_image(text: str, image: str, account: str, region: str) -> str:
    """Return the text of the file with `image`, and with account and region in place of the placeholders."""
    current = read(text)[1]
    text = re.sub(
        rf"(arn:aws:[a-z]+:)([a-z0-9-]*):{PLACEHOLDER_ACCOUNT}:",
        lambda match: f"{match[1]}{match[2] and region}:{account}:",
        text,
    )
    text = text.replace(json.dumps(current), json.dumps(image))
    if read(text)[1] != image:
        raise InputError(f'{FILE}: the image does not stand there as "{current}". Write it so and try again.')
    return text


def read(text: str) -> tuple[str, str]:
    """Return the name of the service and its image."""
    try:
        definition = json.loads(text)
        return str(definition["ServiceName"]), str(
            definition["SourceConfiguration"]["ImageRepository"]["ImageIdentifier"]
        )
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        detail = " ".join(str(error).split())
        raise InputError(
            f"{FILE}: this is no input of CreateService with an image ({detail}). Mend it, or git restore it."
        ) from None


def update(create_input: dict[str, Any], arn: str) -> dict[str, Any]:
    """Return the input of UpdateService for `create_input`, an input of CreateService."""
    return {"ServiceArn": arn} | {name: create_input[name] for name in UPDATE_FIELDS if name in create_input}


def wait(arn: str, operation: str, region: str) -> None:
    """Wait until the operation has ended.

    Raises:
        InputError: it failed, or has not ended in time.
    """
    deadline = time.monotonic() + TIMEOUT_S
    while True:
        response = aws("apprunner", "list-operations", "--region", region, "--service-arn", arn)
        states = {summary["Id"]: summary["Status"] for summary in response.get("OperationSummaryList", [])}
        state = states.get(operation, "PENDING")
        if state not in IN_PROGRESS:
            break
        if time.monotonic() > deadline:
            raise InputError(
                f"App Runner has not finished within {TIMEOUT_S:g} s. See later with: make status-app-runner"
            )
        time.sleep(POLL_EVERY_S)
    if state != "SUCCEEDED":
        consequence = "what answered before still does" if state == "ROLLBACK_SUCCEEDED" else "nothing new answers"
        raise InputError(
            f"App Runner could not do it ({state}); {consequence}. {FILE.name} names the image that was asked for. "
            f"To see why: aws logs tail /aws/apprunner/{arn.partition('/')[2]}/service --region {region}"
        )


def compare(region: str) -> None:
    """Print which image runs.

    Raises:
        InputError: it is not the image that the file names.
    """
    name, image = read(FILE.read_bytes().decode())
    print(f"Wanted: {image}")
    summary = find_service(name, region)
    if not summary:
        raise InputError(f"{name} is not in App Runner in {region}. To create it: make deploy-app-runner")
    response = aws("apprunner", "describe-service", "--region", region, "--service-arn", summary["ServiceArn"])
    details = response["Service"]
    running_image = details["SourceConfiguration"].get("ImageRepository", {}).get("ImageIdentifier", "no image")
    print(f"Runs:   {running_image} ({details['Status']})")
    if running_image != image or details["Status"] != "RUNNING":
        raise InputError(
            f"App Runner does not run what {FILE.name} names: it has {running_image}, and says {details['Status']}."
        )
    print(f"It answers at https://{details.get('ServiceUrl')}")


def find_service(name: str, region: str) -> dict[str, Any] | None:
    """Return the service of that name, or None; App Runner lists deleted services for a while."""
    page_options: list[str] = []
    while True:
        response = aws("apprunner", "list-services", "--region", region, *page_options)
        for summary in response.get("ServiceSummaryList", []):
            if summary["ServiceName"] == name and summary["Status"] != "DELETED":
                return dict(summary)
        if not response.get("NextToken"):
            return None
        page_options = ["--next-token", response["NextToken"]]


def aws(*args: str) -> dict[str, Any]:
    """Return the response of aws.

    Raises:
        InputError: there is no aws, it gives no answer, or it fails.
    """
    command = ["aws", *args, "--output", "json"]
    command_name = " ".join(command[:3])
    try:
        result = subprocess.run(  # noqa: S603 - no shell
            command, capture_output=True, text=True, check=False, timeout=120, stdin=subprocess.DEVNULL
        )
    except FileNotFoundError:
        raise InputError(
            "aws is not here. To get it: https://docs.aws.amazon.com/cli/latest/userguide/getting-started-install.html"
        ) from None
    except subprocess.TimeoutExpired:
        raise InputError(
            f"{command_name} gave no answer within 120 s. See what runs with: make status-app-runner"
        ) from None
    if result.returncode:
        raise InputError(f"{command_name} failed: {' '.join(result.stderr.split())[-800:]}")
    try:
        response: dict[str, Any] = json.loads(result.stdout or "{}")
    except json.JSONDecodeError:
        raise InputError(
            f"{command_name} did not answer in JSON: {result.stdout[:200]!r}. Try: aws --version"
        ) from None
    return response


if __name__ == "__main__":
    sys.exit(main())
