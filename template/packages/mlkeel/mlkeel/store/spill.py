"""Batches that the store has not confirmed, in files that outlive the process that wrote them.

Each process appends to a file of its own and holds a lock on it, so whoever finds a file that nobody holds knows that
its process is gone, and may replay it.
"""

import logging
import os
import threading
from contextlib import suppress
from pathlib import Path

from mlkeel.locks import take_lock, wait_for_lock

logger = logging.getLogger(__name__)
LARGEST = 2**30  # bytes of one file; a store that is away for days must not fill the disk
AT_ONCE = 2**16  # bytes that are read at once


class SpillError(OSError):
    """There is no room for more."""


class Spill:
    """The file of this process, and those that other processes left."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._path = folder / f"{name}.spill"
        self._lock = threading.Lock()
        self._own = self._left = -1  # descriptors
        self._read = self._read_left = 0  # up to where the store has it
        self._left_path = self._path

    def append(self, line: bytes) -> None:
        """Write a line, with its end, that is kept though this process is killed; all of it or nothing.

        Raises:
            OSError: it cannot be written.
        """
        with self._lock:
            self._open()
            size = os.fstat(self._own).st_size
            if size + len(line) >= LARGEST:
                raise SpillError(f"{self._path} holds {LARGEST:,} bytes already")
            try:
                _write(self._own, line)
            except OSError:
                os.ftruncate(self._own, size)
                raise

    def oldest(self) -> bytes | None:
        """A line that is to be replayed, of this process or of one that is gone; None if there is none."""
        with self._lock:
            if self._own >= 0 and (line := _line(self._own, self._read)):
                return line
        if self._left < 0:
            self._find()
        while self._left >= 0:
            if (line := _line(self._left, self._read_left)).endswith(b"\n"):
                return line
            if line:
                logger.warning("%s: the last line is not whole and is left out.", self._left_path)
            self._end_left()
            self._find()
        return None

    def confirm(self, line: bytes) -> None:
        """Note that the store has `line`, which is what `oldest` gave."""
        with self._lock:
            if self._own >= 0 and _line(self._own, self._read) == line:
                self._read += len(line)
                if self._read == os.fstat(self._own).st_size:
                    os.ftruncate(self._own, 0)
                    self._read = 0
                return
        self._read_left += len(line)

    def close(self) -> None:
        """Let go of the files, and remove the own one if nothing is in it."""
        with self._lock:
            if self._own >= 0 and os.fstat(self._own).st_size == 0:
                self._path.unlink(missing_ok=True)
            elif self._own >= 0:
                with suppress(OSError):
                    self._open()
            for descriptor in (self._own, self._left):
                if descriptor >= 0:
                    os.close(descriptor)
            self._own = self._left = -1

    def _open(self) -> None:
        """Make the own file; if somebody removed it, go on in a new one with what the store has not confirmed."""
        if self._own >= 0 and _is_at(self._own, self._path):
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        made = _made(self._path)
        if self._own >= 0:
            try:
                for start in range(self._read, os.fstat(self._own).st_size, AT_ONCE):
                    _write(made, os.pread(self._own, AT_ONCE, start))
            except OSError:
                self._path.unlink()
                os.close(made)
                raise
            os.close(self._own)
            logger.warning("%s was removed; recording goes on in a new one.", self._path)
        self._own, self._read = made, 0

    def _find(self) -> None:
        """Take over a file whose process is gone."""
        for path in sorted(self._folder.glob("*.spill")):
            if path == self._path:
                continue
            with suppress(OSError):
                descriptor = os.open(path, os.O_RDWR)
                if not take_lock(descriptor):
                    os.close(descriptor)
                    continue
                self._left, self._left_path, self._read_left = descriptor, path, 0
                return

    def _end_left(self) -> None:
        self._left_path.unlink(missing_ok=True)
        os.close(self._left)
        self._left = -1


def _made(path: Path) -> int:
    """A new file at `path`, locked; another process may have taken an empty one over before it was."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        wait_for_lock(descriptor)
        if os.fstat(descriptor).st_nlink:
            return descriptor
        os.close(descriptor)


def _is_at(descriptor: int, path: Path) -> bool:
    """Whether it is this file that lies at `path`."""
    with suppress(OSError):
        return os.path.samestat(os.fstat(descriptor), path.stat())
    return False


def _write(descriptor: int, content: bytes) -> None:
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _line(descriptor: int, start: int) -> bytes:
    """The line that begins at `start`; without its end if the file ends before."""
    line = b""
    while part := os.pread(descriptor, AT_ONCE, start + len(line)):
        end = part.find(b"\n")
        if end >= 0:
            return line + part[: end + 1]
        line += part
    return line
