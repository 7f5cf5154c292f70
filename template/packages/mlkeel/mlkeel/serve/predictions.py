"""Handle requests for predictions and feedback, and pass on what is to be recorded of them.

A request needs neither pandas nor a training framework: its rows are validated against the contract, and encoded and
predicted by onnxruntime.
"""

import asyncio
import hmac
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from typing import Any, NamedTuple, TypeVar

from fastapi import HTTPException, Request, Response
from pydantic_core import from_json, to_json
from starlette.requests import ClientDisconnect
from starlette.types import Scope

from mlkeel.config import ServerConfig
from mlkeel.contract.request import Violation
from mlkeel.inference.loaded_model import LoadedModel
from mlkeel.serve.metrics import Metrics
from mlkeel.serve.model_manager import ModelManager
from mlkeel.store.prediction_logger import PredictionLogger
from mlkeel.store.records import Entry

Result = TypeVar("Result")
CLOSE_CONNECTION = {"connection": "close"}  # the rest of the body is not read
RETRY_LATER = {"retry-after": "1"}  # seconds
THREAD_FROM_BYTES = 4096  # a body from this size on is handled in a thread, so that other requests do not wait


class Predicted(NamedTuple):
    """The response body to a request for predictions, and what is to be recorded of it."""

    content: bytes
    rows: int
    version: str
    entry: Entry | None


class _InvalidRowsError(Exception):
    def __init__(self, violations: list[Violation]) -> None:
        self.violations = violations


class Predictions:
    """Handles requests, within limits that keep one client from blocking the others."""

    def __init__(
        self,
        manager: ModelManager,
        metrics: Metrics,
        server_config: ServerConfig,
        prediction_logger: PredictionLogger | None = None,
    ) -> None:
        self._manager = manager
        self._metrics = metrics
        self._prediction_logger = prediction_logger
        self._server_config = server_config
        self._keys = [key.encode() for key in server_config.api_keys]
        self._in_flight = 0

    async def answer(self, request: Request) -> Response:
        """Predict the rows of one request.

        Raises:
            HTTPException: its status and detail say why there are no predictions.
        """
        try:
            predicted = await self._handle(request, self._predicted)
        except _InvalidRowsError as error:
            self._metrics.count_violations(error.violations)
            if self._prediction_logger:
                self._prediction_logger.enqueue_violations(request.scope["request_id"], error.violations)
            raise _unprocessable(error.violations) from None
        self._metrics.rows.inc(predicted.rows)
        if self._prediction_logger and predicted.entry:
            self._prediction_logger.enqueue_prediction(predicted.entry)
        headers = {"x-model-version": predicted.version}
        return Response(predicted.content, media_type="application/json", headers=headers)

    async def feedback(self, request: Request) -> Response:
        """Record the true targets of rows that were predicted earlier.

        Raises:
            HTTPException: its status and detail say why it is not recorded.
        """
        if self._prediction_logger is None:
            raise HTTPException(409, "API_STORE is off here, so no rows are recorded that this could be about.")
        try:
            entry = await self._handle(request, self._feedback_entry)
        except _InvalidRowsError as error:
            raise _unprocessable(error.violations) from None
        if not self._prediction_logger.add(entry):
            raise HTTPException(503, "The store is away, and there is no room to wait. Send it later.", RETRY_LATER)
        return Response(to_json({"queued": entry.rows}), 202, media_type="application/json")

    async def _handle(self, request: Request, compute: Callable[[bytes, LoadedModel, Scope], Result]) -> Result:
        """Read the body of a request and compute its result, in a thread if the body is large."""
        self._check_admissible(request)
        self._in_flight += 1
        try:
            body = await self._body(request)
            call = partial(compute, body, self._manager.model, request.scope)
            return call() if len(body) < THREAD_FROM_BYTES else await self._in_thread(call)
        finally:
            self._in_flight -= 1

    async def _in_thread(self, call: Callable[[], Result]) -> Result:
        """Call in a thread, which counts as a request in flight until it ends, even after the timeout."""
        future = asyncio.ensure_future(asyncio.to_thread(call))
        limit_s = self._server_config.api_max_seconds
        try:
            return await asyncio.wait_for(asyncio.shield(future), limit_s)
        except TimeoutError:
            self._in_flight += 1
            future.add_done_callback(self._on_late_end)
            raise HTTPException(504, f"This took longer than {limit_s:g} s. Send less.") from None

    def _on_late_end(self, future: asyncio.Future[Any]) -> None:
        self._in_flight -= 1
        future.exception()  # the client has its response; asyncio would log an exception that nobody retrieves

    def _check_admissible(self, request: Request) -> None:
        sent_key = request.headers.get("x-api-key", "").encode()
        if self._keys and not any([hmac.compare_digest(sent_key, key) for key in self._keys]):  # noqa: C419 - all, for constant time
            raise HTTPException(401, "Send one of the keys of this API as X-API-Key.", {"www-authenticate": "ApiKey"})
        if self._in_flight >= self._server_config.api_max_requests:
            raise HTTPException(503, "Too many requests at once. Try again soon.", RETRY_LATER)
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            raise HTTPException(415, "Send JSON, with the content type application/json.")

    async def _body(self, request: Request) -> bytes:
        max_bytes = self._server_config.api_max_bytes
        limit_s = self._server_config.api_max_seconds
        body = b""
        content_length = request.headers.get("content-length", "")
        try:
            if content_length.isdecimal() and int(content_length) > max_bytes:
                raise _too_large(max_bytes)
            async with asyncio.timeout(limit_s):
                async for chunk in request.stream():
                    body += chunk
                    if len(body) > max_bytes:
                        raise _too_large(max_bytes)
        except TimeoutError:
            raise HTTPException(408, f"It did not arrive within {limit_s:g} s.", CLOSE_CONNECTION) from None
        except ClientDisconnect:
            raise HTTPException(400, "The request ended before its body did.") from None
        return body

    def _rows(self, body: bytes) -> tuple[list[Any], bool]:
        """Return the rows of a request, and whether they came as an array."""
        try:
            content = from_json(body, allow_inf_nan=False)
        except ValueError as error:
            raise HTTPException(400, f"This is not JSON: {error}.") from None
        is_array = isinstance(content, list)
        rows = content if is_array else [content]
        max_rows = self._server_config.api_max_rows
        if len(rows) > max_rows:
            raise HTTPException(413, f"At most {max_rows:,} rows in one request. Send several.")
        return rows, is_array

    def _predicted(self, body: bytes, model: LoadedModel, scope: Scope) -> Predicted:
        rows, is_array = self._rows(body)
        if violations := model.validator.violations(rows):
            raise _InvalidRowsError(violations)
        outputs, violations = model.predict(rows)
        if violations:
            raise _InvalidRowsError(violations)
        # Single precision holds seven digits; what double precision would add to them is noise.
        rounded = [[float(f"{value:.7g}") for value in row] for row in outputs.tolist()]
        documents = [to_json(prediction) for prediction in model.predictor.to_json(rounded)]
        content = b"[%s]" % b",".join(documents) if is_array else documents[0]
        entry = None
        if self._prediction_logger:
            entry = self._prediction_logger.records.prediction_entry(
                model, rows, documents, scope["request_id"], scope["started"]
            )
        return Predicted(content, len(rows), model.version, entry)

    def _feedback_entry(self, body: bytes, model: LoadedModel, _scope: Scope) -> Entry:
        rows, _ = self._rows(body)
        if violations := model.feedback.violations(rows):
            raise _InvalidRowsError(violations)
        return self._prediction_logger.records.feedback_entry(model.feedback.read(rows))  # type: ignore[union-attr] # `feedback` has checked


def _unprocessable(violations: list[Violation]) -> HTTPException:
    return HTTPException(422, [asdict(violation) for violation in violations])


def _too_large(max_bytes: int) -> HTTPException:
    return HTTPException(413, f"At most {max_bytes:,} bytes in one request. Send several.", CLOSE_CONNECTION)
