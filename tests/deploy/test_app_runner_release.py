"""A release to App Runner creates or updates, waits, and says what really runs; aws is a fake that keeps state."""

import itertools
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from copier import run_copy

from ..support.clouds import BEFORE, TAG, Fake, module
from .test_app_runner import ANSWERS, input_violations, problems

REGISTRY = "123456789012.dkr.ecr.us-east-1.amazonaws.com/models"
IMAGE = f"{REGISTRY}/customer_churn:{TAG}"
EARLIER = f"{REGISTRY}/customer_churn:{BEFORE}"
ARN = "arn:aws:apprunner:us-east-1:123456789012:service/customer-churn-api/0123456789abcdef0123456789abcdef"
AWS = r"""
hidden, service = state.get("hidden"), state.get("service")
if hidden == "logged out":
    stop("Unable to locate credentials. You can configure credentials by running \"aws login\".")
elif words[:2] == ["ecr", "describe-images"]:
    if hidden == "never pushed":
        stop("\nAn error occurred (ImageNotFoundException) when calling the DescribeImages operation.")
    print("{}")
elif words[1:2] == ["list-services"] and "--next-token" not in words:
    gone = {"ServiceName": "customer-churn-api", "ServiceArn": "an:old:one", "Status": "DELETED"}
    other = gone | {"ServiceName": "other", "Status": "RUNNING"}
    print(json.dumps({"ServiceSummaryList": [gone, other], "NextToken": "2"}))
elif words[1:2] == ["list-services"]:
    names = ("ServiceName", "ServiceArn", "Status")
    print(json.dumps({"ServiceSummaryList": [{name: service[name] for name in names}] if service else []}))
elif words[1:2] in (["create-service"], ["update-service"]):
    argument = after("--cli-input-json")
    text = Path(argument.removeprefix("file://")).read_text() if argument.startswith("file://") else argument
    request = json.loads(text)
    state.setdefault("asked", []).append([words[1], request])
    new = {"ServiceName": request.get("ServiceName"), "ServiceArn": state["arn"], "ServiceUrl": "churn.example"}
    before = service or new
    state["left"] = list(state.get("outcomes", ["SUCCEEDED"]))
    if state["left"][-1] == "SUCCEEDED":
        before = before | {"SourceConfiguration": request["SourceConfiguration"], "Status": "RUNNING"}
        if hidden == "runs another":
            before["SourceConfiguration"]["ImageRepository"]["ImageIdentifier"] = "an/other:image"
    state["service"] = {"SourceConfiguration": {}, "Status": "CREATE_FAILED"} | before
    print(json.dumps({"Service": state["service"], "OperationId": "now"}))
elif words[1:2] == ["list-operations"]:
    now = state["left"].pop(0) if len(state["left"]) > 1 else state["left"][0]
    print(json.dumps({"OperationSummaryList": [{"Id": "now", "Status": now}, {"Id": "before", "Status": "FAILED"}]}))
elif words[1:2] == ["describe-service"]:
    print(json.dumps({"Service": service}))
"""


@pytest.fixture(scope="session")
def rendered(snapshot: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    destination = tmp_path_factory.mktemp("app runner") / "churn"
    run_copy(str(snapshot), destination, data=ANSWERS, defaults=True, quiet=True)
    return destination


@pytest.fixture
def project(rendered: Path, tmp_path: Path) -> Path:
    return shutil.copytree(rendered, tmp_path / "chu rn")


@pytest.fixture
def aws(tmp_path: Path) -> Fake:
    fake = Fake(tmp_path / "bin", "aws", AWS)
    fake.set(arn=ARN)
    return fake


@pytest.fixture
def run(project: Path, aws: Fake, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    monkeypatch.setenv("PATH", aws.within(environment)["PATH"])
    release = module(project / "deploy" / "app-runner" / "app_runner.py")
    monkeypatch.setattr(release, "POLL_EVERY_S", 0)
    ticks = itertools.count()
    monkeypatch.setattr(release.time, "monotonic", lambda: next(ticks) * 100.0)
    return lambda *words: release.main([*words])


def file(project: Path) -> Path:
    return project / "deploy" / "app-runner" / "service.json"


def test_the_first_release_creates_and_the_next_updates(
    run: Callable[..., int], aws: Fake, capsys: pytest.CaptureFixture
) -> None:
    assert run("--image", EARLIER) == 0
    assert run("--image", IMAGE) == 0
    (first, create), (second, update) = aws.state["asked"]
    assert (first, second) == ("create-service", "update-service")
    assert problems(create) == []
    assert input_violations("apprunner", "UpdateServiceRequest", update) == []
    assert update["ServiceArn"] == ARN
    assert update["SourceConfiguration"]["ImageRepository"]["ImageIdentifier"] == IMAGE
    assert f"Runs:   {IMAGE} (RUNNING)\nIt answers at https://churn.example" in capsys.readouterr().out


def test_the_file_gets_the_image_the_account_and_the_region_and_keeps_the_rest(
    project: Path, run: Callable[..., int]
) -> None:
    before = file(project).read_text("utf-8")
    assert run("--image", IMAGE) == 0
    text = re.sub(r'"[^"]*:0.0.0-none-yet"', f'"{IMAGE}"', before).replace("000000000000", "123456789012")
    assert file(project).read_text("utf-8") == text.replace(":eu-west-1:", ":us-east-1:")
    assert run("--image", EARLIER) == 0
    assert file(project).read_text("utf-8") == text.replace(":eu-west-1:", ":us-east-1:").replace(TAG, BEFORE)


def test_it_can_run_elsewhere_than_the_image_lies(run: Callable[..., int], aws: Fake) -> None:
    assert run("--image", IMAGE, "--region", "eu-central-1") == 0
    regions = {call[0]: call[call.index("--region") + 1] for call in aws.calls}
    assert regions == {"ecr": "us-east-1", "apprunner": "eu-central-1"}


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (
            {"outcomes": ["IN_PROGRESS", "ROLLBACK_IN_PROGRESS", "ROLLBACK_SUCCEEDED"]},
            ["before still does", "aws logs tail"],
        ),
        (
            {"outcomes": ["PENDING", "FAILED"]},
            ["FAILED", "customer-churn-api/0123456789abcdef0123456789abcdef/service"],
        ),
        ({"outcomes": ["IN_PROGRESS"]}, ["has not finished within 1800 s"]),
        ({"hidden": "runs another"}, ["an/other:image"]),
        ({"hidden": "logged out"}, ["Unable to locate credentials"]),
        ({"hidden": "never pushed"}, ["ImageNotFoundException"]),
    ],
)
@pytest.mark.parametrize("exists", [False, True])
def test_what_went_wrong_is_said_in_one_paragraph(
    run: Callable[..., int],
    aws: Fake,
    capsys: pytest.CaptureFixture,
    state: dict[str, object],
    words: list[str],
    exists: bool,
) -> None:
    assert not exists or run("--image", EARLIER) == 0
    aws.set(**state)
    capsys.readouterr()
    assert run("--image", IMAGE) == 1
    message = capsys.readouterr().err
    assert all(word in message for word in words)
    assert message.count("\n") == 1


def test_an_operation_that_takes_its_time_is_waited_for(run: Callable[..., int], aws: Fake) -> None:
    aws.set(outcomes=["PENDING", "IN_PROGRESS", "IN_PROGRESS", "SUCCEEDED"])
    assert run("--image", IMAGE) == 0


def test_a_creation_that_failed_is_mended_by_an_update(run: Callable[..., int], aws: Fake) -> None:
    aws.set(outcomes=["FAILED"])
    assert run("--image", EARLIER) == 1
    aws.set(outcomes=["SUCCEEDED"])
    assert run("--image", IMAGE) == 0
    assert [name for name, _ in aws.state["asked"]] == ["create-service", "update-service"]


def test_what_runs_is_told_without_a_release(run: Callable[..., int], aws: Fake, capsys: pytest.CaptureFixture) -> None:
    assert run() == 1
    assert "To create it" in capsys.readouterr().err
    assert run("--image", IMAGE) == 0
    assert run() == 0
    aws.set(service=aws.state["service"] | {"Status": "PAUSED"})
    assert run() == 1
    assert "PAUSED" in capsys.readouterr().err


@pytest.mark.parametrize("status", ["PAUSED", "OPERATION_IN_PROGRESS", "DELETE_FAILED"])
def test_a_service_that_cannot_be_updated_is_left_alone(
    project: Path, run: Callable[..., int], aws: Fake, status: str
) -> None:
    aws.set(service={"ServiceName": "customer-churn-api", "ServiceArn": ARN, "Status": status})
    before = file(project).read_bytes()
    assert run("--image", IMAGE) == 1
    assert ("asked" in aws.state, file(project).read_bytes()) == (False, before)


@pytest.mark.parametrize(
    "words",
    [
        ["--image", f"/customer_churn:{TAG}"],
        ["--image", f"ghcr.io/ada/customer_churn:{TAG}"],
        ["--image", f"123456789012.dkr.ecr.us-east-1.amazonaws.com/a:{TAG}"],
        ["--image", f"{REGISTRY}/a__b:{TAG}"],
        ["--image", f"{REGISTRY}/customer_churn"],
        ["--image", IMAGE, "--region", "Ireland"],
    ],
)
def test_what_aws_would_not_take_is_refused_before_anything_is_sent(
    project: Path, run: Callable[..., int], aws: Fake, capsys: pytest.CaptureFixture, words: list[str]
) -> None:
    before = file(project).read_bytes()
    assert run(*words) == 1
    assert capsys.readouterr().err.count("\n") == 1
    assert (aws.calls, file(project).read_bytes()) == ([], before)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"ServiceName": "churn-api", "SourceConfiguration": null}'])
def test_a_broken_file_is_refused(
    project: Path, run: Callable[..., int], aws: Fake, capsys: pytest.CaptureFixture, text: str
) -> None:
    file(project).write_text(text, encoding="utf-8")
    assert run("--image", IMAGE) == 1
    assert run() == 1
    assert capsys.readouterr().err.count("git restore") == 2
    assert (aws.calls, file(project).read_text("utf-8")) == ([], text)


def test_a_missing_or_silent_aws_is_named(
    run: Callable[..., int], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    def silent(*_: object, **more: float) -> None:
        raise subprocess.TimeoutExpired("aws", more["timeout"])

    with monkeypatch.context() as patch:
        patch.setattr(subprocess, "run", silent)
        assert run("--image", IMAGE) == 1
    assert "gave no answer within 120 s" in capsys.readouterr().err
    monkeypatch.setenv("PATH", "")
    assert run("--image", IMAGE) == 1
    assert "aws is not here" in capsys.readouterr().err
