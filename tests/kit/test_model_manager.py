import asyncio
import json
import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path

import numpy as np
import pytest
import uvicorn
from fastapi import FastAPI
from mlkeel.config import read_server_config
from mlkeel.errors import ArtifactError, Hint, InputError
from mlkeel.inference.loaded_model import LoadedModel
from mlkeel.inference.predictor import Predictor
from mlkeel.registry.artifact import current, set_current
from mlkeel.serve.model_manager import GracefulServer, ModelManager, run

from .kinds import KIND

ROW = KIND.row


@pytest.fixture
def artifacts(trained_project: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained_project / "artifacts", tmp_path / "artifacts"))


@pytest.mark.parametrize(
    "outputs",
    [
        [[np.nan] * (2 if KIND.classification else 3)] * 2,
        ([[0.9, 0.9]] * 2 if KIND.classification else [[2, 3, 4]] * 2),
        ([[-1, 2]] * 2 if KIND.classification else [[2, 0, 1]] * 2),
        ([[0.1, 0.9], [0.9, 0.1]] if KIND.classification else [[2, 1, 3], [5, 4, 6]]),
    ],
)
def test_an_artifact_whose_answers_are_none_is_refused(
    artifacts: Path, monkeypatch: pytest.MonkeyPatch, outputs: list
) -> None:
    monkeypatch.setattr(Predictor, "predict_and_derive", lambda *_: (np.array(outputs), []))
    with pytest.raises(ArtifactError, match="it answers a row with") as excinfo:
        LoadedModel.open(current(artifacts))
    assert excinfo.value.hint is Hint.TRAIN


def test_a_broken_artifact_is_said_once_and_its_successor_is_taken(
    artifacts: Path, caplog: pytest.LogCaptureFixture
) -> None:
    manager = ModelManager(artifacts)
    good = current(artifacts)
    (artifacts / "current").write_text("nowhere\n", encoding="utf-8")
    with caplog.at_level(logging.ERROR):
        for _ in range(3):
            manager.reload()
    assert len(caplog.records) == 1
    assert good.name in caplog.records[0].getMessage()
    shutil.copytree(good, artifacts / "v3")
    set_current(artifacts, "v3")
    manager.reload()
    assert (manager.model.version, manager.rejected_versions, manager.reloads) == ("v3", 1, 1)


def test_an_artifact_that_was_mended_is_taken_after_all(artifacts: Path) -> None:
    manager = ModelManager(artifacts)
    good = current(artifacts)
    broken = Path(shutil.copytree(good, artifacts / "v2"))
    (broken / "model.onnx").write_bytes(b"rubbish")
    shutil.copytree(good, artifacts / "v3")
    for version in ("v2", "v3"):
        set_current(artifacts, version)
        manager.reload()
    shutil.copy(good / "model.onnx", broken)
    set_current(artifacts, "v2")
    manager.reload()
    assert manager.model.version == "v2"


def test_an_artifact_that_comes_during_a_look_is_refused_once(artifacts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manager = ModelManager(artifacts)
    broken = Path(shutil.copytree(current(artifacts), artifacts / "v2"))
    (broken / "model.onnx").write_bytes(b"rubbish")

    def come_late(folder: Path) -> Path:
        set_current(folder, "v2")
        return current(folder)

    monkeypatch.setattr("mlkeel.serve.model_manager.current", come_late)
    for _ in range(3):
        manager.reload()
    assert manager.rejected_versions == 1


def test_rules_that_are_not_asked_are_said(artifacts: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = current(artifacts) / "features.json"
    suite = json.loads(path.read_text(encoding="utf-8"))
    kwargs = {"column": next(iter(ROW)), "min_value": 1}
    suite["expectations"].append({"type": "expect_column_unique_value_count_to_be_between", "kwargs": kwargs})
    path.write_text(json.dumps(suite), encoding="utf-8")
    with caplog.at_level(logging.WARNING):
        ModelManager(artifacts)
    assert f"{next(iter(ROW))}-unique_value_count_to_be_between" in caplog.text


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_asked_twice_it_stops_at_once(artifacts: Path, number: signal.Signals) -> None:
    manager = ModelManager(artifacts)
    server = GracefulServer(uvicorn.Config(lambda: None), manager, 60)

    async def send_signals() -> list[tuple[bool, bool]]:
        states = []
        with server.capture_signals():
            for _ in range(2):
                before = (manager.stopping, server.should_exit)
                os.kill(os.getpid(), number)
                async with asyncio.timeout(30):
                    while (manager.stopping, server.should_exit) == before:
                        await asyncio.sleep(0.001)
                states.append((manager.stopping, server.should_exit))
        return states

    assert asyncio.run(send_signals()) == [(True, False), (True, True)]


def test_it_ends_before_docker_kills_it(artifacts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    configs = []
    serving = read_server_config({"PORT": "0"})
    monkeypatch.setattr(GracefulServer, "run", lambda server, _sockets: configs.append(server.config))
    run(lambda: None, ModelManager(artifacts), serving)
    assert configs[0].timeout_graceful_shutdown + serving.api_drain_seconds < 10
    assert not configs[0].server_header


def test_a_port_that_is_taken_is_named(trained_project: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, pytest.raises(InputError, match="PORT"):
        serving = read_server_config({"PORT": str(listener.getsockname()[1])})
        run(FastAPI(), ModelManager(trained_project / "artifacts"), serving)


@pytest.fixture
def server(trained_project: Path, root: Path, tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A server in a process of its own, ready, and its port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shutil.copytree(trained_project / "artifacts", tmp_path / "artifacts")
    shutil.copytree(root / "conf", tmp_path / "conf")
    shutil.copy(root / "pyproject.toml", tmp_path)
    command = [sys.executable, "-m", "mlkeel", "--root", str(tmp_path), "serve"]
    variables = os.environ | {"PORT": str(port), "API_DRAIN_SECONDS": "0.5", "LOG_FORMAT": "json"}
    process = subprocess.Popen(command, env=variables, stdout=subprocess.PIPE, text=True)
    try:
        while status(port) != 200 and process.poll() is None:
            time.sleep(0.02)
        yield process, port
    finally:
        process.kill()
        process.wait()


def status(port: int, path: str = "/readyz") -> int:
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except ConnectionError:
        return 0
    finally:
        connection.close()


@pytest.mark.slow
def test_when_asked_to_stop_it_answers_what_is_in_flight_and_exits_with_zero(
    server: tuple[subprocess.Popen[str], int],
) -> None:
    process, port = server
    body = json.dumps(ROW).encode()
    in_flight = HTTPConnection("127.0.0.1", port, timeout=10)
    in_flight.putrequest("POST", "/predict")
    in_flight.putheader("Content-Type", "application/json")
    in_flight.putheader("Content-Length", str(len(body)))
    in_flight.endheaders(body[:5])
    assert status(port) == 200
    process.send_signal(signal.SIGTERM)
    statuses = []
    while (now := status(port)) != 0:
        statuses.append(now)
    assert 503 in statuses  # not ready is said before the door is shut
    in_flight.send(body[5:])
    assert in_flight.getresponse().status == 200
    assert process.wait(timeout=10) == 0
    records = [json.loads(line) for line in process.stdout or []]
    assert records[0]["message"].startswith("Model ")
