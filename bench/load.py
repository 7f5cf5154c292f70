"""Servers on this machine, and load on them by `wrk` (Debian's package of that name)."""

import json
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Load:
    """The result of a load; failed are responses of 400 and above, and requests without a response."""

    requests: int
    failed: int
    rate: float  # requests a second
    p99: float  # milliseconds


@contextmanager
def served(command: list[str | Path], cwd: Path, port: int, health_path: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server that answers at `health_path`; its process leads a session of its own."""
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "start_new_session": True}
    process = subprocess.Popen(command, cwd=cwd, env=os.environ | {"PORT": str(port)}, **quiet)
    try:
        wait_for(f"http://127.0.0.1:{port}{health_path}")
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait()


def wait_for(url: str) -> None:
    """Wait until `url` responds without an error, a minute at most."""
    for _ in range(600):
        try:
            urllib.request.urlopen(url, timeout=2).close()
            return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise TimeoutError(url)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def start_load(url: str, body: object, folder: Path, seconds: int) -> subprocess.Popen[str]:
    """Start a load on `url` with 16 connections."""
    script = folder / "post.lua"
    lua_body = json.dumps(json.dumps(body))
    script.write_text(
        f'wrk.method = "POST"\nwrk.headers["Content-Type"] = "application/json"\nwrk.body = {lua_body}\n'
        "done = function(summary, latency, _)\n  local failed = summary.errors\n"
        '  io.write(string.format("%d %d %f %f", summary.requests, '
        "failed.status + failed.connect + failed.read + failed.timeout, "
        "summary.requests / summary.duration * 1e6, latency:percentile(99) / 1e3))\nend\n",
        encoding="utf-8",
    )
    command = ["wrk", "--threads", "1", "--connections", "16", "--duration", f"{seconds}s", "--script", script, url]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def end_load(process: subprocess.Popen[str]) -> Load:
    """Wait for the end of a load and return its result."""
    summary = process.communicate()[0].splitlines()[-1]
    requests, failed, rate, p99 = summary.split()
    return Load(int(requests), int(failed), float(rate), float(p99))


def load(url: str, body: object, folder: Path, seconds: int) -> Load:
    """Load `url` and return the result; exit if a request failed."""
    result = end_load(start_load(url, body, folder, seconds))
    if result.failed:
        raise SystemExit(f"{url}: {result.failed} of {result.requests} requests failed.")
    return result
