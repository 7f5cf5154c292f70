"""What the API has answered is in the store, whatever happens to the API and to the store."""

import http.client
import json
import os
import signal
import subprocess
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from load import free_port, served

from ..conftest import succeed
from ..support.engine import NEEDS_DEBIAN
from ..support.postgres import Postgres, postgres

pytestmark = NEEDS_DEBIAN
ROW = {"island": "Biscoe", "bill_length_mm": 48.0, "bill_depth_mm": 14, "flipper_length_mm": 220.0}
BODY = json.dumps(ROW | {"body_mass_g": 5400.0, "sex": None})
OUTAGE = float(os.environ.get("OUTAGE", "3"))  # seconds
TIMEOUT_S = 60
CLIENTS = 3
PRINT_RECORDED = """
import sys
from pathlib import Path
from mlkeel.store.store import Store
print("\\n".join(Store.open(sys.argv[1], Path(sys.argv[2])).recorded().request))
"""


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + TIMEOUT_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


class Clients:
    """Clients that ask an API one row after another, and note when which request was answered."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._stop = threading.Event()
        self.completed: list[tuple[str, float]] = []
        self.failed: list[str] = []
        self._threads = [threading.Thread(target=self._send_requests) for _ in range(CLIENTS)]
        for thread in self._threads:
            thread.start()

    def _send_requests(self) -> None:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
            while not self._stop.is_set():
                request = uuid.uuid4().hex
                headers = {"content-type": "application/json", "x-request-id": request}
                connection.request("POST", "/predict", BODY, headers)
                response = connection.getresponse()
                response.read()
                if response.status == 200:
                    self.completed.append((request, time.time()))
                else:
                    self.failed.append(f"{response.status}")
        except (OSError, http.client.HTTPException) as error:
            self.failed.append(repr(error))

    def wait_for(self, more: int) -> None:
        """Wait until so many more requests have been answered."""
        wanted = len(self.completed) + more
        wait_for(lambda: len(self.completed) >= wanted)

    def end(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()


class Api:
    """A trained project that is served and loaded, any number of times."""

    def __init__(self, project: Path, folder: Path, stack: ExitStack) -> None:
        self._project = project
        self._folder = folder
        self._stack = stack
        self._python = project / ".venv" / "bin" / "python"
        self.store = f"sqlite:///{folder}/predictions.db"

    def start(self) -> tuple[subprocess.Popen[bytes], Clients, int]:
        port = free_port()
        variables = [f"API_STORE={self.store}", f"API_OUTBOX={self._folder}/spill", "API_DRAIN_SECONDS=0.2"]
        command = ["env", *variables, self._python, "-m", "myproj", "serve"]
        process = self._stack.enter_context(served(command, self._project, port, "/readyz"))
        clients = Clients(port)
        self._stack.callback(clients.end)
        return process, clients, port

    def recorded(self) -> list[str]:
        """The requests in the store."""
        return succeed(self._python, "-c", PRINT_RECORDED, self.store, self._folder, cwd=self._project).split()

    def metric(self, port: int, name: str) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        connection.request("GET", "/metrics")
        metrics = dict(line.rsplit(" ", 1) for line in connection.getresponse().read().decode().splitlines())
        return int(float(metrics[f"api_{name}"]))


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with postgres() as database:
        yield database


@pytest.fixture
def api(trained: Path, tmp_path: Path) -> Iterator[Api]:
    with ExitStack() as stack:
        yield Api(trained, tmp_path, stack)


@pytest.fixture
def api_of_server(api: Api, server: Postgres) -> Api:
    """The API with its records in PostgreSQL."""
    api.store = server.url
    return api


def test_postgresql_may_be_away_for_a_while_and_no_answer_fails_or_is_missing(
    api_of_server: Api, server: Postgres
) -> None:
    _, clients, port = api_of_server.start()
    wait_for(lambda: api_of_server.metric(port, "records_written_total"))
    server.stop()
    until = time.monotonic() + OUTAGE
    wait_for(lambda: time.monotonic() > until and api_of_server.metric(port, "records_spilled_total"))
    server.start()
    clients.wait_for(100)
    clients.end()
    requests = sorted(request for request, _ in clients.completed)
    wait_for(lambda: api_of_server.metric(port, "records_written_total") == len(requests))
    assert not clients.failed
    assert sorted(set(api_of_server.recorded()) & set(requests)) == requests
    assert len(api_of_server.recorded()) == len(set(api_of_server.recorded()))
    assert api_of_server.metric(port, "records_dropped_total") == 0
    print(len(requests), "answered;", api_of_server.metric(port, "records_spilled_total"), "spilled")


def test_what_was_answered_is_stored_when_it_is_asked_to_stop(api: Api) -> None:
    process, clients, _ = api.start()
    clients.wait_for(300)
    process.send_signal(signal.SIGTERM)
    assert process.wait(TIMEOUT_S) == 0
    clients.end()
    assert not {request for request, _ in clients.completed} - set(api.recorded())


def test_what_was_answered_is_stored_later_when_it_stops_without_its_store(
    api_of_server: Api, server: Postgres
) -> None:
    process, clients, _ = api_of_server.start()
    clients.wait_for(300)
    server.stop()
    clients.wait_for(300)
    process.send_signal(signal.SIGTERM)
    assert process.wait(TIMEOUT_S) == 0
    clients.end()
    server.start()
    api_of_server.start()
    wanted = {request for request, _ in clients.completed}
    wait_for(lambda: not wanted - set(api_of_server.recorded()))


@pytest.mark.parametrize("hangs", [False, True], ids=["sqlite", "postgresql that hangs"])
def test_a_kill_loses_the_last_second_at_most(api: Api, server: Postgres, hangs: bool) -> None:
    api.store = server.url if hangs else api.store
    process, clients, port = api.start()
    wait_for(lambda: api.metric(port, "records_written_total"))
    if hangs:
        server.hang()
    until = time.monotonic() + 2
    wait_for(lambda: time.monotonic() > until)
    killed = time.time()
    process.kill()
    process.wait()
    clients.end()
    server.go_on()
    wanted = {request for request, at in clients.completed if at < killed - 1}
    assert len(wanted) > 100
    api.start()
    wait_for(lambda: not wanted - set(api.recorded()))
    requests = api.recorded()
    assert len(requests) == len(set(requests))


def test_two_processes_share_one_file(api: Api) -> None:
    runs = [api.start() for _ in range(2)]
    for process, clients, _ in runs:
        clients.wait_for(500)
        process.send_signal(signal.SIGTERM)
        assert process.wait(TIMEOUT_S) == 0
        clients.end()
    wanted = {request for _, clients, _ in runs for request, _ in clients.completed}
    assert not wanted - set(api.recorded())
