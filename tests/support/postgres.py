"""A private PostgreSQL of Debian's, on this machine alone, that tests may stop, hang and start again."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from load import free_port

from .engine import install

USER = "postgres"  # PostgreSQL refuses to run as root
TIMEOUT_S = 60


class Postgres:
    """A server whose data lies in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port = free_port()
        self._binaries = max(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"postgresql+psycopg://{USER}@127.0.0.1:{self._port}/postgres"
        self._run("initdb", "--pgdata", folder / "data", "--auth=trust", "--no-sync").wait(TIMEOUT_S)

    def start(self) -> None:
        settings = [f"--port={self._port}", "--listen_addresses=127.0.0.1", f"--unix_socket_directories={self._folder}"]
        self._process = self._run("postgres", "-D", self._folder / "data", *settings)
        deadline = time.monotonic() + TIMEOUT_S
        while self._run("pg_isready", "--quiet", "--host=127.0.0.1", f"--port={self._port}").wait():
            assert time.monotonic() < deadline, "PostgreSQL does not start"
            time.sleep(0.05)

    def stop(self) -> None:
        """End it and every connection to it."""
        assert self._process is not None
        self._process.send_signal(signal.SIGINT)
        self._process.wait(TIMEOUT_S)

    def hang(self) -> None:
        """Let it keep its connections and answer none."""
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self._signal(signal.SIGCONT)

    def close(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self.go_on()
            self.stop()

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        session = ["pgrep", "--session", str(self._process.pid)]
        pids = subprocess.run(session, check=True, capture_output=True, text=True).stdout.split()
        backends = ["pgrep", "--parent", str(self._process.pid)]  # each of which leads a session of its own
        pids += subprocess.run(backends, check=True, capture_output=True, text=True).stdout.split()
        for pid in {int(pid) for pid in pids}:
            os.kill(pid, number)

    def _run(self, name: str, *words: str | Path) -> subprocess.Popen[bytes]:
        command = ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", "--pdeathsig=INT"]
        options = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "start_new_session": True}
        return subprocess.Popen([*command, self._binaries / name, *words], cwd=self._folder, **options)


@contextmanager
def postgres() -> Iterator[Postgres]:
    """A server that has been started; nothing of it is left at the end."""
    install("postgresql", "procps")
    folder = Path(tempfile.mkdtemp(prefix="postgres-", dir="/tmp"))  # a socket's path has 108 characters at most
    shutil.chown(folder, USER, USER)
    server = Postgres(folder)
    try:
        server.start()
        yield server
    finally:
        server.close()
        shutil.rmtree(folder)
