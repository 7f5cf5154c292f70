"""The API: rows in, answers of the model in use out, and a page to try it.

A request needs neither pandas nor a training framework: its values are held against the contract, encoded with numpy
and answered by onnxruntime.
"""

import asyncio
import contextlib
import hmac
import os
import tomllib
from collections.abc import AsyncIterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml
from fastapi import FastAPI, HTTPException, Request, Response
from fastapi_offline import FastAPIOffline
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic_core import from_json, to_json
from starlette.requests import ClientDisconnect

from . import logs
from .description import RESPONSES, describe, page
from .lifecycle import Lifecycle, Service
from .metrics import Measured, Metrics
from .settings import InputError, Serving, read_serving
from .target import answered

CLOSE = {"connection": "close"}  # what is still on its way is not read
LARGE = 4096  # bytes of a request, from which on it is worked on beside the others and not before them


def build(root: Path, serving: Serving) -> tuple[FastAPI, Lifecycle]:
    """The application of the project in `root`, and what decides which artifact answers.

    Raises:
        InputError: there is no artifact in use, or it cannot be used.
    """
    lifecycle = Lifecycle(root / "artifacts")
    metrics, about = Metrics(lifecycle), _about(root)
    predictions = Predictions(lifecycle, metrics, serving)

    @contextlib.asynccontextmanager
    async def life(_app: FastAPI) -> AsyncIterator[None]:
        following = asyncio.create_task(lifecycle.follow(serving.api_poll_seconds))
        yield
        following.cancel()

    app = FastAPIOffline(title=about["name"], version=about["version"], lifespan=life)
    html, headers = page()

    @app.post("/predict", responses=RESPONSES, response_class=Response)
    async def predict(request: Request) -> Response:
        """Predict one row, or many in an array; the answers come in the same form and order."""
        return await predictions.answer(request)

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


class Predictions:
    """Answers requests for predictions, within limits that keep one client from stopping the others."""

    def __init__(self, lifecycle: Lifecycle, metrics: Metrics, serving: Serving) -> None:
        self._lifecycle = lifecycle
        self._metrics = metrics
        self._serving = serving
        self._keys = [key.encode() for key in serving.api_keys]
        self._at_once = 0

    async def answer(self, request: Request) -> Response:
        """Answer the rows of one request.

        Raises:
            HTTPException: its status and detail say why there is no answer.
        """
        self._admit(request)
        self._at_once += 1
        try:
            body, service = await self._body(request), self._lifecycle.service
            if len(body) < LARGE:
                content, rows = self._predicted(body, service)
            else:
                content, rows = await self._beside(body, service)
        finally:
            self._at_once -= 1
        self._metrics.rows.inc(rows)
        return Response(content, media_type="application/json", headers={"x-model-version": service.version})

    async def _beside(self, body: bytes, service: Service) -> tuple[bytes, int]:
        """Work in a thread, which counts as a request until it ends, also when nobody waits for it any more."""
        work = asyncio.ensure_future(asyncio.to_thread(self._predicted, body, service))
        try:
            return await asyncio.wait_for(asyncio.shield(work), self._serving.api_max_seconds)
        except TimeoutError:
            self._at_once += 1
            work.add_done_callback(self._end)
            raise HTTPException(504, f"This took longer than {self._serving.api_max_seconds:g} s. Send less.") from None

    def _end(self, work: asyncio.Future[tuple[bytes, int]]) -> None:
        self._at_once -= 1
        work.exception()  # whoever asked has had an answer, so nobody else looks

    def _admit(self, request: Request) -> None:
        given = request.headers.get("x-api-key", "").encode()
        if self._keys and not any([hmac.compare_digest(given, key) for key in self._keys]):  # noqa: C419 - all, so that time tells nothing
            raise HTTPException(401, "Send one of the keys of this API as X-API-Key.", {"www-authenticate": "ApiKey"})
        if self._at_once >= self._serving.api_max_requests:
            raise HTTPException(503, "Too many requests at once. Try again soon.", {"retry-after": "1"})
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            raise HTTPException(415, "Send JSON, with the content type application/json.")

    async def _body(self, request: Request) -> bytes:
        most, body = self._serving.api_max_bytes, b""
        announced = request.headers.get("content-length", "")
        try:
            if announced.isdecimal() and int(announced) > most:
                raise _too_large(most)
            async with asyncio.timeout(self._serving.api_max_seconds):
                async for chunk in request.stream():
                    body += chunk
                    if len(body) > most:
                        raise _too_large(most)
        except TimeoutError:
            said = f"It did not arrive within {self._serving.api_max_seconds:g} s."
            raise HTTPException(408, said, CLOSE) from None
        except ClientDisconnect:
            raise HTTPException(400, "The request ended before its body did.") from None
        return body

    def _predicted(self, body: bytes, service: Service) -> tuple[bytes, int]:
        """The answers, and for how many rows."""
        try:
            given = from_json(body, allow_inf_nan=False)
        except ValueError as error:
            raise HTTPException(400, f"This is not JSON: {error}.") from None
        rows = given if isinstance(given, list) else [given]
        if len(rows) > self._serving.api_max_rows:
            raise HTTPException(413, f"At most {self._serving.api_max_rows:,} rows in one request. Send several.")
        if refusals := service.rules.refusals(rows):
            self._metrics.refuse(refusals)
            raise HTTPException(422, [asdict(refusal) for refusal in refusals])
        found = service.predictor.predict(service.rules.by_column(rows))
        # Single precision holds seven digits; what double precision would add to them is noise.
        numbers = [[float(f"{number:.7g}") for number in row] for row in found.tolist()]
        answers = [answered(row, service.predictor.answers) for row in numbers]
        return to_json(answers if isinstance(given, list) else answers[0]), len(rows)


def _too_large(most: int) -> HTTPException:
    return HTTPException(413, f"At most {most:,} bytes in one request. Send several.", CLOSE)


def _about(root: Path) -> dict[str, str]:
    """Name and version of the project, the commit that an image was made of, and the template's version."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    answers = root / ".copier-answers.yml"
    made_of: dict[str, Any] = yaml.safe_load(answers.read_text(encoding="utf-8")) if answers.is_file() else {}
    return {
        "name": str(project["name"]),
        "version": str(project["version"]),
        "commit": os.environ.get("COMMIT", "unknown"),
        "template": str(made_of.get("_commit", "unknown")),
    }


def app() -> FastAPI:
    """The application of the project in this folder, for `uvicorn --factory --reload`."""
    try:
        logs.configure(Path())
        return build(Path(), read_serving(os.environ))[0]
    except InputError as error:
        raise SystemExit(str(error)) from None
