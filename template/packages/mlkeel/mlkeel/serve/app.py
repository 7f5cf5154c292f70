"""The API: rows in, answers of the model in use out, what turned out to be true in, and a page to try it."""

import asyncio
import contextlib
import os
import tomllib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import yaml
from fastapi import FastAPI, HTTPException, Request, Response
from fastapi_offline import FastAPIOffline
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from mlkeel import logs
from mlkeel.config import Serving, read_serving
from mlkeel.errors import InputError
from mlkeel.registry.revision import revision
from mlkeel.serve.description import NOT_RECORDED, RESPONSES, describe, page
from mlkeel.serve.lifecycle import Lifecycle
from mlkeel.serve.metrics import Measured, Metrics
from mlkeel.serve.monitor_series import MonitorSeries
from mlkeel.serve.predictions import Predictions
from mlkeel.store.recorder import Recorder


def build(root: Path, serving: Serving) -> tuple[FastAPI, Lifecycle]:
    """The application of the project in `root`, and what decides which artifact answers.

    Raises:
        InputError: there is no artifact in use, or it cannot be used.
    """
    lifecycle = Lifecycle(root / "artifacts")
    metrics, about = Metrics(lifecycle), _about(root)
    recorder = None if serving.api_store == "off" else Recorder(serving, root)
    predictions = Predictions(lifecycle, metrics, serving, recorder)
    if recorder:
        metrics.registry.register(MonitorSeries(recorder))

    @contextlib.asynccontextmanager
    async def life(_app: FastAPI) -> AsyncIterator[None]:
        following = asyncio.create_task(lifecycle.follow(serving.api_poll_seconds))
        if recorder:
            recorder.start()
        yield
        following.cancel()
        if recorder:
            await asyncio.to_thread(recorder.close)

    app = FastAPIOffline(title=about["name"], version=about["version"], lifespan=life)
    html, headers = page()

    @app.post("/predict", responses=RESPONSES, response_class=Response)
    async def predict(request: Request) -> Response:
        """Predict one row, or many in an array; the answers come in the same form and order."""
        return await predictions.answer(request)

    @app.post("/feedback", responses=RESPONSES | {409: NOT_RECORDED}, response_class=Response, status_code=202)
    async def feedback(request: Request) -> Response:
        """Tell what turned out to be true of a row that was answered, or of many in an array."""
        return await predictions.learn(request)

    @app.get("/healthz")
    async def alive() -> dict[str, str]:
        """Whether the process answers at all."""
        return {"status": "alive"}

    @app.get("/readyz", responses={503: RESPONSES[503]})
    async def ready() -> dict[str, str]:
        """Whether requests are welcome: an artifact is loaded, has answered a row, and nobody asked to stop."""
        if lifecycle.stopping:
            raise HTTPException(503, "Stopping.")
        return {"status": "ready"}

    @app.get("/version")
    async def version() -> dict[str, str]:
        """Which code, template, artifact and contract answer."""
        return about | {"artifact": lifecycle.service.version, "contract": lifecycle.service.contract}

    @app.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
    async def figures() -> Response:
        """What Prometheus reads."""
        return Response(generate_latest(metrics.registry), headers={"content-type": CONTENT_TYPE_LATEST})

    @app.get("/", include_in_schema=False)
    async def try_it() -> Response:
        return Response(html, headers=headers)

    app.add_middleware(Measured, metrics, lifecycle, frozenset(getattr(route, "path", "") for route in app.routes))
    app.openapi = lambda: describe(app, lifecycle.service, serving)  # type: ignore[method-assign] # FastAPI's own way
    return app, lifecycle


def _about(root: Path) -> dict[str, str]:
    """Name and version of the project, the commit of its code or image, and the template's version."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    answers = root / ".copier-answers.yml"
    made_of: dict[str, Any] = yaml.safe_load(answers.read_text(encoding="utf-8")) if answers.is_file() else {}
    return {
        "name": str(project["name"]),
        "version": str(project["version"]),
        "commit": revision(root) or "unknown",
        "template": str(made_of.get("_commit", "unknown")),
    }


def app() -> FastAPI:
    """The application of the project in this folder, for `uvicorn --factory --reload`."""
    try:
        logs.configure(Path())
        return build(Path(), read_serving(os.environ))[0]
    except InputError as error:
        raise SystemExit(str(error)) from None
