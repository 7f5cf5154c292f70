"""Count and time what is served, for Prometheus."""

import logging
import time
import uuid
from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, disable_created_metrics
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mlkeel.contract.request import Refusal
from mlkeel.serve.lifecycle import Lifecycle

logger = logging.getLogger(__name__)
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)
LONGEST_ID = 64


class Metrics:
    """The series of one server."""

    def __init__(self, lifecycle: Lifecycle) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        self.rows = Counter("api_predicted_rows", "Rows that were answered.", registry=self.registry)
        self._refused = Counter(
            "api_refusals",
            "Values that broke the contract, of which a request is told 100 at most.",
            ["column", "rule"],
            registry=self.registry,
        )
        self.seconds = Histogram(
            "api_request_seconds",
            "From a request to its answer.",
            ["path", "status"],
            buckets=SECONDS,
            registry=self.registry,
        )
        self.in_flight = Gauge("api_requests_in_flight", "Requests that wait for an answer.", registry=self.registry)
        self.registry.register(_Artifact(lifecycle))
        ProcessCollector(registry=self.registry)

    def refuse(self, refusals: list[Refusal]) -> None:
        """Count them by column and rule."""
        for refusal in refusals:
            self._refused.labels(refusal.column or "", refusal.rule).inc()


class _Artifact(Collector):
    """What the lifecycle knows, told when somebody asks."""

    def __init__(self, lifecycle: Lifecycle) -> None:
        self._lifecycle = lifecycle

    def collect(self) -> Iterator[Metric]:
        service = self._lifecycle.service
        model = GaugeMetricFamily("api_model", "The artifact that answers.", labels=["version", "contract"])
        model.add_metric([service.version, service.contract], 1)
        yield model
        yield CounterMetricFamily("api_model_takeovers", "Artifacts taken over.", value=self._lifecycle.taken_over)
        yield CounterMetricFamily("api_model_refusals", "Artifacts refused.", value=self._lifecycle.refused)
        yield GaugeMetricFamily("api_ready", "Whether requests are welcome.", value=not self._lifecycle.stopping)


class Measured:
    """Time the answers of `app`, and give each the id of its request."""

    def __init__(self, app: ASGIApp, metrics: Metrics, lifecycle: Lifecycle, paths: frozenset[str]) -> None:
        self._app = app
        self._metrics = metrics
        self._lifecycle = lifecycle
        self._paths = paths
        self._series: dict[tuple[str, int], Histogram] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status, request_id = time.perf_counter(), 0, _id(scope)
        scope["started"], scope["request_id"] = started, request_id.decode()

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [
                    *message["headers"],
                    (b"x-request-id", request_id),
                    (b"x-content-type-options", b"nosniff"),
                ]
                if self._lifecycle.stopping:
                    message["headers"].append((b"connection", b"close"))
            await send(message)

        self._metrics.in_flight.inc()
        try:
            await self._app(scope, receive, answer)
        except Exception:
            logger.exception("The request %s failed.", request_id.decode())
            if status:
                raise
            said = {"detail": f"A fault of the server. Its log says more about the request {request_id.decode()}."}
            await JSONResponse(said, 500)(scope, receive, answer)
        finally:
            self._metrics.in_flight.dec()
            self._series_of(scope["path"], status).observe(time.perf_counter() - started)

    def _series_of(self, path: str, status: int) -> Histogram:
        key = (path if path in self._paths else "other", status)
        if key not in self._series:
            self._series[key] = self._metrics.seconds.labels(*map(str, key))
        return self._series[key]


def _id(scope: Scope) -> bytes:
    """The id that a proxy gave the request, or a new one."""
    given: bytes = next((value for name, value in scope["headers"] if name == b"x-request-id"), b"")
    if given and len(given) <= LONGEST_ID and given.replace(b"-", b"").replace(b"_", b"").isalnum():
        return given
    return uuid.uuid4().hex.encode()
