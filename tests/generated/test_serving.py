"""The API under load and under fire."""

import socket
import sys
import threading
import time
from contextlib import suppress
from http.client import HTTPConnection
from pathlib import Path

import pytest
from load import free_port, served
from roll_over import roll_over

from ..conftest import command
from ..support.engine import NEEDS_DEBIAN, install

pytestmark = NEEDS_DEBIAN
# 413 answers more rows than the schema allows, which Schemathesis does not expect of itself.
SCHEMATHESIS_CONFIG = "[checks.negative_data_rejection]\nexpected-statuses = [400, 413, 415, 422]\n"


def test_no_request_is_lost_when_the_model_changes_and_each_api_is_started_again(trained: Path) -> None:
    install("nginx-light", "wrk")
    rolled = roll_over(trained, 24)
    print(rolled)
    assert rolled.load.failed == 0
    assert rolled.load.requests > 1000
    assert rolled.taken_over == 2
    assert rolled.exits == [0, 0]


@pytest.mark.parametrize("examples", ["80", pytest.param("1000", marks=pytest.mark.slow)])
def test_whatever_its_schema_allows_or_forbids_is_answered_as_the_schema_says(
    trained: Path, tmp_path: Path, examples: str
) -> None:
    (tmp_path / "schemathesis.toml").write_text(SCHEMATHESIS_CONFIG, encoding="utf-8")
    port = free_port()
    with served([trained / ".venv" / "bin" / "python", "-m", "myproj", "serve"], trained, port, "/readyz"):
        completed = command(
            *(Path(sys.executable).parent / "schemathesis", "run", f"http://127.0.0.1:{port}/openapi.json"),
            *("--max-examples", examples, "--seed", "7", "--no-color"),
            cwd=tmp_path,
        )
    assert completed.returncode == 0, completed.stdout[-3000:]
    assert "No issues found" in completed.stdout


def test_without_a_model_one_line_says_how_to_make_one(twin: Path, offline: dict[str, str]) -> None:
    completed = command("make", "serve", cwd=twin, env=offline)
    assert "no version is current yet. Make a version with: make train" in completed.stderr
    assert "Traceback" not in completed.stderr


MEGABYTE = 2**20
CLIENTS = 8
FLOOD = 75 * MEGABYTE  # for each of four paths, 300 MB in all
HEADERS = b"".join(b"a%d: %s\r\n" % (place, b"x" * 1000) for place in range(1000))


class Flood:
    """Clients without a key that send heads which never end; each begins again when it is refused."""

    def __init__(self, port: int, path: bytes, part: bytes) -> None:
        self._port = port
        self._start = path + b" HTTP/1.1\r\nhost: x\r\na: "
        self._part = part
        self._sent = [0] * CLIENTS
        self._threads = [threading.Thread(target=self._send, args=(client,)) for client in range(CLIENTS)]
        for thread in self._threads:
            thread.start()

    @property
    def over(self) -> bool:
        return sum(self._sent) >= FLOOD

    def _send(self, client: int) -> None:
        while not self.over:
            with suppress(OSError), socket.create_connection(("127.0.0.1", self._port), timeout=30) as connection:
                connection.sendall(self._start)
                while not self.over:
                    connection.sendall(self._part)
                    self._sent[client] += len(self._part)

    def end(self) -> None:
        for thread in self._threads:
            thread.join()


def p99(port: int) -> float:
    """Of 300 requests, one after the other."""
    durations = []
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    for _ in range(300):
        started = time.perf_counter()
        connection.request("GET", "/version")
        assert connection.getresponse().read()
        durations.append(time.perf_counter() - started)
    return sorted(durations)[-3]


def resident(process: int) -> float:
    """The memory of a process, in megabytes."""
    return int(Path(f"/proc/{process}/statm").read_text(encoding="utf-8").split()[1]) * 4096 / MEGABYTE


@pytest.mark.parametrize("part", [HEADERS, b"x" * MEGABYTE], ids=["many headers", "one header"])
def test_a_head_without_an_end_costs_neither_memory_nor_the_time_of_others(trained: Path, part: bytes) -> None:
    port = free_port()
    with served([trained / ".venv" / "bin" / "python", "-m", "myproj", "serve"], trained, port, "/readyz") as server:
        idle_p99 = p99(port)
        before = resident(server.pid)
        for path in (b"GET /version", b"HEAD /healthz", b"GET /metrics", b"POST /predict"):
            flood = Flood(port, path, part)
            while not flood.over:
                assert (
                    p99(port) < 100 * idle_p99
                )  # other tests take their share; without a limit it was ten thousand times
            flood.end()
            assert resident(server.pid) - before < 30
