"""Find the most requested paths of an nginx access log, whatever its size.

Counts are exact. Memory stays bounded even if a scanner requested millions of paths: when the counters run out, a first
pass only finds the paths that are requested often (Misra and Gries 1982, "Finding repeated elements"), and a second
pass counts these.
"""

import gzip
import heapq
import io
import re
import shutil
import zlib
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

from rich import box
from rich.markup import escape
from rich.table import Table

from mlkeel.errors import Hint, InputError

MAX_LINE_BYTES = 2**16  # nginx rejects longer requests, so the rest of a line does not matter
MAX_PATHS = 100_000  # counters
MAX_PATH_BYTES = 2**25  # bytes for the paths that are counted

# Possessive quantifiers, since lines that nearly match would otherwise take time quadratic in their length.
REQUEST = re.compile(
    rb'[^"]*\] "[A-Z_-]++ (?:[A-Za-z][A-Za-z0-9+.-]*+://[^/?" ]*+|(?=/))'  # up to the path, also in GET http://host/
    rb'(/[^?"\\ ]*+(?:(?:\\.| (?!HTTP/))[^?"\\ ]*+)*+)?'
    rb'[^"\\]*+(?:\\.[^"\\]*+)*+" (\d{3})\b'
)


@dataclass(frozen=True)
class PathCount:
    """A path as the log has it, without its query string; a status of 400 or above is an error."""

    path: str
    count: int
    errors: int

    @property
    def share(self) -> float:
        """The errors as a fraction of the requests."""
        return self.errors / self.count


@dataclass(frozen=True)
class Summary:
    """The most requested paths, and how many lines were read."""

    requests: int
    unread: int  # lines without a path: noise, as from a port scan, or another format
    top: list[PathCount]
    missed: int = 0  # if not 0, a path with up to so many requests may be absent from `top`


@dataclass(frozen=True)
class _Counts:
    by_path: dict[bytes, int]
    errors: dict[bytes, int]
    requests: int
    unread: int
    missed: int


def top_requests(log: Path, most: int = 5) -> Summary:
    """Return the `most` requested paths of `log`, plain or gzipped; ties are broken by the order of the paths.

    The counts are always exact. So is the choice, unless the log holds more paths than there are counters and `top`
    reaches rare ones: then `missed` says how many requests a path may have that is absent from `top`.

    Raises:
        InputError: the log is missing, a folder, unreadable, empty, damaged, changing, or not one of nginx.
    """
    try:
        with _open(log) as file:
            first_pass = _count(_requests(file))
            counts = first_pass
            if not first_pass.requests:
                file.seek(0)
                raise InputError(f"{log}: {_describe_no_request(file.readline(60))}")
            if first_pass.missed:
                file.seek(0)
                # A log that is being written may have grown since.
                counts = _count(islice(_requests(file), first_pass.requests + first_pass.unread), first_pass.by_path)
    except EOFError as error:
        raise InputError(
            f"{log}: this gzip file is truncated: it was cut off, or is still being written. Copy it again.",
            Hint.STANDARD_INPUT,
        ) from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise InputError(f"{log}: this gzip file is damaged ({error}). Copy it again from its origin.") from error
    except OSError as error:
        raise InputError(
            f"{log}: cannot be read ({error.strerror or error}). Check the path and its permissions; a pipe also needs "
            "room for a copy in the folder for temporary files."
        ) from error
    if counts.requests != first_pass.requests:
        raise InputError(f"{log}: this file was changed while it was read. Run this again, or on a copy.")
    paths = heapq.nsmallest(most, counts.by_path, key=lambda path: (-counts.by_path[path], path))
    top = [PathCount(_printable(path), counts.by_path[path], counts.errors.get(path, 0)) for path in paths]
    is_certain = len(top) == most and all(requested.count > first_pass.missed for requested in top)
    return Summary(first_pass.requests, first_pass.unread, top, 0 if is_certain else first_pass.missed)


@contextmanager
def _open(log: Path) -> Iterator[IO[bytes]]:
    """Open the decompressed bytes of `log`, which can be read twice even if they come through a pipe."""
    with ExitStack() as stack:
        file: IO[bytes] = stack.enter_context(log.open("rb"))
        if not file.seekable():
            pipe = file
            file = stack.enter_context(TemporaryFile())
            shutil.copyfileobj(pipe, file)
            file.seek(0)
        is_gzip = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        # Reading lines from GzipFile itself takes half as long again.
        yield io.BufferedReader(gzip.GzipFile(fileobj=file), 2**18) if is_gzip else file


def _requests(file: IO[bytes]) -> Iterator[tuple[bytes | None, bool]]:
    """Yield the path of each line, None if there is none, and whether the status was an error."""
    is_line_start = True
    for chunk in iter(partial(file.readline, MAX_LINE_BYTES), b""):
        if is_line_start:
            match = REQUEST.match(chunk)
            yield (match[1] or b"/", match[2] >= b"400") if match else (None, False)
        is_line_start = chunk.endswith(b"\n")


def _count(requests: Iterable[tuple[bytes | None, bool]], only: Iterable[bytes] | None = None) -> _Counts:
    """Count each path, or `only` some; if the counters run out, each path with more than `missed` requests has one."""
    counts = dict.fromkeys(only or (), 0)
    errors = dict[bytes, int]()
    total = unread = missed = size = 0
    for path, is_error in requests:
        if path is None:
            unread += 1
            continue
        total += 1
        if path in counts:
            counts[path] += 1
        elif only is not None:
            continue
        else:
            counts[path] = 1
            size += len(path)
            if len(counts) > MAX_PATHS or size > MAX_PATH_BYTES:
                missed += 1
                counts = {path: count - 1 for path, count in counts.items() if count > 1}
                size = sum(map(len, counts))
                errors = {}
        if is_error:
            errors[path] = errors.get(path, 0) + 1
    return _Counts(counts, errors, total, unread, missed)


def _describe_no_request(start: bytes) -> str:
    """Say what is wrong with a log that begins with `start`, and what to do."""
    if not start:
        return "the log is empty. If it was rotated, look at the one before, for instance access.log.1."
    line = _printable(start.strip())
    return f'no line is a request in nginx\'s "combined" format; the first begins "{line}". Name a log in that format.'


def _printable(text: bytes) -> str:
    """Return `text` without control characters, which could act on a terminal; escapes are those of nginx."""
    decoded = text.decode(errors="backslashreplace")
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in decoded)


def requests_table(top: list[PathCount]) -> Table:
    """Return a table with a row for each path; a long path is folded, not cut."""
    table = Table(box=box.SIMPLE)
    table.add_column("path", overflow="fold")
    for heading in ("requests", "errors", "share of errors"):
        table.add_column(heading, justify="right", no_wrap=True)
    for requested in top:
        table.add_row(escape(requested.path), f"{requested.count:,}", f"{requested.errors:,}", f"{requested.share:.1%}")
    return table
