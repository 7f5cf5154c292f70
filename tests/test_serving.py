"""The API under load and under fire."""

import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPConnection
from pathlib import Path

import pytest
from load import free_port, served
from roll_over import roll_over

from .conftest import command, succeed
from .engine import NEEDS_DEBIAN, install

pytestmark = NEEDS_DEBIAN
# 413 answers more rows than the schema allows, which Schemathesis does not expect of itself.
REFUSALS = "[checks.negative_data_rejection]\nexpected-statuses = [400, 413, 415, 422]\n"


@pytest.fixture
def trained(twin: Path, offline: dict[str, str]) -> Path:
    succeed("make", "train", cwd=twin, env=offline)
    return twin


def test_no_request_is_lost_when_the_model_changes_and_each_api_is_started_again(trained: Path) -> None:
    install("nginx-light", "wrk")
    rolled = roll_over(trained, 24)
    print(rolled)
    assert rolled.load.failed == 0
    assert rolled.load.requests > 1000
    assert rolled.taken_over == 2
    assert rolled.exits == [0, 0]


def test_whatever_its_schema_allows_or_forbids_is_answered_as_the_schema_says(trained: Path, tmp_path: Path) -> None:
    (tmp_path / "schemathesis.toml").write_text(REFUSALS, encoding="utf-8")
    port = free_port()
    with served([trained / ".venv" / "bin" / "python", "-m", "myproj", "serve"], trained, port, "/readyz"):
        said = command(
            *(Path(sys.executable).parent / "schemathesis", "run", f"http://127.0.0.1:{port}/openapi.json"),
            *("--max-examples", "1000", "--seed", "7", "--no-color"),
            cwd=tmp_path,
        )
    assert said.returncode == 0, said.stdout[-3000:]
    assert "No issues found" in said.stdout


def test_without_a_model_one_line_says_how_to_make_one(twin: Path, offline: dict[str, str]) -> None:
    said = command("make", "serve", cwd=twin, env=offline)
    assert "no model is in use yet. Make one with: make train" in said.stderr
    assert "Traceback" not in said.stderr


MEGABYTE = 2**20
HEADERS = b"".join(b"a%d: %s\r\n" % (place, b"x" * 1000) for place in range(1000))


@contextmanager
def flooded(port: int, path: bytes, part: bytes) -> Iterator[list[int]]:
    """Let one client, who has no key, send heads that never end, up to 300 MB; what it could send is in the list."""
    sent, stop = [0], threading.Event()

    def flood() -> None:
        while sent[0] < 300 * MEGABYTE and not stop.is_set():
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
                connection.sendall(path + b" HTTP/1.1\r\nhost: x\r\na: ")
                while sent[0] < 300 * MEGABYTE and not stop.is_set():
                    connection.sendall(part)
                    sent[0] += len(part)

    client = threading.Thread(target=flood)
    client.start()
    try:
        yield sent
    finally:
        stop.set()
        client.join()


def p99(port: int) -> float:
    """Of 300 requests, one after the other."""
    taken = []
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    for _ in range(300):
        began = time.perf_counter()
        connection.request("GET", "/version")
        assert connection.getresponse().read()
        taken.append(time.perf_counter() - began)
    return sorted(taken)[-3]


def resident(process: int) -> float:
    """The memory of a process, in megabytes."""
    return int(Path(f"/proc/{process}/statm").read_text(encoding="utf-8").split()[1]) * 4096 / MEGABYTE


@pytest.mark.parametrize("part", [HEADERS, b"x" * MEGABYTE], ids=["many headers", "one header"])
def test_a_head_without_an_end_costs_neither_memory_nor_the_time_of_others(trained: Path, part: bytes) -> None:
    port = free_port()
    with served([trained / ".venv" / "bin" / "python", "-m", "myproj", "serve"], trained, port, "/readyz") as server:
        alone, before = p99(port), resident(server.pid)
        for path in (b"GET /version", b"HEAD /healthz", b"GET /metrics", b"POST /predict"):
            with flooded(port, path, part) as sent:
                assert p99(port) < 20 * alone
                while sent[0] < 10 * MEGABYTE:
                    p99(port)
            assert resident(server.pid) - before < 30
