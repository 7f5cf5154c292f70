"""Count and time requests, for Prometheus."""

import logging
import time
import uuid
from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, disable_created_metrics
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mlkeel.contract.request import Violation
from mlkeel.serve.model_manager import ModelManager

logger = logging.getLogger(__name__)
BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)
MAX_ID_CHARACTERS = 64


class Metrics:
    """The metrics of one server."""

    def __init__(self, manager: ModelManager) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        self.rows = Counter("api_predicted_rows", "Rows that were answered.", registry=self.registry)
        self._violations = Counter(
            "api_violations",
            "Values that broke the contract, of which a request is told 100 at most.",
            ["column", "rule"],
            registry=self.registry,
        )
        self.seconds = Histogram(
            "api_request_seconds",
            "From a request to its answer.",
            ["path", "status"],
            buckets=BUCKETS_S,
            registry=self.registry,
        )
        self.in_flight = Gauge("api_requests_in_flight", "Requests that wait for an answer.", registry=self.registry)
        self.registry.register(_ModelCollector(manager))
        ProcessCollector(registry=self.registry)

    def count_violations(self, violations: list[Violation]) -> None:
        """Count `violations` by column and rule."""
        for violation in violations:
            self._violations.labels(violation.column or "", violation.rule).inc()


class _ModelCollector(Collector):
    """Reads the state of the model manager at each scrape."""

    def __init__(self, manager: ModelManager) -> None:
        self._manager = manager

    def collect(self) -> Iterator[Metric]:
        model = self._manager.model
        gauge = GaugeMetricFamily("api_model", "The artifact that answers.", labels=["version", "contract"])
        gauge.add_metric([model.version, model.contract], 1)
        yield gauge
        yield CounterMetricFamily("api_model_takeovers", "Artifacts taken over.", value=self._manager.reloads)
        yield CounterMetricFamily(
            "api_rejected_versions", "Versions that were rejected.", value=self._manager.rejected_versions
        )
        yield GaugeMetricFamily("api_ready", "Whether requests are welcome.", value=not self._manager.stopping)


class MetricsMiddleware:
    """Times the responses of `app`, and adds the id of the request to each."""

    def __init__(self, app: ASGIApp, metrics: Metrics, manager: ModelManager, paths: frozenset[str]) -> None:
        self._app = app
        self._metrics = metrics
        self._manager = manager
        self._paths = paths
        self._series: dict[tuple[str, int], Histogram] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        status = 0
        request_id = _request_id(scope)
        scope["started"] = started
        scope["request_id"] = request_id.decode()

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [
                    *message["headers"],
                    (b"x-request-id", request_id),
                    (b"x-content-type-options", b"nosniff"),
                ]
                if self._manager.stopping:
                    message["headers"].append((b"connection", b"close"))
            await send(message)

        self._metrics.in_flight.inc()
        try:
            await self._app(scope, receive, send_with_headers)
        except Exception:
            logger.exception("The request %s failed.", request_id.decode())
            if status:
                raise
            problem = {"detail": f"A fault of the server. Its log says more about the request {request_id.decode()}."}
            await JSONResponse(problem, 500)(scope, receive, send_with_headers)
        finally:
            self._metrics.in_flight.dec()
            self._series_of(scope["path"], status).observe(time.perf_counter() - started)

    def _series_of(self, path: str, status: int) -> Histogram:
        key = (path if path in self._paths else "other", status)
        if key not in self._series:
            self._series[key] = self._metrics.seconds.labels(*map(str, key))
        return self._series[key]


def _request_id(scope: Scope) -> bytes:
    """Return the id that a proxy gave the request, or a new one."""
    request_id: bytes = next((value for name, value in scope["headers"] if name == b"x-request-id"), b"")
    is_short = 0 < len(request_id) <= MAX_ID_CHARACTERS
    if is_short and request_id.replace(b"-", b"").replace(b"_", b"").isalnum():
        return request_id
    return uuid.uuid4().hex.encode()
