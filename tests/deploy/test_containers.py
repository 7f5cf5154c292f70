"""The images and the stack of containers, in an engine of their own; see engine.py."""

import json
import re
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from urllib.request import ProxyHandler, build_opener

import pytest
from load import free_port

from ..conftest import Render, clone, command, commit, succeed
from ..support.engine import NEEDS_DEBIAN, Engine

pytestmark = NEEDS_DEBIAN
ROW = {"island": "Biscoe", "bill_length_mm": 48.0, "bill_depth_mm": 14, "flipper_length_mm": 220.0}
ROW |= {"body_mass_g": 5400.0, "sex": None}
LINES = "{extends: default, rules: {line-length: {max: 120}, document-start: disable, braces: disable}}"
FAKE_DOCKER = '#!/bin/sh\necho "profiles $COMPOSE_PROFILES for $JOBS_IMAGE: $*"\n'
TOOLS = Path(sys.executable).parent
STORE = "/app/records/predictions.db"
HARDENED = ("--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges:true")


@pytest.fixture(scope="session")
def project(container_project: Path) -> Path:
    return container_project


def fetch(url: str, body: object = None) -> str:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    with build_opener(ProxyHandler({})).open(request, timeout=10) as response:
        return str(response.read().decode())


def responds(url: str) -> bool:
    try:
        return bool(fetch(url))
    except OSError:
        return False


def wait_until(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def base_of(project: Path, name: str) -> str:
    text = (project / "deploy" / "docker" / name).read_text(encoding="utf-8")
    return re.findall(r"^FROM (\S+)", text, flags=re.MULTILINE)[-1]


def test_the_files_are_in_order(project: Path) -> None:
    folder = project / "deploy" / "docker"
    succeed(TOOLS / "hadolint", folder / "Dockerfile", folder / "Dockerfile.dev", cwd=project)
    succeed(TOOLS / "yamllint", "--strict", "-d", LINES, folder, cwd=project)
    schema = ("--builtin-schema", "vendor.compose-spec")
    succeed(TOOLS / "check-jsonschema", *schema, folder / "compose.yaml", cwd=project)


@pytest.mark.parametrize("name", ["Dockerfile", "Dockerfile.dev"])
def test_an_old_engine_can_build_it_and_nothing_floats(project: Path, name: str) -> None:
    text = (project / "deploy" / "docker" / name).read_text(encoding="utf-8")
    assert not re.search(r"--link|<<|# *syntax|--mount|latest", text)
    assert re.search(r'^CMD \["', text, flags=re.MULTILINE)
    assert all(re.search(r":\d", image) for image in re.findall(r"^FROM (\S+)", text, flags=re.MULTILINE))


def test_an_image_is_named_after_version_commit_and_model(image: str, project: Path, docker: Engine) -> None:
    revision = succeed("git", "rev-parse", "--short=12", "HEAD", cwd=project).strip()
    model = (project / "artifacts" / "current").read_text(encoding="utf-8").strip()
    assert image == f"myproj:0.1.0-{revision}-{model}"
    (details,) = json.loads(docker.docker("image", "inspect", image).stdout)
    labels = details["Config"]["Labels"]
    assert labels["org.opencontainers.image.version"] == "0.1.0"
    assert labels["org.opencontainers.image.revision"] == revision
    assert labels["org.opencontainers.image.licenses"] == "MIT"
    assert labels["myproj.model"] == model
    assert "latest" not in docker.docker("image", "ls", "--format", "{{.Tag}}").stdout.split()


def test_an_image_holds_what_serves_and_nothing_that_trains(image: str, docker: Engine) -> None:
    program = (
        "import importlib.util as u, shutil; "
        "trains = 'sklearn torch pandas scipy great_expectations onnx skl2onnx pyarrow'; "
        "print([n for n in trains.split() if u.find_spec(n)], [n for n in ('gcc', 'uv', 'git') if shutil.which(n)])"
    )
    assert docker.docker("run", "--rm", image, "python", "-c", program).stdout.strip() == "[] []"
    paths = docker.docker("run", "--rm", image, "find", "/app", "-maxdepth", "2").stdout
    assert "/app/mlkeel" in paths
    assert not re.search(r"/app/(src|data|tests|expectations|\.env|\.git|logs)\b", paths)


def test_an_image_records_nothing_unless_told_and_may_write_a_volume(image: str, docker: Engine) -> None:
    script = ("sh", "-c", "echo $API_STORE; stat --format %u /app/records")
    assert docker.docker("run", "--rm", image, *script).stdout.split() == ["off", "10001"]


def test_an_image_is_not_much_larger_than_its_base(image: str, project: Path, docker: Engine) -> None:
    names = (image, base_of(project, "Dockerfile"))
    sizes = [int(docker.docker("image", "inspect", "--format", "{{.Size}}", name).stdout) for name in names]
    print(f"image {sizes[0] / 1e6:.0f} MB, base {sizes[1] / 1e6:.0f} MB")
    assert sizes[0] - sizes[1] <= 250e6


def test_a_container_is_ready_soon_hardened_and_ends_with_zero(image: str, docker: Engine) -> None:
    port = free_port()
    started = time.monotonic()
    docker.docker("run", "--detach", "--name", "alone", "--publish", f"127.0.0.1:{port}:8000", *HARDENED, image)
    try:
        while not responds(f"http://127.0.0.1:{port}/readyz"):
            assert time.monotonic() - started < 60
        print(f"ready after {time.monotonic() - started:.1f} s")
        assert json.loads(fetch(f"http://127.0.0.1:{port}/predict", ROW))["predicted"] == "Gentoo"
        assert json.loads(fetch(f"http://127.0.0.1:{port}/version"))["commit"] in image
        assert docker.docker("exec", "alone", "id", "-u").stdout.strip() == "10001"
        assert "Read-only" in docker.docker("exec", "alone", "touch", "/tmp/x", check=False).stderr
        assert "CapEff:\t0000000000000000" in docker.docker("exec", "alone", "cat", "/proc/1/status").stdout
        docker.docker("stop", "alone")
        assert docker.docker("inspect", "--format", "{{.State.ExitCode}}", "alone").stdout.strip() == "0"
        records = [json.loads(line) for line in docker.docker("logs", "alone").stdout.splitlines()]
        assert {record["level"] for record in records} == {"INFO"}
    finally:
        docker.docker("rm", "--force", "alone", check=False)


@pytest.mark.parametrize("tests", ["tests/data", pytest.param("-m 'not slow'", marks=pytest.mark.slow)])
def test_the_tests_of_a_project_pass_in_the_container_to_develop_in(
    project: Path, person: dict[str, str], tests: str
) -> None:
    output = succeed("make", "dev", f"RUN=python -m pytest {tests}", cwd=project, env=person)
    assert " passed" in output
    assert "failed" not in output


def test_the_stack_comes_up_healthy_and_is_watched(
    project: Path, docker: Engine, person: dict[str, str], tmp_path: Path
) -> None:
    ports = {"NGINX_PORT": str(free_port()), "PROMETHEUS_PORT": str(free_port())}
    person = person | ports
    front, prometheus = (f"http://127.0.0.1:{port}" for port in ports.values())
    succeed("make", "up", "WITH=monitor", cwd=project, env=person)
    try:
        containers = docker.docker("ps", "--format", "{{.Names}} {{.Status}}").stdout
        assert len(containers.splitlines()) == 5
        assert containers.count("(healthy)") == 5, containers
        for name in [line.split()[0] for line in containers.splitlines()]:
            (container,) = json.loads(docker.docker("inspect", name).stdout)
            assert container["HostConfig"]["ReadonlyRootfs"], name
            assert container["HostConfig"]["CapDrop"] == ["ALL"], name
        for _ in range(20):
            assert json.loads(fetch(f"{front}/predict", ROW))["predicted"] == "Gentoo"
        assert not responds(f"{front}/metrics")
        query = f"{prometheus}/api/v1/query?query="
        wait_until(lambda: '"20"' in fetch(f"{query}sum(api_predicted_rows_total)"))
        wait_until(lambda: '"20"' in fetch(f"{query}sum(api_records_written_total)"))  # from both, into one file
        count = (
            f"import sqlite3; print(sqlite3.connect('{STORE}').execute('select count(*) from predictions').fetchone())"
        )
        assert docker.docker("exec", "myproj-api-2-1", "python", "-c", count).stdout == "(20,)\n"
        wait_until(lambda: '"value"' in fetch(f"{query}max(monitor_time_seconds)"))  # which the monitor left there
        wait_until(lambda: '"health":"unknown"' not in fetch(f"{prometheus}/api/v1/rules"))
        assert set(re.findall(r'"health":"(\w+)"', fetch(f"{prometheus}/api/v1/rules"))) == {"ok"}
        for api in ("api-1", "api-2"):  # one after the other is stopped, and the other answers
            docker.docker("stop", f"myproj-{api}-1")
            assert json.loads(fetch(f"{front}/predict", ROW))["predicted"] == "Gentoo"
            docker.docker("start", f"myproj-{api}-1")
            health = ("inspect", "--format", "{{.State.Health.Status}}", f"myproj-{api}-1")
            wait_until(lambda health=health: docker.docker(*health).stdout.strip() == "healthy")
        docker.docker("stop", "myproj-monitor-1")  # not before, or an API that starts again could get its address
        assert docker.docker("inspect", "--format", "{{.State.ExitCode}}", "myproj-monitor-1").stdout.strip() == "0"
        log = tmp_path / "access.log"
        log.write_text(docker.docker("logs", "myproj-nginx-1").stdout, encoding="utf-8")
        output = succeed("make", "top-requests", f"LOG={log}", cwd=project, env=person)
        assert re.search(r"/predict +22 +0 +0.0%", output), output
    finally:
        succeed("make", "down", cwd=project, env=person)
    assert docker.docker("ps", "--all", "--quiet").stdout == ""


@pytest.mark.parametrize(
    ("value", "profiles"),
    [("", ""), ("grafana", "grafana"), ("monitor  grafana", "monitor,grafana"), ("$(shell id)", "")],
)
def test_what_is_started_besides_is_said_in_words(
    render: Render, environment: dict[str, str], tmp_path: Path, value: str, profiles: str
) -> None:
    project = render()
    tools = tmp_path / "tools"
    for name, text in ((project / "artifacts" / "current", "model\n"), (tools / "docker", FAKE_DOCKER)):
        name.parent.mkdir()
        name.write_text(text, encoding="utf-8")
    (tools / "docker").chmod(0o755)
    options = [f"--assume-old={name}" for name in (".venv/ready", "image", "image-jobs")]
    env = environment | {"PATH": f"{tools}:{environment['PATH']}"}
    output = command("make", *options, f"PYTHON={sys.executable}", "up", f"WITH={value}", cwd=project, env=env).stdout
    assert f"profiles {profiles or value.replace(' ', ',')} for myproj-jobs:0.1.0-uncommitted-model: compose" in output


def test_without_a_model_there_is_no_image(project: Path, person: dict[str, str], tmp_path: Path) -> None:
    completed = command("make", "image", cwd=clone(project, tmp_path / "twin"), env=person)
    assert "make train" in completed.stderr
    assert completed.returncode != 0


@pytest.mark.slow
def test_an_image_carries_the_python_features_of_its_version(
    project: Path, tmp_path: Path, person: dict[str, str], docker: Engine
) -> None:
    derived = clone(project, tmp_path / "myproj")
    page = (derived / "docs" / "models.md").read_text(encoding="utf-8").partition("## What must stay Python")[2]
    code = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)[0]
    name = re.findall(r"^def (\w+)", code, flags=re.MULTILINE)[0]
    (derived / "src" / "myproj" / "python_features.py").write_text(code, encoding="utf-8")
    (derived / "src" / "myproj" / "features.py").write_text(
        '"""What a model learns from."""\n\nfrom mlkeel.features.encoder import TABLES\n\n'
        f"from myproj.python_features import {name}\n\nFEATURES = TABLES.derive({name})\n",
        encoding="utf-8",
    )
    for target in ("contract", "train", "test", "check"):
        succeed("make", target, cwd=derived, env=person)
    commit(derived, "feat: derive a column by Python", "--no-verify")
    output = succeed("make", "--silent", "image", cwd=derived, env=person)
    image = re.findall(r"^(\S+) is built\.$", output, flags=re.MULTILINE)[0]
    assert "/app/python_features.py" in docker.docker("run", "--rm", image, "find", "/app", "-maxdepth", "1").stdout
    program = (
        "from pathlib import Path; from mlkeel.inference.predictor import Predictor; "
        "from mlkeel.registry.artifact import current; "
        f"print(Predictor.load(current(Path('artifacts'))).predict_rows([{ROW}]).tolist())"
    )
    answer = docker.docker("run", "--rm", *HARDENED, image, "python", "-c", program).stdout
    assert answer == succeed(derived / ".venv" / "bin" / "python", "-c", program, cwd=derived, env=person)
