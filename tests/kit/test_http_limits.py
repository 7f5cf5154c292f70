"""The head of a request has limits, whatever is asked for and whoever asks."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Iterator

import pytest
import uvicorn
from fastapi import FastAPI
from mlkeel.serve.http_limits import MAX_HEAD_BYTES, MAX_HEADERS, LimitedHttpProtocol

START = b"GET /version HTTP/1.1\r\nhost: x\r\nconnection: close\r\n"


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """Of a server that answers any request without a body."""
    app = FastAPI()

    @app.api_route("/version", methods=["GET", "HEAD", "POST"])
    async def version() -> str:
        return "1"

    config = uvicorn.Config(app, http=LimitedHttpProtocol, log_config=None, lifespan="off")
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=lambda: asyncio.run(server.serve([listener])))
        thread.start()
        yield listener.getsockname()[1]
        server.should_exit = True
        thread.join()


def response_to(port: int, *parts: bytes) -> bytes:
    """What comes back until the server closes the connection."""
    return exchange(port, *parts)[0]


def exchange(port: int, *parts: bytes) -> tuple[bytes, int]:
    """The same, and how many of the parts could be sent."""
    received = b""
    sent = 0
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        with contextlib.suppress(ConnectionError):  # it has heard enough
            for part in parts:
                connection.sendall(part)
                sent += 1
        with contextlib.suppress(ConnectionError):  # and says so where something was not read
            while chunk := connection.recv(2**16):
                received += chunk
    return received, sent


def headers(number: int) -> bytes:
    return b"".join(b"a%d: 1\r\n" % place for place in range(number))


def test_a_head_within_the_limits_is_answered(port: int) -> None:
    assert b" 200 OK" in response_to(port, START, headers(MAX_HEADERS - 2), b"\r\n")
    assert b" 200 OK" in response_to(port, START, b"a: ", b"x" * (MAX_HEAD_BYTES - 100), b"\r\n\r\n")


@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"POST"])
@pytest.mark.parametrize(
    "more",
    [
        headers(MAX_HEADERS - 1) + b"\r\n",
        b"a: " + b"x" * MAX_HEAD_BYTES + b"\r\n\r\n",
        b"a: " + b"x" * MAX_HEAD_BYTES * 2,
        headers(10_000),
    ],
    ids=["one header too many", "too long", "one header without an end", "headers without an end"],
)
def test_a_head_beyond_them_is_refused_and_the_connection_closed(port: int, method: bytes, more: bytes) -> None:
    received = response_to(port, START.replace(b"GET", method), more)
    assert received.startswith(b"HTTP/1.1 431 ")
    assert b"connection: close" in received


def test_an_address_without_an_end_is_refused(port: int) -> None:
    assert response_to(port, b"GET /", b"x" * MAX_HEAD_BYTES * 2).startswith(b"HTTP/1.1 431 ")


def test_what_stands_behind_a_body_is_limited_too(port: int) -> None:
    chunked = b"transfer-encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n"
    assert b" 200 OK" in response_to(port, START.replace(b"GET", b"POST") + chunked + b"a: 1\r\n\r\n")
    endless = [b"POST /version HTTP/1.1\r\nhost: x\r\n" + chunked + b"a: ", *[b"x" * 2**20] * 64]
    received, sent = exchange(port, *endless)
    assert received.startswith(b"HTTP/1.1 200 OK")
    assert sent < len(endless)  # the connection itself takes a few


def test_an_earlier_request_on_the_connection_is_answered_first(port: int) -> None:
    first = START.replace(b"connection: close\r\n", b"\r\n")
    received = response_to(port, first + START, b"x" * MAX_HEAD_BYTES * 2)
    assert received.startswith(b"HTTP/1.1 200 OK")
    assert received.count(b"HTTP/1.1 431 ") == 1
