"""A release to Cloud Run changes one thing, and says what really runs; gcloud is a fake that keeps state."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from copier import run_copy

from ..conftest import succeed
from ..support.clouds import BEFORE, TAG, Fake, module
from .test_cloud_run import ANSWERS, valid

REGISTRY = "europe-west1-docker.pkg.dev/my-project/models"
IMAGE = f"{REGISTRY}/customer_churn:{TAG}"
EARLIER = f"{REGISTRY}/customer_churn:{BEFORE}"
WHERE = ["--region", "europe-west1", "--project", "my-project"]
GCLOUD = r"""
import yaml
if state.get("hidden") == "logged out":
    stop("ERROR: (gcloud.auth) You do not currently have an active account selected.")
if words[:3] == ["run", "services", "replace"]:
    if state.get("hidden") == "refuses":
        stop("ERROR: (gcloud.run.services.replace)\nImage not found.")
    service = yaml.safe_load(Path(words[3]).read_text())
    images = state.setdefault("images", [])
    image = service["spec"]["template"]["spec"]["containers"][0]["image"]
    images.append("an/other:image" if state.get("hidden") == "runs another" else image)
    state["spec"] = service["spec"]
    state["shares"] = state.get("next shares") or {f"r-{len(images)}": 100}
elif words[:3] == ["run", "services", "describe"]:
    if "spec" not in state:
        stop("ERROR: (gcloud.run.services.describe) Cannot find service [customer-churn]")
    newest = f"r-{len(state['images'])}"
    traffic = [{"revisionName": name, "percent": share} for name, share in state["shares"].items()]
    status = {"latestCreatedRevisionName": newest, "latestReadyRevisionName": state.get("ready", newest)}
    status |= {"url": "https://churn.example", "traffic": traffic + [{"revisionName": newest, "tag": "try"}]}
    good = {"type": "Ready", "status": "True"}
    status["conditions"] = [good | {"status": "False", "message": state["message"]} if "message" in state else good]
    print(json.dumps({"metadata": {"name": words[3]}, "spec": state["spec"], "status": status}))
elif words[:3] == ["run", "revisions", "describe"]:
    image = state["images"][int(words[3].removeprefix("r-")) - 1]
    print(json.dumps({"spec": {"containers": [{"image": image}]}}))
"""


@pytest.fixture(scope="session")
def rendered(snapshot: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    destination = tmp_path_factory.mktemp("cloud run") / "churn"
    run_copy(str(snapshot), destination, data=ANSWERS, defaults=True, quiet=True)
    return destination


@pytest.fixture
def project(rendered: Path, tmp_path: Path) -> Path:
    return shutil.copytree(rendered, tmp_path / "churn")


@pytest.fixture
def gcloud(tmp_path: Path) -> Fake:
    return Fake(tmp_path / "bin", "gcloud", GCLOUD)


@pytest.fixture
def run(
    project: Path, gcloud: Fake, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., int]:
    monkeypatch.setenv("PATH", gcloud.within(environment)["PATH"])
    release = module(project / "deploy" / "cloud-run" / "cloud_run.py")
    return lambda *words: release.main([*(words if "--region" in words else (*WHERE, *words))])


def file(project: Path) -> Path:
    return project / "deploy" / "cloud-run" / "service.yaml"


def test_a_release_changes_the_image_and_the_project_and_nothing_else(project: Path, run: Callable[..., int]) -> None:
    before = file(project).read_bytes()
    assert run("--image", IMAGE) == 0
    released = before.replace(b"REGION-docker.pkg.dev/PROJECT/REPOSITORY/customer_churn:0.0.0-none-yet", IMAGE.encode())
    assert file(project).read_bytes() == released.replace(b"@PROJECT.", b"@my-project.")
    assert run("--image", EARLIER) == 0
    assert file(project).read_bytes().count(EARLIER.encode()) == 1


def test_a_release_keeps_line_ends_comments_and_quotes(project: Path, run: Callable[..., int]) -> None:
    text = (
        file(project)
        .read_text("utf-8")
        .replace("- image: ", '- image: "')
        .replace("0.0.0-none-yet", '0.0.0-none-yet"  # mine')
    )
    file(project).write_bytes(text.replace("\n", "\r\n").encode())
    assert run("--image", IMAGE) == 0
    assert f'- image: "{IMAGE}"  # mine\r\n'.encode() in file(project).read_bytes()


def test_a_release_says_what_runs_and_where(
    run: Callable[..., int], gcloud: Fake, capsys: pytest.CaptureFixture
) -> None:
    assert run("--image", IMAGE) == 0
    output = capsys.readouterr().out
    assert f"100 % of requests: r-1 with {IMAGE}" in output
    assert "https://churn.example" in output
    assert all(call[4:8] == WHERE and call[-1] == "--quiet" for call in gcloud.calls)


def test_what_the_fake_answers_is_what_google_describes(
    project: Path, run: Callable[..., int], gcloud: Fake, environment: dict[str, str]
) -> None:
    run("--image", IMAGE)
    for kind, name, schema in (("services", "customer-churn", "Service"), ("revisions", "r-1", "Revision")):
        output = succeed(gcloud.folder / "gcloud", "run", kind, "describe", name, cwd=project, env=environment)
        assert list(valid(schema).iter_errors(yaml.safe_load(output))) == []


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ({"hidden": "refuses"}, ["Image not found.", "what answered before still does"]),
        ({"hidden": "runs another"}, ["100 % of requests go to r-2, which runs an/other:image"]),
        ({"next shares": {"r-1": 90, "r-2": 10}}, ["90 % of requests go to r-1", EARLIER]),
        (
            {"message": "r-2 crashed.", "ready": "r-1"},
            ["r-2, the newest revision, is not ready", "it says: r-2 crashed."],
        ),
        ({"ready": "r-1"}, ["r-2, the newest revision, is not ready"]),
        ({"hidden": "logged out"}, ["do not currently have an active account"]),
    ],
)
def test_what_went_wrong_is_said_in_one_paragraph(
    run: Callable[..., int], gcloud: Fake, capsys: pytest.CaptureFixture, state: dict[str, object], words: list[str]
) -> None:
    assert run("--image", EARLIER) == 0
    gcloud.set(**state)
    capsys.readouterr()
    assert run("--image", IMAGE) == 1
    message = capsys.readouterr().err
    assert all(word in message for word in words)
    assert message.count("\n") == 1


def test_requests_that_go_nowhere_are_noticed(
    run: Callable[..., int], gcloud: Fake, capsys: pytest.CaptureFixture
) -> None:
    assert run("--image", IMAGE) == 0
    gcloud.set(shares={})
    assert run() == 1
    assert "no revision answers requests" in capsys.readouterr().err


def test_requests_sent_back_by_hand_differ_until_the_next_release(run: Callable[..., int], gcloud: Fake) -> None:
    assert run("--image", EARLIER) == 0
    assert run("--image", IMAGE) == 0
    gcloud.set(shares={"r-1": 100})
    assert run() == 1
    assert run("--image", EARLIER) == 0
    assert run() == 0


@pytest.mark.parametrize(
    "words",
    [
        ["--image", f"customer_churn:{TAG}"],
        ["--image", f"/customer_churn:{TAG}"],
        ["--image", f"europe-west1-docker.pkg.dev/my-project/customer_churn:{TAG}"],
        ["--image", f"ghcr.io/ada/models/customer_churn:{TAG}"],
        ["--image", f"{REGISTRY}/customer_churn"],
        ["--image", f"{REGISTRY}/a___b:{TAG}"],
        ["--image", f"{REGISTRY}/Churn:{TAG}"],
        ["--image", IMAGE, "--region", "", "--project", "my-project"],
        ["--image", IMAGE, "--region", "Europe", "--project", "my-project"],
        ["--image", IMAGE, "--region", "europe-west1", "--project", ""],
        ["--image", IMAGE, "--region", "europe-west1", "--project", "My Project"],
    ],
)
def test_what_google_would_not_take_is_refused_before_anything_is_sent(
    project: Path, run: Callable[..., int], gcloud: Fake, capsys: pytest.CaptureFixture, words: list[str]
) -> None:
    before = file(project).read_bytes()
    assert run(*words) == 1
    assert capsys.readouterr().err.count("\n") == 1
    assert (gcloud.calls, file(project).read_bytes()) == ([], before)


@pytest.mark.parametrize(
    "text", ["", "[", "spec: {}\n", "metadata: {name: a}\nspec: {template: {spec: {containers: []}}}\n"]
)
def test_a_broken_file_is_refused(
    project: Path, run: Callable[..., int], gcloud: Fake, capsys: pytest.CaptureFixture, text: str
) -> None:
    file(project).write_text(text, encoding="utf-8")
    assert run("--image", IMAGE) == 1
    assert "git restore" in capsys.readouterr().err
    assert (gcloud.calls, file(project).read_text("utf-8")) == ([], text)


def test_a_missing_or_silent_gcloud_is_named(
    run: Callable[..., int], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    def silent(*_: object, **more: float) -> None:
        raise subprocess.TimeoutExpired("gcloud", more["timeout"])

    monkeypatch.setattr(subprocess, "run", silent)
    assert run("--image", IMAGE) == 1
    assert "gave no answer within 900 s" in capsys.readouterr().err
    monkeypatch.undo()
    monkeypatch.setenv("PATH", "")
    assert run("--image", IMAGE) == 1
    assert "gcloud is not here" in capsys.readouterr().err
