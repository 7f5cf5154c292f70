"""Answer requests, and hand on what is to be recorded of them.

A request needs neither pandas nor a training framework: its values are held against the contract, encoded with numpy
and answered by onnxruntime.
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

from mlkeel.config import Serving
from mlkeel.contract.request import Refusal
from mlkeel.inference.service import Service
from mlkeel.serve.lifecycle import Lifecycle
from mlkeel.serve.metrics import Metrics
from mlkeel.store.recorder import Recorder
from mlkeel.store.records import Entry

Done = TypeVar("Done")
CLOSE = {"connection": "close"}  # what is still on its way is not read
LATER = {"retry-after": "1"}
LARGE = 4096  # bytes of a request, from which on it is worked on beside the others and not before them


class Predicted(NamedTuple):
    """The answer to a request, and what is to be recorded of it."""

    content: bytes
    rows: int
    version: str
    entry: Entry | None


class _RefusedError(Exception):
    def __init__(self, refusals: list[Refusal]) -> None:
        self.refusals = refusals


class Predictions:
    """Answers requests for predictions, within limits that keep one client from stopping the others."""

    def __init__(
        self, lifecycle: Lifecycle, metrics: Metrics, serving: Serving, recorder: Recorder | None = None
    ) -> None:
        self._lifecycle = lifecycle
        self._metrics = metrics
        self._recorder = recorder
        self._serving = serving
        self._keys = [key.encode() for key in serving.api_keys]
        self._at_once = 0

    async def answer(self, request: Request) -> Response:
        """Answer the rows of one request.

        Raises:
            HTTPException: its status and detail say why there is no answer.
        """
        try:
            done = await self._done(request, self._predicted)
        except _RefusedError as error:
            self._metrics.refuse(error.refusals)
            if self._recorder:
                self._recorder.refused(request.scope["request_id"], error.refusals)
            raise _unfit(error.refusals) from None
        self._metrics.rows.inc(done.rows)
        if self._recorder and done.entry:
            self._recorder.answered(done.entry)
        return Response(done.content, media_type="application/json", headers={"x-model-version": done.version})

    async def learn(self, request: Request) -> Response:
        """Record what turned out to be true of rows that were answered.

        Raises:
            HTTPException: its status and detail say why it is not recorded.
        """
        if self._recorder is None:
            raise HTTPException(409, "API_STORE is off here, so no rows are recorded that this could be about.")
        try:
            entry = await self._done(request, self._learnt)
        except _RefusedError as error:
            raise _unfit(error.refusals) from None
        if not self._recorder.add(entry):
            raise HTTPException(503, "The store is away, and there is no room to wait. Send it later.", LATER)
        return Response(to_json({"queued": entry.rows}), 202, media_type="application/json")

    async def _done(self, request: Request, work: Callable[[bytes, Service, Scope], Done]) -> Done:
        """Read a request and work on it, beside the others if it is large."""
        self._admit(request)
        self._at_once += 1
        try:
            body = await self._body(request)
            asked = partial(work, body, self._lifecycle.service, request.scope)
            return asked() if len(body) < LARGE else await self._beside(asked)
        finally:
            self._at_once -= 1

    async def _beside(self, asked: Callable[[], Done]) -> Done:
        """Work in a thread, which counts as a request until it ends, also when nobody waits for it any more."""
        work = asyncio.ensure_future(asyncio.to_thread(asked))
        try:
            return await asyncio.wait_for(asyncio.shield(work), self._serving.api_max_seconds)
        except TimeoutError:
            self._at_once += 1
            work.add_done_callback(self._end)
            raise HTTPException(504, f"This took longer than {self._serving.api_max_seconds:g} s. Send less.") from None

    def _end(self, work: asyncio.Future[Any]) -> None:
        self._at_once -= 1
        work.exception()  # whoever asked has had an answer, so nobody else looks

    def _admit(self, request: Request) -> None:
        given = request.headers.get("x-api-key", "").encode()
        if self._keys and not any([hmac.compare_digest(given, key) for key in self._keys]):  # noqa: C419 - all, so that time tells nothing
            raise HTTPException(401, "Send one of the keys of this API as X-API-Key.", {"www-authenticate": "ApiKey"})
        if self._at_once >= self._serving.api_max_requests:
            raise HTTPException(503, "Too many requests at once. Try again soon.", LATER)
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

    def _rows(self, body: bytes) -> tuple[list[Any], bool]:
        """The rows of a request, and whether they came as an array."""
        try:
            given = from_json(body, allow_inf_nan=False)
        except ValueError as error:
            raise HTTPException(400, f"This is not JSON: {error}.") from None
        rows = given if isinstance(given, list) else [given]
        if len(rows) > self._serving.api_max_rows:
            raise HTTPException(413, f"At most {self._serving.api_max_rows:,} rows in one request. Send several.")
        return rows, isinstance(given, list)

    def _predicted(self, body: bytes, service: Service, scope: Scope) -> Predicted:
        rows, several = self._rows(body)
        if refusals := service.rules.refusals(rows):
            raise _RefusedError(refusals)
        found = service.predictor.predict(service.rules.by_column(rows))
        # Single precision holds seven digits; what double precision would add to them is noise.
        numbers = [[float(f"{number:.7g}") for number in row] for row in found.tolist()]
        predictor = service.predictor
        answers = [to_json(predictor.kind.answered(row, predictor.answers)) for row in numbers]
        content, entry = b"[%s]" % b",".join(answers) if several else answers[0], None
        if self._recorder:
            entry = self._recorder.records.answered(service, rows, answers, scope["request_id"], scope["started"])
        return Predicted(content, len(rows), service.version, entry)

    def _learnt(self, body: bytes, service: Service, _scope: Scope) -> Entry:
        told, _ = self._rows(body)
        if refusals := service.truths.refusals(told):
            raise _RefusedError(refusals)
        return self._recorder.records.learnt(service.truths.read(told))  # type: ignore[union-attr] # `learn` has looked


def _unfit(refusals: list[Refusal]) -> HTTPException:
    return HTTPException(422, [asdict(refusal) for refusal in refusals])


def _too_large(most: int) -> HTTPException:
    return HTTPException(413, f"At most {most:,} bytes in one request. Send several.", CLOSE)
