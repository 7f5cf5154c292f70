"""Put an artifact to service, take its successor over while requests go on, and stop without dropping one."""

import asyncio
import contextlib
import gc
import logging
import signal
import socket
from collections.abc import Iterator
from math import ceil
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp

from mlkeel.config import Serving
from mlkeel.errors import InputError
from mlkeel.inference.service import Service
from mlkeel.registry.artifact import current
from mlkeel.serve.http_limits import LimitedHttpProtocol

logger = logging.getLogger(__name__)
GRACE = 2  # seconds to finish a request beyond API_MAX_SECONDS; by default that is less than `docker stop` waits


class Lifecycle:
    """Which artifact answers requests now, and whether more requests are welcome."""

    def __init__(self, artifacts: Path) -> None:
        """Open the artifact in use.

        Raises:
            InputError: there is none, or it cannot be used.
        """
        self._artifacts = artifacts
        self._refused_state: tuple[bytes, ...] | None = None
        self.taken_over = self.refused = 0
        self.stopping = False
        self.service = Service.open(current(artifacts))

    def take_over(self) -> None:
        """Let the artifact that is in use now answer, or the one before if the new one is broken."""
        seen = self._seen()
        if seen == self._refused_state:
            return
        try:
            folder = current(self._artifacts)
            if folder.name != self.service.version:
                self.service = Service.open(folder)
                self.taken_over += 1
                logger.info("%s answers requests now.", self.service.version)
        except Exception as error:  # whatever is wrong with it, requests go on
            if self._seen() != seen:
                return  # it was written meanwhile, so what was opened is not what was seen: the next look decides
            self.refused, self._refused_state = self.refused + 1, seen
            logger.error("%s still answers requests, as another model cannot: %s", self.service.version, error)
            return
        self._refused_state = None

    def _seen(self) -> tuple[bytes, ...]:
        """What tells one state of the artifacts from another, so that each is refused once."""
        with contextlib.suppress(OSError, ValueError):
            named = (self._artifacts / "current").read_bytes()[:200]
            folder = self._artifacts / named.decode().strip()
            files = sorted((path.name, path.stat().st_mtime_ns) for path in folder.iterdir())
            return (named, repr(files).encode())
        return ()

    async def follow(self, pause: float) -> None:
        """Look for another artifact every `pause` seconds, for ever."""
        while True:
            await asyncio.sleep(pause)
            await asyncio.to_thread(self.take_over)


class Server(uvicorn.Server):
    """Uvicorn, but for the end: it says first that it stops, answers what still comes, and exits with 0."""

    def __init__(self, config: uvicorn.Config, lifecycle: Lifecycle, drain: float) -> None:
        super().__init__(config)
        self._lifecycle = lifecycle
        self._drain = drain

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop at SIGTERM and SIGINT; uvicorn's own way would raise the signal again and exit with -15."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop, loop)
        yield

    def _stop(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._lifecycle.stopping:
            self.should_exit = True  # asked twice: whoever waits does not want to
            return
        self._lifecycle.stopping = True
        logger.info("Stopping: not ready any more, and closed in %g s; what is in flight is answered.", self._drain)
        loop.call_later(self._drain, setattr, self, "should_exit", True)


def run(app: ASGIApp, lifecycle: Lifecycle, serving: Serving) -> None:
    """Serve `app` until SIGTERM or SIGINT.

    Raises:
        InputError: nothing can listen at that address.
    """
    config = uvicorn.Config(
        app,
        http=LimitedHttpProtocol,
        log_config=None,
        access_log=False,  # the proxy in front keeps one; /metrics counts
        server_header=False,
        timeout_keep_alive=75,  # longer than nginx keeps a connection, so that it is nginx that ends it
        timeout_graceful_shutdown=ceil(serving.api_max_seconds) + GRACE,
    )
    family = socket.AF_INET6 if ":" in serving.host else socket.AF_INET
    try:
        listener = socket.create_server((serving.host, serving.port), family=family, backlog=config.backlog)
    except OSError as error:
        reason = str(error.strerror).partition(" (")[0]
        raise InputError(
            f"{serving.host}, port {serving.port}: cannot be listened at ({reason}). Stop what else does, or "
            "choose another with the variables PORT and API_HOST."
        ) from error
    here = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(serving.host, serving.host)  # noqa: S104 - compared, not opened
    address = f"http://{f'[{here}]' if ':' in here else here}:{listener.getsockname()[1]}"
    logger.info("Model %s answers. Ctrl+C ends it. Try it at %s", lifecycle.service.version, address)
    gc.collect()
    gc.freeze()  # what is loaded now stays, so collections need not look at it while requests wait
    Server(config, lifecycle, serving.api_drain_seconds).run([listener])
