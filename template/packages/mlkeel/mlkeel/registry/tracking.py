"""Note trainings in MLflow, if `tracking` in `conf/params.yaml` asks for it.

Everything that is noted stands in the artifact as well, so MLflow is never needed: whatever is wrong with it is one
warning, and the training counts all the same.
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
from mlkeel.registry.artifact import FILES

logger = logging.getLogger(__name__)
SMALL = 2**20  # bytes of a file, at most, to be noted
AT_ONCE = {"metrics": 1000, "params": 100, "tags": 100}  # what a server takes in one request
LONGEST = 5000  # signs of a value
SQLITE = "sqlite:///"
PORTS = {"http": 80, "https": 443}
PATIENCE = 3  # seconds for a server to take a connection; MLflow itself would try for more than a minute
# A server that is away shall not hold up a training for minutes, and nothing is told to anybody else.
MANNERS = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
}


def is_ready(tracking: Tracking) -> bool:
    """Whether trainings are to be noted, and can be; asked before a training, so that nobody learns it only after."""
    if not tracking.mlflow:
        return False
    try:
        with _quietly():
            importlib.import_module("mlflow")
    except ImportError as error:
        logger.warning(
            "This training will not be noted in MLflow, which is not here (%s). To get it: "
            "uv sync --inexact --group tracking",
            error,
        )
        return False
    except Exception as error:  # an MLflow that is broken may break in any way
        logger.warning("This training will not be noted in MLflow, which does not work here (%s).", _brief(error))
        return False
    return True


def note(folder: Path, settings: Settings, root: Path, experiment: str) -> None:
    """Note the training that left the artifact in `folder` under the name of an `experiment`."""
    where = _brief(settings.tracking.uri)
    logger.info("Noting it in MLflow at %s …", where)
    try:
        _refuse_what_is_away(settings.tracking.uri)
        with _quietly():
            _note(folder, settings, root.resolve(), experiment)
    except Exception as error:  # a server may be away, full, too old, or refuse us
        logger.warning("%s was not noted in MLflow at %s: %s", folder.name, where, _brief(error))


def _note(folder: Path, settings: Settings, root: Path, name: str) -> None:
    from mlflow import MlflowClient
    from mlflow.entities import Metric, Param, RunTag

    metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    client = MlflowClient(tracking_uri=_place(settings.tracking.uri, root))
    known = client.get_experiment_by_name(name)
    local = (root / "mlruns").as_uri() if settings.tracking.uri.startswith(SQLITE) else None
    number = known.experiment_id if known else client.create_experiment(name, artifact_location=local)
    run = client.create_run(number, run_name=folder.name).info.run_id
    try:
        when = int((folder / "metrics.json").stat().st_mtime * 1000)
        found: dict[str, list[Any]] = {
            "params": [Param(key, value[:LONGEST]) for key, value in _params(settings)],
            "metrics": [Metric(key, value, when, step) for key, value, step in _metrics(metrics)],
            "tags": [RunTag(key, value[:LONGEST]) for key, value in _tags(metrics)],
        }
        for kind, entries in found.items():
            for start in range(0, len(entries), AT_ONCE[kind]):
                client.log_batch(run, **{kind: entries[start : start + AT_ONCE[kind]]})
        for file in FILES:
            if (folder / file).stat().st_size <= SMALL:
                client.log_artifact(run, str(folder / file))
    except BaseException:
        with suppress(Exception):
            client.set_terminated(run, "FAILED")
        raise
    client.set_terminated(run)


def _refuse_what_is_away(uri: str) -> None:
    """Try whether the server at `uri` can be reached, if it is one and no proxy stands before it.

    Raises:
        OSError: it cannot.
    """
    asked = urlsplit(uri)
    if asked.scheme not in PORTS or not asked.hostname:
        return
    if asked.scheme in getproxies() and not proxy_bypass(asked.hostname):
        return
    socket.create_connection((asked.hostname, asked.port or PORTS[asked.scheme]), PATIENCE).close()


def _place(uri: str, root: Path) -> str:
    """The address of the store; a file of SQLite lies in the project `root`, wherever the command was typed."""
    path = uri.removeprefix(SQLITE)
    return f"{SQLITE}{root / path}" if uri.startswith(SQLITE) and path else uri


def _params(settings: Settings) -> Iterator[tuple[str, str]]:
    """What was set, by names such as model.learning_rate; the columns are in the artifact's contract."""
    yield from _flat(settings.model_dump(mode="json", include={"seed", "data", "model", "gate"}))


def _flat(values: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{before}{name}.")
        else:
            yield f"{before}{name}", str(value)


def _metrics(metrics: Mapping[str, Any]) -> Iterator[tuple[str, float, int]]:
    for step, loss in enumerate(metrics["losses"], 1):
        yield "validation_loss", loss, step
    for name, before in (("model", ""), ("baseline", "baseline_")):
        for key, value in metrics[name].items():
            if value is not None and key != "rows":
                yield before + key, value, 0
    for part, rows in metrics["rows"].items():
        yield f"rows_{part}", rows, 0


def _tags(metrics: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield "version", metrics["version"]
    yield "data_sha256", metrics["data"]["sha256"]
    yield "commit", metrics["commit"] or "unknown"
    yield "gate", "; ".join(metrics["shortcomings"]) or "passed"


def _brief(said: Exception | str) -> str:
    """A line without the password that an address may hold."""
    return re.sub(r"//[^/@ ]*@", "//", " ".join(str(said).split()))[:300] or type(said).__name__


@contextmanager
def _quietly() -> Iterator[None]:
    """Let MLflow neither wait nor talk: what there is to say is said here, once."""
    for name, value in MANNERS.items():
        os.environ.setdefault(name, value)
    loggers = [logging.getLogger(name) for name in ("mlflow", "alembic", "urllib3")]
    levels = [one.level for one in loggers]
    for one in loggers:
        one.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for one, level in zip(loggers, levels, strict=True):
            one.setLevel(level)
