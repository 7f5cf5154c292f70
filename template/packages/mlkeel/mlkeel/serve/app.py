"""The HTTP API: predictions of the current version, feedback about them, health checks, metrics, a page to try it."""

import asyncio
import contextlib
import os
import tomllib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import yaml
from fastapi import FastAPI, HTTPException, Request, Response
from fastapi_offline import FastAPIOffline
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from mlkeel import logs
from mlkeel.config import ServerConfig, read_server_config
from mlkeel.errors import InputError
from mlkeel.registry.revision import revision
from mlkeel.serve.description import NOT_RECORDED, RESPONSES, describe, page
from mlkeel.serve.metrics import Metrics, MetricsMiddleware
from mlkeel.serve.model_manager import ModelManager
from mlkeel.serve.monitor_series import MonitorSeries
from mlkeel.serve.predictions import Predictions
from mlkeel.store.prediction_logger import PredictionLogger


def build(root: Path, server_config: ServerConfig) -> tuple[FastAPI, ModelManager]:
    """Build the application of the project in `root`, and the manager of the version that it serves.

    Raises:
        InputError: there is no current version, or it cannot be loaded.
    """
    manager = ModelManager(root / "artifacts")
    metrics = Metrics(manager)
    project_info = _project_info(root)
    prediction_logger = None if server_config.api_store == "off" else PredictionLogger(server_config, root)
    predictions = Predictions(manager, metrics, server_config, prediction_logger)
    if prediction_logger:
        metrics.registry.register(MonitorSeries(prediction_logger))

    lifespan = _lifespan(manager, server_config, prediction_logger)
    app = FastAPIOffline(title=project_info["name"], version=project_info["version"], lifespan=lifespan)
    _add_routes(app, manager, metrics, predictions, project_info)
    paths = frozenset(getattr(route, "path", "") for route in app.routes)
    app.add_middleware(MetricsMiddleware, metrics, manager, paths)
    app.openapi = lambda: describe(app, manager.model, server_config)  # type: ignore[method-assign] # as in FastAPI's docs
    return app, manager


def _lifespan(
    manager: ModelManager, server_config: ServerConfig, prediction_logger: PredictionLogger | None
) -> Callable[[FastAPI], contextlib.AbstractAsyncContextManager[None]]:
    """Return what runs beside the requests: the watch over the current version, and the prediction logger."""

    @contextlib.asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        watch_task = asyncio.create_task(manager.watch(server_config.api_poll_seconds))
        if prediction_logger:
            prediction_logger.start()
        yield
        watch_task.cancel()
        if prediction_logger:
            await asyncio.to_thread(prediction_logger.close)

    return lifespan


def _add_routes(
    app: FastAPI, manager: ModelManager, metrics: Metrics, predictions: Predictions, project_info: dict[str, str]
) -> None:
    """Add the paths of the API."""
    html, headers = page()

    @app.post("/predict", responses=RESPONSES, response_class=Response)
    async def predict(request: Request) -> Response:
        """Predict one row, or many in an array; the answers come in the same form and order."""
        return await predictions.answer(request)

    @app.post("/feedback", responses=RESPONSES | {409: NOT_RECORDED}, response_class=Response, status_code=202)
    async def feedback(request: Request) -> Response:
        """Tell what turned out to be true of a row that was answered, or of many in an array."""
        return await predictions.feedback(request)

    @app.get("/healthz")
    async def alive() -> dict[str, str]:
        """Whether the process answers at all."""
        return {"status": "alive"}

    @app.get("/readyz", responses={503: RESPONSES[503]})
    async def ready() -> dict[str, str]:
        """Whether requests are welcome: an artifact is loaded, has answered a row, and nobody asked to stop."""
        if manager.stopping:
            raise HTTPException(503, "Stopping.")
        return {"status": "ready"}

    @app.get("/version")
    async def version() -> dict[str, str]:
        """Which code, template, artifact and contract answer, and by which split the artifact was evaluated."""
        model = manager.model
        split = model.split.sentence if model.split else "unknown"
        return project_info | {"artifact": model.version, "contract": model.contract, "split": split}

    @app.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
    async def figures() -> Response:
        """What Prometheus reads."""
        return Response(generate_latest(metrics.registry), headers={"content-type": CONTENT_TYPE_LATEST})

    @app.get("/", include_in_schema=False)
    async def index() -> Response:
        return Response(html, headers=headers)


def _project_info(root: Path) -> dict[str, str]:
    """Return name and version of the project, the commit of its code or image, and the version of the template."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    path = root / ".copier-answers.yml"
    answers: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return {
        "name": str(project["name"]),
        "version": str(project["version"]),
        "commit": revision(root) or "unknown",
        "template": str(answers.get("_commit", "unknown")),
    }


def app() -> FastAPI:
    """Build the application of the project in this folder, for `uvicorn --factory --reload`."""
    try:
        logs.configure(Path())
        return build(Path(), read_server_config(os.environ))[0]
    except InputError as error:
        raise SystemExit(str(error)) from None
