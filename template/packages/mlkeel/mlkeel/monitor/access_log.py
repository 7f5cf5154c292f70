"""Find the most requested paths of an nginx access log, whatever its size.

Counts are exact. Memory stays bounded even if a scanner asked for millions of paths: where counters run out, a first
reading only finds the paths that are asked for often (Misra and Gries 1982, "Finding repeated elements"), and a second
one counts these.
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

LINE = 2**16  # bytes; nginx refuses longer requests, so what follows in a line is of no interest
PATHS = 100_000  # counters
ROOM = 2**25  # bytes for the paths that are counted

# Possessive, as lines that nearly match would otherwise take time that grows with the square of their length.
REQUEST = re.compile(
    rb'[^"]*\] "[A-Z_-]++ (?:[A-Za-z][A-Za-z0-9+.-]*+://[^/?" ]*+|(?=/))'  # up to the path, also of GET http://host/
    rb'(/[^?"\\ ]*+(?:(?:\\.| (?!HTTP/))[^?"\\ ]*+)*+)?'
    rb'[^"\\]*+(?:\\.[^"\\]*+)*+" (\d{3})\b'
)


@dataclass(frozen=True)
class Requested:
    """A path as the log writes it, without its query string; an answer of 400 or above is an error."""

    path: str
    count: int
    errors: int

    @property
    def share(self) -> float:
        """The errors as a fraction of the requests."""
        return self.errors / self.count


@dataclass(frozen=True)
class Summary:
    """The most requested paths, and in how many lines they were looked for."""

    requests: int
    unread: int  # lines that ask for no path: noise, as from a port scan, or another format
    top: list[Requested]
    missed: int = 0  # if not 0, `top` may lack a path with up to so many requests


@dataclass(frozen=True)
class _Counts:
    seen: dict[bytes, int]
    errors: dict[bytes, int]
    requests: int
    unread: int
    missed: int


def top_requests(log: Path, most: int = 5) -> Summary:
    """Find the `most` requested paths of `log`, plain or gzipped; of two with equal counts the lesser path is first.

    The counts are always exact. So is the choice, unless the log holds more paths than there are counters and `top`
    comes down to rare ones: then `missed` says how many requests another path may have that is not in `top`.

    Raises:
        InputError: the log is missing, a folder, unreadable, empty, damaged, changing, or not one of nginx.
    """
    try:
        with _opened(log) as file:
            counts = first = _count(_requests(file))
            if not first.requests:
                file.seek(0)
                raise InputError(f"{log}: {_no_request(file.readline(60))}")
            if first.missed:
                file.seek(0)
                # A log in use may have grown since.
                counts = _count(islice(_requests(file), first.requests + first.unread), first.seen)
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
    if counts.requests != first.requests:
        raise InputError(f"{log}: this file was changed while it was read. Run this again, or on a copy.")
    best = heapq.nsmallest(most, counts.seen, key=lambda path: (-counts.seen[path], path))
    top = [Requested(_readable(path), counts.seen[path], counts.errors.get(path, 0)) for path in best]
    certain = len(top) == most and all(one.count > first.missed for one in top)
    return Summary(first.requests, first.unread, top, 0 if certain else first.missed)


@contextmanager
def _opened(log: Path) -> Iterator[IO[bytes]]:
    """The unpacked bytes of `log`, which can be read twice even if they come through a pipe."""
    with ExitStack() as stack:
        file: IO[bytes] = stack.enter_context(log.open("rb"))
        if not file.seekable():
            pipe, file = file, stack.enter_context(TemporaryFile())
            shutil.copyfileobj(pipe, file)
            file.seek(0)
        packed = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        # Lines from GzipFile itself take half as long again.
        yield io.BufferedReader(gzip.GzipFile(fileobj=file), 2**18) if packed else file


def _requests(file: IO[bytes]) -> Iterator[tuple[bytes | None, bool]]:
    """For each line its path, None if there is none, and whether the answer was an error."""
    starts = True
    for piece in iter(partial(file.readline, LINE), b""):
        if starts:
            found = REQUEST.match(piece)
            yield (found[1] or b"/", found[2] >= b"400") if found else (None, False)
        starts = piece.endswith(b"\n")


def _count(requests: Iterable[tuple[bytes | None, bool]], only: Iterable[bytes] | None = None) -> _Counts:
    """Count each path, or `only` some; where the counters run out, a path with more than `missed` requests has one."""
    seen, errors = dict.fromkeys(only or (), 0), dict[bytes, int]()
    total = unread = missed = size = 0
    for path, error in requests:
        if path is None:
            unread += 1
            continue
        total += 1
        if path in seen:
            seen[path] += 1
        elif only is not None:
            continue
        else:
            seen[path] = 1
            size += len(path)
            if len(seen) > PATHS or size > ROOM:
                missed += 1
                seen = {path: count - 1 for path, count in seen.items() if count > 1}
                size, errors = sum(map(len, seen)), {}
        if error:
            errors[path] = errors.get(path, 0) + 1
    return _Counts(seen, errors, total, unread, missed)


def _no_request(start: bytes) -> str:
    """What is wrong with a log that begins so, and what to do."""
    if not start:
        return "the log is empty. If it was rotated, look at the one before, for instance access.log.1."
    seen = _readable(start.strip())
    return f'no line is a request in nginx\'s "combined" format; the first begins "{seen}". Name a log in that format.'


def _readable(text: bytes) -> str:
    """Text that does nothing to a terminal; what cannot be shown is written as nginx does."""
    decoded = text.decode(errors="backslashreplace")
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in decoded)


def requests_table(found: list[Requested]) -> Table:
    """One line for each path; a path is never cut."""
    table = Table(box=box.SIMPLE)
    table.add_column("path", overflow="fold")
    for heading in ("requests", "errors", "share of errors"):
        table.add_column(heading, justify="right", no_wrap=True)
    for one in found:
        table.add_row(escape(one.path), f"{one.count:,}", f"{one.errors:,}", f"{one.share:.1%}")
    return table
