import gzip
import os
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mlkeel.errors import InputError
from mlkeel.monitor import access_log
from mlkeel.monitor.access_log import PathCount, top_requests

MEGABYTE = 2**20


def line(request: str, status: int = 200, user: str = "-", after: str = "") -> bytes:
    text = f'203.0.113.9 - {user} [22/Nov/2026:10:00:00 +0000] "{request}" {status} 612 "-" "curl/8.5"{after}\n'
    return text.encode("latin-1")


def lines(paths: Iterable[object], status: int = 200) -> bytes:
    return b"".join(line(f"GET /{path} HTTP/1.1", status) for path in paths)


def log_of(folder: Path, content: bytes, name: str = "access.log") -> Path:
    log = folder / name
    log.write_bytes(content)
    return log


def peak_while(run: Callable[[], object]) -> int:
    tracemalloc.start()
    try:
        run()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_the_five_paths_asked_for_most_come_with_counts_and_errors(tmp_path: Path) -> None:
    content = lines("aaabbbbccdef") + lines("ab", 404) + lines("a", 399) + lines("a", 400) + lines("a", 503)
    summary = top_requests(log_of(tmp_path, content))
    assert [(item.path, item.count, item.errors) for item in summary.top] == [
        ("/a", 7, 3),
        ("/b", 5, 1),
        ("/c", 2, 0),
        ("/d", 1, 0),
        ("/e", 1, 0),
    ]
    assert (summary.requests, summary.unread, summary.missed) == (17, 0, 0)
    assert summary.top[1].share == 0.2


def test_paths_with_equal_counts_are_in_order(tmp_path: Path) -> None:
    summary = top_requests(log_of(tmp_path, lines("zbya")), most=3)
    assert [item.path for item in summary.top] == ["/a", "/b", "/y"]


@pytest.mark.parametrize(
    ("request_", "path"),
    [
        ("GET /a?b=/c HTTP/1.1", "/a"),
        ("GET /?a HTTP/2.0", "/"),
        ("GET /a%20b%3Fc HTTP/1.1", "/a%20b%3Fc"),
        ("GET http://example.com/a?b HTTP/1.1", "/a"),
        ("GET HTTPS://example.com HTTP/1.1", "/"),
        ("GET http://example.com?a=/b HTTP/1.1", "/"),
        ("GET //example.com/a HTTP/1.1", "//example.com/a"),
        ("GET /to?next=http://example.com/ HTTP/1.1", "/to"),
        (r"GET /a\x22b HTTP/1.1", r"/a\x22b"),
        (r"GET /a?b=\x22 200 \x22 HTTP/1.1", "/a"),
        ("GET /a b HTTP/1.1", "/a b"),
        ("GET /a", "/a"),
        ("M-SEARCH /a HTTP/1.1", "/a"),
        ("GET /caf\xe9 HTTP/1.1", r"/caf\xe9"),
        ("GET /\x1b[2Jgone HTTP/1.1", r"/\x1b[2Jgone"),
    ],
)
def test_a_request_counts_for_its_path(tmp_path: Path, request_: str, path: str) -> None:
    assert top_requests(log_of(tmp_path, line(request_, 404))).top == [PathCount(path, 1, 1)]


@pytest.mark.parametrize(
    "request_", [r"\x16\x03\x01", "-", "", "CONNECT example.com:443 HTTP/1.1", "GET", "é /a HTTP/1.1"]
)
def test_noise_is_counted_apart(tmp_path: Path, request_: str) -> None:
    summary = top_requests(log_of(tmp_path, line(request_, 400) + b"\n" + lines("a") + b'half a line "GET /a HT'))
    assert (summary.requests, summary.unread, summary.top) == (1, 3, [PathCount("/a", 1, 0)])


def test_odd_users_and_fields_at_the_end_change_nothing(tmp_path: Path) -> None:
    content = line("GET /a HTTP/1.1", user="[a] b", after=' rt=0.004 [x] "GET /b HTTP/1.1" 500 0 "-"')
    assert top_requests(log_of(tmp_path, content)).top == [PathCount("/a", 1, 0)]


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
@pytest.mark.parametrize("name", ["access.log", "access.log.gz"])
def test_gzip_is_known_by_its_content(tmp_path: Path, pack: Callable[[bytes], bytes], name: str) -> None:
    log = log_of(tmp_path, pack(lines("a")) + pack(lines("a")), name)
    assert top_requests(log).top == [PathCount("/a", 2, 0)]


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_counts_stay_exact_when_the_counters_run_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pack: Callable[[bytes], bytes]
) -> None:
    monkeypatch.setattr(access_log, "MAX_PATHS", 10)
    content = b"".join(lines([f"often{turn % 2}"], 200 + turn % 3 * 150) + lines([turn]) for turn in range(200))
    summary = top_requests(log_of(tmp_path, pack(content)), most=2)
    assert summary.top == [PathCount("/often0", 100, 33), PathCount("/often1", 100, 33)]
    assert summary.missed == 0


def test_a_path_that_may_be_missing_is_owned_up_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access_log, "MAX_PATHS", 1)
    summary = top_requests(log_of(tmp_path, lines("abc")), most=1)
    assert (summary.top, summary.missed) == ([PathCount("/c", 1, 0)], 1)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from("aaaabbbcdefghijk"), min_size=1, max_size=60))
def test_no_path_above_the_stated_number_is_missed(paths: list[str]) -> None:
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(access_log, "MAX_PATHS", 3)
        summary = top_requests(log_of(Path(folder), lines(paths)), most=2)
    counts = Counter(f"/{path}" for path in paths)
    counted = [(entry.path, entry.count) for entry in summary.top]
    assert counted == [(path, counts[path]) for path, _ in counted]
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:2]
    assert counted == ranked or all(
        count <= summary.missed for entry in ranked if entry not in counted for count in entry[1:]
    )
    assert summary.missed * 4 <= len(paths)


def test_a_log_of_ever_other_long_paths_takes_little_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access_log, "MAX_PATH_BYTES", MEGABYTE)
    log = log_of(tmp_path, lines((f"{number}{'x' * 30_000}" for number in range(300)), 404))
    assert peak_while(lambda: top_requests(log)) < 3 * MEGABYTE


def test_a_line_that_never_ends_takes_little_memory(tmp_path: Path) -> None:
    log = log_of(tmp_path, b"\0" * 8 * MEGABYTE + b"\n" + line("GET /a" + "?" * 2 * MEGABYTE) + lines("a"))
    assert peak_while(lambda: top_requests(log)) < MEGABYTE
    assert top_requests(log).top == [PathCount("/a", 1, 0)]
    assert top_requests(log).unread == 2


def test_a_pipe_is_read_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access_log, "MAX_PATHS", 2)
    end, start = os.pipe()
    os.write(start, lines("abacada"))
    os.close(start)
    try:
        assert top_requests(Path(f"/dev/fd/{end}"), most=1).top == [PathCount("/a", 4, 0)]
    finally:
        os.close(end)


@pytest.mark.parametrize("change", ["grows", "is emptied"])
def test_a_log_in_use_may_grow_but_not_shrink(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str) -> None:
    monkeypatch.setattr(access_log, "MAX_PATHS", 2)
    log = log_of(tmp_path, lines("abacada"))
    count = vars(access_log)["_count"]

    def count_and_change(*arguments: object) -> object:
        counts = count(*arguments)
        log.write_bytes(lines("abacadaaaa") if change == "grows" else b"")
        return counts

    monkeypatch.setattr(access_log, "_count", count_and_change)
    if change == "grows":
        assert top_requests(log, most=1).top == [PathCount("/a", 4, 0)]
    else:
        with pytest.raises(InputError, match="changed while it was read"):
            top_requests(log)


PACKED = gzip.compress(lines(range(500)), mtime=0)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the log is empty"),
        (gzip.compress(b"", mtime=0), "the log is empty"),
        (b'{"request": "GET / HTTP/1.1"}\n', 'the first begins "{"request": "GET / HTTP/1.1"}"'),
        (PACKED[:-20], "truncated"),
        (PACKED[:10] + b"\xff" * 50, "damaged"),
        (PACKED[:-8] + b"\0" * 8, "damaged"),
        (PACKED + b"more", "damaged"),
    ],
    ids=["empty", "nothing packed", "no access log", "cut off", "not packed", "another sum", "more behind it"],
)
def test_a_log_that_cannot_be_read_is_explained(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(InputError) as excinfo:
        top_requests(log_of(tmp_path, content))
    assert message in str(excinfo.value)
    assert str(tmp_path / "access.log") in str(excinfo.value)


@pytest.mark.parametrize(
    ("name", "message"), [("none.log", "No such file"), (".", "Is a directory"), ("x" * 300, "File name too long")]
)
def test_a_path_that_is_no_log_is_explained(tmp_path: Path, name: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        top_requests(tmp_path / name)
