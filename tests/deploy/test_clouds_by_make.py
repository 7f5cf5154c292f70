"""Releases to Cloud Run and App Runner through make, in a project with its environment; gcloud and aws are fakes."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
from copier import run_copy

from ..conftest import command, succeed
from ..support.clouds import BAD_TAGS, BEFORE, TAG, Fake, ready
from .test_app_runner_release import ARN, AWS
from .test_cloud_run_release import GCLOUD


@dataclass(frozen=True)
class Cloud:
    """How one of the two is released to, and what tells that another image runs."""

    name: str
    program: str
    behavior: str
    file: str
    words: tuple[str, ...]
    login: str
    changed: dict[str, object]


CLOUDS = [
    Cloud(
        "cloud-run",
        "gcloud",
        GCLOUD,
        "service.yaml",
        ("REGISTRY=europe-west1-docker.pkg.dev/my-project/models", "REGION=europe-west1", "PROJECT=my-project"),
        "gcloud auth login",
        {"shares": {"r-2": 100}},
    ),
    Cloud(
        "app-runner",
        "aws",
        AWS,
        "service.json",
        ("REGISTRY=123456789012.dkr.ecr.us-east-1.amazonaws.com/models",),
        "aws configure",
        {"service": {"ServiceName": "myproj-api", "ServiceArn": ARN, "SourceConfiguration": {}, "Status": "RUNNING"}},
    ),
]


@pytest.fixture(params=CLOUDS, ids=lambda cloud: cloud.name)
def cloud(request: pytest.FixtureRequest) -> Cloud:
    return request.param


@pytest.fixture(scope="session")
def rendered(snapshot: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    destination = tmp_path_factory.mktemp("both") / "myproj"
    run_copy(str(snapshot), destination, data={"deploy": ["cloud-run", "app-runner"]}, defaults=True, quiet=True)
    return destination


@pytest.fixture
def project(rendered: Path, generated: Path, tmp_path: Path) -> Path:
    return ready(shutil.copytree(rendered, tmp_path / "my proj"), generated)


@pytest.fixture
def fake(cloud: Cloud, tmp_path: Path) -> Fake:
    fake = Fake(tmp_path / "bin", cloud.program, cloud.behavior)
    fake.set(arn=ARN)
    return fake


@pytest.fixture
def person(fake: Fake, offline: dict[str, str]) -> dict[str, str]:
    return fake.within(offline)


def test_it_releases_goes_back_and_tells(project: Path, cloud: Cloud, fake: Fake, person: dict[str, str]) -> None:
    for tag in (BEFORE, TAG, BEFORE):
        output = succeed("make", f"deploy-{cloud.name}", f"TAG={tag}", *cloud.words, cwd=project, env=person)
        assert output.count(f"/models/myproj:{tag}") == 3  # is asked, is wanted, runs
        assert f"/models/myproj:{tag}" in (project / "deploy" / cloud.name / cloud.file).read_text("utf-8")
    succeed("make", f"status-{cloud.name}", *cloud.words, cwd=project, env=person)
    fake.set(**cloud.changed)
    assert command("make", f"status-{cloud.name}", *cloud.words, cwd=project, env=person).returncode != 0


def test_it_refuses_a_tag_before_anything_is_asked(
    project: Path, cloud: Cloud, fake: Fake, person: dict[str, str]
) -> None:
    before = (project / "deploy" / cloud.name / cloud.file).read_bytes()
    for tag in BAD_TAGS:
        completed = command("make", f"deploy-{cloud.name}", f"TAG={tag}", *cloud.words, cwd=project, env=person)
        assert completed.returncode != 0, tag
        assert "TAG" in completed.stdout, tag
    assert (fake.calls, (project / "deploy" / cloud.name / cloud.file).read_bytes()) == ([], before)


@pytest.mark.usefixtures("fake")
def test_what_it_is_given_is_never_run(project: Path, cloud: Cloud, person: dict[str, str]) -> None:
    for text in ("$(shell touch ran)", "`touch ran`", '"; touch ran; "'):
        others = [f"{word.split('=')[0]}={text}" for word in cloud.words]
        for arguments in ([f"TAG={text}", *cloud.words], [f"TAG={TAG}", *others]):
            assert command("make", f"deploy-{cloud.name}", *arguments, cwd=project, env=person).returncode != 0
        words = [f"{name}={text}" for name in ("TAG", "REGISTRY", "REGION", "PROJECT")]
        assert command("make", f"status-{cloud.name}", *words, cwd=project, env=person).returncode != 0
    assert not (project / "ran").exists()


def test_it_asks_the_doctor_first(project: Path, cloud: Cloud, fake: Fake, person: dict[str, str]) -> None:
    before = (project / "deploy" / cloud.name / cloud.file).read_bytes()
    fake.set(hidden="logged out")
    completed = command("make", f"deploy-{cloud.name}", f"TAG={TAG}", *cloud.words, cwd=project, env=person)
    assert completed.returncode != 0
    assert cloud.login in completed.stdout
    assert not [call for call in fake.calls if call[0] in ("run", "ecr", "apprunner")]
    assert (project / "deploy" / cloud.name / cloud.file).read_bytes() == before


def test_it_says_what_is_missing_when_it_is_told_nothing_but_a_tag(
    project: Path, cloud: Cloud, fake: Fake, person: dict[str, str]
) -> None:
    completed = command("make", f"deploy-{cloud.name}", f"TAG={TAG}", cwd=project, env=person)
    assert completed.returncode != 0
    assert "for instance RE" in " ".join(completed.stderr.split())
    assert "Traceback" not in completed.stderr
    assert not [call for call in fake.calls if call[0] in ("run", "ecr", "apprunner")]


def test_its_targets_are_in_the_help(project: Path, cloud: Cloud, person: dict[str, str]) -> None:
    output = succeed("make", cwd=project, env=person)
    assert f"\ndeploy-{cloud.name} " in output
    assert f"\nstatus-{cloud.name} " in output


def test_its_script_is_clean(project: Path, generated: Path, cloud: Cloud) -> None:
    tools = generated / ".venv" / "bin"
    script = f"deploy/{cloud.name}/{cloud.name.replace('-', '_')}.py"
    succeed(tools / "ruff", "format", "--check", script, cwd=project)
    succeed(tools / "ruff", "check", script, cwd=project)
    succeed(tools / "mypy", "--strict", script, cwd=project)


def test_its_files_pass_the_hook_that_looks_at_tags(project: Path, generated: Path, cloud: Cloud) -> None:
    files = [path for path in (project / "deploy" / cloud.name).iterdir() if path.suffix in (".yaml", ".json")]
    assert len(files) >= 2
    succeed(generated / ".venv" / "bin" / "python", "hooks/image_tags.py", *files, cwd=project)
