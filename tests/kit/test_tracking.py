import json
import logging
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import yaml
from mlkeel.config import Settings, Tracking, read_settings
from mlkeel.registry import tracking
from mlkeel.registry.artifact import FILES, current
from mlkeel.training.training import train

from .kinds import KIND

LOSS = "log_loss" if KIND.classification else "mae"


class Server:
    """What a stand-in for MLflow has logged."""

    def __init__(self) -> None:
        self.uri = ""
        self.experiment: tuple[str, str | None] = ("", None)
        self.logged: dict[str, list[tuple[Any, ...]]] = {"metrics": [], "params": [], "tags": []}
        self.files: list[str] = []
        self.ended: list[str] = []
        self.largest = 0


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    """A module that stands where MLflow would be."""
    mlflow = Server()

    class Client:
        def __init__(self, tracking_uri: str) -> None:
            mlflow.uri = tracking_uri

        def get_experiment_by_name(self, _: str) -> None:
            return None

        def create_experiment(self, name: str, artifact_location: str | None) -> str:
            mlflow.experiment = (name, artifact_location)
            return "1"

        def create_run(self, _: str, run_name: str) -> SimpleNamespace:
            return SimpleNamespace(info=SimpleNamespace(run_id=run_name))

        def log_batch(self, _: str, **entries: list[tuple[Any, ...]]) -> None:
            for kind, batch in entries.items():
                mlflow.logged[kind] += batch
                mlflow.largest = max(mlflow.largest, len(batch))

        def log_artifact(self, _: str, path: str) -> None:
            mlflow.files.append(Path(path).name)

        def set_terminated(self, _: str, status: str = "FINISHED") -> None:
            mlflow.ended.append(status)

    def entity(*values: object) -> tuple[object, ...]:
        return values

    monkeypatch.setitem(sys.modules, "mlflow", module("mlflow", MlflowClient=Client))
    entities = module("mlflow.entities", Metric=entity, Param=entity, RunTag=entity)
    monkeypatch.setitem(sys.modules, "mlflow.entities", entities)
    return mlflow


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Where something takes connections."""
    monkeypatch.setenv("no_proxy", "*")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def module(name: str, **content: object) -> ModuleType:
    stand_in = ModuleType(name)
    vars(stand_in).update(content)
    return stand_in


@pytest.fixture
def log_training(trained_project: Path, tmp_path: Path) -> Callable[..., Path]:
    """Note the training of the made-up project."""

    def log(uri: str = "sqlite:///mlflow.db", **changed: object) -> Path:
        settings = settings_of(trained_project, uri)
        folder = current(trained_project / "artifacts")
        if changed:
            metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
            copy = tmp_path / "artifacts" / folder.name
            copy.mkdir(parents=True)
            for name in FILES:
                (copy / name).write_bytes((folder / name).read_bytes())
            (copy / "metrics.json").write_text(json.dumps(metrics | changed), encoding="utf-8")
            folder = copy
        tracking.log_run(folder, settings, tmp_path, KIND.project.package)
        return folder

    return log


def settings_of(project: Path, uri: str) -> Settings:
    settings = read_settings(project / "conf" / "params.yaml")
    return settings.model_copy(update={"tracking": Tracking(mlflow=True, uri=uri)})


def test_a_training_is_noted_with_all_that_tells_it_from_another(
    log_training: Callable[..., Path], server: Server
) -> None:
    folder = log_training()
    metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    losses = [(value, step) for name, value, _, step in server.logged["metrics"] if name == "validation_loss"]
    assert losses == [(loss, step) for step, loss in enumerate(metrics["losses"], 1)]
    scores = {name: value for name, value, _, step in server.logged["metrics"] if step == 0}
    assert scores[LOSS] == metrics["model"][LOSS]
    assert scores[f"baseline_{LOSS}"] == metrics["baseline"][LOSS]
    params = dict(server.logged["params"])
    assert (params["data.path"], params["gate.max_regression"]) == ("data/fruit.csv", "0.02")
    assert "model.learning_rate" in params
    tags = dict(server.logged["tags"])
    assert (tags["version"], tags["gate"]) == (folder.name, "passed")
    assert tags["data_sha256"] == metrics["data"]["sha256"]
    assert "commit" in tags
    assert set(FILES) - {"model.onnx"} <= set(server.files)
    assert server.ended == ["FINISHED"]


def test_what_kept_a_version_from_becoming_current_is_noted(log_training: Callable[..., Path], server: Server) -> None:
    log_training(failures=["it is too red", "it is late"], commit="0123abc-dirty")
    tags = dict(server.logged["tags"])
    assert (tags["gate"], tags["commit"]) == ("it is too red; it is late", "0123abc-dirty")


def test_many_losses_are_told_in_parts(log_training: Callable[..., Path], server: Server) -> None:
    log_training(losses=[0.5] * 2500)
    assert server.largest == 1000
    assert len([name for name, *_ in server.logged["metrics"] if name == "validation_loss"]) == 2500


def test_a_score_that_cannot_be_told_and_a_large_file_are_left_out(
    log_training: Callable[..., Path], server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracking, "MAX_FILE_BYTES", 100)
    log_training(model={"rows": 3, "one": None, "other": 0.5})
    assert {"one", "rows", "other"} & {name for name, *_ in server.logged["metrics"]} == {"other"}
    assert "metrics.json" not in server.files


@pytest.mark.parametrize(
    ("uri", "place", "files"),
    [
        ("sqlite:///mlflow.db", "sqlite:///{root}/mlflow.db", "file://{root}/mlruns"),
        ("sqlite:////srv/all.db", "sqlite:////srv/all.db", "file://{root}/mlruns"),
        ("http://127.0.0.1:{port}", "http://127.0.0.1:{port}", None),
    ],
)
def test_a_file_of_the_store_lies_in_the_project_and_a_server_keeps_its_own(
    log_training: Callable[..., Path],
    server: Server,
    port: int,
    tmp_path: Path,
    uri: str,
    place: str,
    files: str | None,
) -> None:
    log_training(uri.format(port=port))
    assert server.uri == place.format(root=tmp_path, port=port)
    assert server.experiment == ("orchard", files and files.format(root=tmp_path))


def test_a_failure_is_one_warning(
    log_training: Callable[..., Path],
    server: Server,
    port: int,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(*_: object, **__: object) -> None:
        logging.getLogger("urllib3.connectionpool").warning("Retrying")
        raise OSError("the server is\naway: http://token@127.0.0.1:5000/api")

    monkeypatch.setattr(sys.modules["mlflow"].MlflowClient, "log_batch", fail)
    log_training(f"http://token@127.0.0.1:{port}")
    (record,) = [record for record in caplog.records if record.levelname != "INFO"]
    assert record.levelname == "WARNING"
    message = f"was not noted in MLflow at http://127.0.0.1:{port}: the server is away: http://127.0.0.1:5000/api"
    assert record.getMessage().endswith(message)
    assert server.ended == ["FAILED"]


def test_a_server_that_is_away_is_told_before_mlflow_tries(
    log_training: Callable[..., Path], server: Server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("no_proxy", "*")
    with socket.socket() as bound, caplog.at_level("INFO"):
        bound.bind(("127.0.0.1", 0))  # and does not listen
        log_training(uri := f"http://127.0.0.1:{bound.getsockname()[1]}")
    assert server.uri == ""
    first, second = [record.getMessage() for record in caplog.records]
    assert first == f"Noting it in MLflow at {uri} …"
    assert f"was not noted in MLflow at {uri}: " in second


def test_without_mlflow_it_is_said_before_the_training_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "mlflow", None)
    assert not tracking.is_ready(Tracking())
    assert caplog.records == []
    assert not tracking.is_ready(Tracking(mlflow=True))
    (record,) = caplog.records
    assert "uv sync --inexact --group tracking" in record.getMessage()


def test_a_training_is_noted_if_the_settings_say_so(project: Path, server: Server) -> None:
    path = project / "conf" / "params.yaml"
    values = yaml.safe_load(path.read_text(encoding="utf-8")) | {"tracking": {"mlflow": True}}
    path.write_text(yaml.safe_dump(values), encoding="utf-8")
    train(KIND.project, project)
    assert server.ended == ["FINISHED"]
