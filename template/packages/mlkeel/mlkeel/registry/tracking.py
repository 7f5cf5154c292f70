"""Log trainings to MLflow, if `tracking` in `conf/params.yaml` says so.

All that is logged is in the artifact as well, so MLflow is never needed: any problem with it is one warning, and the
training is valid all the same.
"""

import importlib
import json
import logging
import os
import re
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from mlkeel.config import Settings, Tracking

logger = logging.getLogger(__name__)
MAX_FILE_BYTES = 2**20
BATCH_SIZES = {"metrics": 1000, "params": 100, "tags": 100}  # entries that a server takes in one request
MAX_VALUE_CHARACTERS = 5000
SQLITE_PREFIX = "sqlite:///"
DEFAULT_PORTS = {"http": 80, "https": 443}
CONNECT_TIMEOUT_S = 3  # MLflow itself would try to connect for more than a minute
# A server that is down must not delay a training by minutes, and no telemetry is sent.
MLFLOW_ENVIRONMENT = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
}


def is_ready(tracking: Tracking) -> bool:
    """Return whether trainings are to be logged and can be; called before a training, so that a warning comes early."""
    if not tracking.mlflow:
        return False
    try:
        with _quiet_mlflow():
            importlib.import_module("mlflow")
    except ImportError as error:
        logger.warning(
            "This training will not be noted in MLflow, which is not here (%s). To get it: "
            "uv sync --inexact --group tracking",
            error,
        )
        return False
    except Exception as error:  # a broken MLflow may raise any exception
        logger.warning("This training will not be noted in MLflow, which does not work here (%s).", _summary(error))
        return False
    return True


def log_run(folder: Path, settings: Settings, root: Path, experiment: str) -> None:
    """Log the training of the version in `folder` to the `experiment`, or warn if that fails."""
    uri = _summary(settings.tracking.uri)
    logger.info("Noting it in MLflow at %s …", uri)
    try:
        _check_reachable(settings.tracking.uri)
        with _quiet_mlflow():
            _log_to_mlflow(folder, settings, root.resolve(), experiment)
    except Exception as error:  # a server may be down, full, too old, or deny access
        logger.warning("%s was not noted in MLflow at %s: %s", folder.name, uri, _summary(error))


def _log_to_mlflow(folder: Path, settings: Settings, root: Path, experiment_name: str) -> None:
    from mlflow import MlflowClient
    from mlflow.entities import Metric, Param, RunTag

    metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    client = MlflowClient(tracking_uri=_store_uri(settings.tracking.uri, root))
    experiment = client.get_experiment_by_name(experiment_name)
    location = (root / "mlruns").as_uri() if settings.tracking.uri.startswith(SQLITE_PREFIX) else None
    if experiment:
        experiment_id = experiment.experiment_id
    else:
        experiment_id = client.create_experiment(experiment_name, artifact_location=location)
    run_id = client.create_run(experiment_id, run_name=folder.name).info.run_id
    try:
        timestamp_ms = int((folder / "metrics.json").stat().st_mtime * 1000)
        entries_by_kind: dict[str, list[Any]] = {
            "params": [Param(key, value[:MAX_VALUE_CHARACTERS]) for key, value in _params(settings)],
            "metrics": [Metric(key, value, timestamp_ms, step) for key, value, step in _metrics(metrics)],
            "tags": [RunTag(key, value[:MAX_VALUE_CHARACTERS]) for key, value in _tags(metrics)],
        }
        for kind, entries in entries_by_kind.items():
            for start in range(0, len(entries), BATCH_SIZES[kind]):
                client.log_batch(run_id, **{kind: entries[start : start + BATCH_SIZES[kind]]})
        for path in sorted(folder.iterdir()):
            if path.stat().st_size <= MAX_FILE_BYTES:
                client.log_artifact(run_id, str(path))
    except BaseException:
        with suppress(Exception):
            client.set_terminated(run_id, "FAILED")
        raise
    client.set_terminated(run_id)


def _check_reachable(uri: str) -> None:
    """Check that the server at `uri` can be reached, if it is a server and not behind a proxy.

    Raises:
        OSError: it cannot.
    """
    url = urlsplit(uri)
    if url.scheme not in DEFAULT_PORTS or not url.hostname:
        return
    if url.scheme in getproxies() and not proxy_bypass(url.hostname):
        return
    socket.create_connection((url.hostname, url.port or DEFAULT_PORTS[url.scheme]), CONNECT_TIMEOUT_S).close()


def _store_uri(uri: str, root: Path) -> str:
    """Return the URI of the store; the path of an SQLite file is relative to `root`, not to the working directory."""
    path = uri.removeprefix(SQLITE_PREFIX)
    return f"{SQLITE_PREFIX}{root / path}" if uri.startswith(SQLITE_PREFIX) and path else uri


def _params(settings: Settings) -> Iterator[tuple[str, str]]:
    """Yield the settings by names such as model.learning_rate; the columns are in the artifact's contract."""
    yield from _flatten(
        settings.model_dump(
            mode="json", include={"seed", "data", "model", "gate", "decision", "calibration"}, exclude_none=True
        )
    )


def _flatten(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", str(value)


def _metrics(metrics: Mapping[str, Any]) -> Iterator[tuple[str, float, int]]:
    for step, loss in enumerate(metrics["losses"], 1):
        yield "validation_loss", loss, step
    for name, prefix in (("model", ""), ("baseline", "baseline_")):
        for key, value in metrics[name].items():
            if value is not None and key != "rows":
                yield prefix + key, value, 0
    for split, rows in metrics["rows"].items():
        yield f"rows_{split}", rows, 0


def _tags(metrics: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield "version", metrics["version"]
    yield "data_sha256", metrics["data"]["sha256"]
    yield "commit", metrics["commit"] or "unknown"
    yield "gate", "; ".join(metrics["failures"]) or "passed"
    if metrics.get("split"):
        yield "split", metrics["split"]["sentence"]


def _summary(message: Exception | str) -> str:
    """Return a message in one line, without the password that a URI in it may hold."""
    return re.sub(r"//[^/@ ]*@", "//", " ".join(str(message).split()))[:300] or type(message).__name__


@contextmanager
def _quiet_mlflow() -> Iterator[None]:
    """Limit the time-outs of MLflow and silence its logs: this module logs each problem once."""
    for name, value in MLFLOW_ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    loggers = [logging.getLogger(name) for name in ("mlflow", "alembic", "urllib3")]
    levels = [noisy.level for noisy in loggers]
    for noisy in loggers:
        noisy.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for noisy, level in zip(loggers, levels, strict=True):
            noisy.setLevel(level)
