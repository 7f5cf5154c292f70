"""Serve the current version, load its successor while requests go on, and stop without dropping a request."""

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

from mlkeel.config import ServerConfig
from mlkeel.errors import InputError
from mlkeel.inference.loaded_model import LoadedModel
from mlkeel.registry.artifact import current
from mlkeel.serve.http_limits import LimitedHttpProtocol

logger = logging.getLogger(__name__)
GRACE_S = 2  # to finish a request, beyond API_MAX_SECONDS; by default the sum is less than `docker stop` waits


class ModelManager:
    """Holds the model that answers requests, and whether more requests are accepted."""

    def __init__(self, artifacts: Path) -> None:
        """Load the current version.

        Raises:
            InputError: there is none, or it cannot be loaded.
        """
        self._artifacts = artifacts
        self._failed_state: tuple[bytes, ...] | None = None
        self.reloads = 0
        self.rejected_versions = 0
        self.stopping = False
        self.model = LoadedModel.open(current(artifacts))

    def reload(self) -> None:
        """Load the current version if it is another one; if that fails, the one before goes on answering."""
        state = self._artifacts_state()
        if state == self._failed_state:
            return
        try:
            folder = current(self._artifacts)
            if folder.name != self.model.version:
                self.model = LoadedModel.open(folder)
                self.reloads += 1
                logger.info("%s answers requests now.", self.model.version)
        except Exception as error:  # whatever is wrong with it, requests go on
            if self._artifacts_state() != state:
                return  # it was written meanwhile, so `state` is not what was loaded: the next poll decides
            self.rejected_versions += 1
            self._failed_state = state
            logger.error("%s still answers requests, as another model cannot: %s", self.model.version, error)
            return
        self._failed_state = None

    def _artifacts_state(self) -> tuple[bytes, ...]:
        """Return what identifies a state of the artifacts, so that each broken one is counted and logged once."""
        with contextlib.suppress(OSError, ValueError):
            version = (self._artifacts / "current").read_bytes()[:200]
            folder = self._artifacts / version.decode().strip()
            mtimes = sorted((path.name, path.stat().st_mtime_ns) for path in folder.iterdir())
            return (version, repr(mtimes).encode())
        return ()

    async def watch(self, poll_every_s: float) -> None:
        """Look for another version every `poll_every_s` seconds, until cancelled."""
        while True:
            await asyncio.sleep(poll_every_s)
            await asyncio.to_thread(self.reload)


class GracefulServer(uvicorn.Server):
    """Uvicorn with another shutdown: it is no longer ready, answers what still comes, and then exits with 0."""

    def __init__(self, config: uvicorn.Config, manager: ModelManager, drain_s: float) -> None:
        super().__init__(config)
        self._manager = manager
        self._drain_s = drain_s

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop at SIGTERM and SIGINT; uvicorn itself would raise the signal again and exit with -15."""
        loop = asyncio.get_running_loop()
        for signal_number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(signal_number, self._stop, loop)
        yield

    def _stop(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._manager.stopping:
            self.should_exit = True  # after a second signal there is no more waiting
            return
        self._manager.stopping = True
        logger.info("Stopping: not ready any more, and closed in %g s; what is in flight is answered.", self._drain_s)
        loop.call_later(self._drain_s, setattr, self, "should_exit", True)


def run(app: ASGIApp, manager: ModelManager, server_config: ServerConfig) -> None:
    """Serve `app` until SIGTERM or SIGINT.

    Raises:
        InputError: it cannot listen at that address.
    """
    config = uvicorn.Config(
        app,
        http=LimitedHttpProtocol,
        log_config=None,
        access_log=False,  # the proxy in front writes one, and /metrics counts
        server_header=False,
        timeout_keep_alive=75,  # longer than that of nginx, so that nginx closes connections first
        timeout_graceful_shutdown=ceil(server_config.api_max_seconds) + GRACE_S,
    )
    family = socket.AF_INET6 if ":" in server_config.host else socket.AF_INET
    try:
        listener = socket.create_server((server_config.host, server_config.port), family=family, backlog=config.backlog)
    except OSError as error:
        reason = str(error.strerror).partition(" (")[0]
        raise InputError(
            f"{server_config.host}, port {server_config.port}: cannot be listened at ({reason}). Stop what else does, "
            "or choose another with the variables PORT and API_HOST."
        ) from error
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(server_config.host, server_config.host)  # noqa: S104 - compared, not opened
    address = f"http://{f'[{host}]' if ':' in host else host}:{listener.getsockname()[1]}"
    logger.info("Model %s answers. Ctrl+C ends it. Try it at %s", manager.model.version, address)
    gc.collect()
    gc.freeze()  # what is loaded now stays, so garbage collections can skip it while requests wait
    GracefulServer(config, manager, server_config.api_drain_seconds).run([listener])
