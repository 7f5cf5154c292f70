"""Keep batches that the store has not confirmed, in files that outlive the process that wrote them.

Each process appends to a file of its own and holds a lock on it. A file without a lock belongs to a process that has
ended, so another process may replay it.
"""

import logging
import os
import threading
from contextlib import suppress
from pathlib import Path

from mlkeel.locks import take_lock, wait_for_lock

logger = logging.getLogger(__name__)
MAX_FILE_BYTES = 2**30  # a store that is away for days must not fill the disk
READ_BYTES = 2**16  # at once


class OutboxError(OSError):
    """The file of this process is full."""


class Outbox:
    """The file of this process, and those of processes that have ended."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._path = folder / f"{name}.spill"
        self._lock = threading.Lock()
        self._own = -1  # descriptor of the file of this process, or -1
        self._own_confirmed = 0  # bytes of it that the store has
        self._orphan = -1  # descriptor of a file whose process has ended, or -1
        self._orphan_confirmed = 0  # bytes of it that the store has
        self._orphan_path = self._path

    def append(self, line: bytes) -> None:
        """Append a line, with its line end, so that it outlives this process; all of it or nothing.

        Raises:
            OSError: it cannot be written.
        """
        with self._lock:
            self._open()
            size = os.fstat(self._own).st_size
            if size + len(line) >= MAX_FILE_BYTES:
                raise OutboxError(f"{self._path} holds {MAX_FILE_BYTES:,} bytes already")
            try:
                _write(self._own, line)
            except OSError:
                os.ftruncate(self._own, size)
                raise

    def oldest(self) -> bytes | None:
        """Return the next line to replay, of this process or of one that has ended, or None if there is none."""
        with self._lock:
            if self._own >= 0 and (line := _line(self._own, self._own_confirmed)):
                return line
        if self._orphan < 0:
            self._open_orphan()
        while self._orphan >= 0:
            if (line := _line(self._orphan, self._orphan_confirmed)).endswith(b"\n"):
                return line
            if line:
                logger.warning("%s: the last line is not whole and is left out.", self._orphan_path)
            self._remove_orphan()
            self._open_orphan()
        return None

    def confirm(self, line: bytes) -> None:
        """Note that the store has `line`, which `oldest` returned."""
        with self._lock:
            if self._own >= 0 and _line(self._own, self._own_confirmed) == line:
                self._own_confirmed += len(line)
                if self._own_confirmed == os.fstat(self._own).st_size:
                    os.ftruncate(self._own, 0)
                    self._own_confirmed = 0
                return
        self._orphan_confirmed += len(line)

    def close(self) -> None:
        """Close the files, and remove the one of this process if it is empty."""
        with self._lock:
            if self._own >= 0 and os.fstat(self._own).st_size == 0:
                self._path.unlink(missing_ok=True)
            elif self._own >= 0:
                with suppress(OSError):
                    self._open()
            for descriptor in (self._own, self._orphan):
                if descriptor >= 0:
                    os.close(descriptor)
            self._own = -1
            self._orphan = -1

    def _open(self) -> None:
        """Open the file of this process; if it was removed, copy what the store has not confirmed to a new one."""
        if self._own >= 0 and _is_at(self._own, self._path):
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        descriptor = _create(self._path)
        if self._own >= 0:
            try:
                for start in range(self._own_confirmed, os.fstat(self._own).st_size, READ_BYTES):
                    _write(descriptor, os.pread(self._own, READ_BYTES, start))
            except OSError:
                self._path.unlink()
                os.close(descriptor)
                raise
            os.close(self._own)
            logger.warning("%s was removed; recording goes on in a new one.", self._path)
        self._own = descriptor
        self._own_confirmed = 0

    def _open_orphan(self) -> None:
        """Open and lock a file whose process has ended, if there is one."""
        for path in sorted(self._folder.glob("*.spill")):
            if path == self._path:
                continue
            with suppress(OSError):
                descriptor = os.open(path, os.O_RDWR)
                if not take_lock(descriptor):
                    os.close(descriptor)
                    continue
                self._orphan = descriptor
                self._orphan_path = path
                self._orphan_confirmed = 0
                return

    def _remove_orphan(self) -> None:
        self._orphan_path.unlink(missing_ok=True)
        os.close(self._orphan)
        self._orphan = -1


def _create(path: Path) -> int:
    """Create and lock a file at `path`; before the lock, another process may remove it as an orphan that is empty."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        wait_for_lock(descriptor)
        if os.fstat(descriptor).st_nlink:
            return descriptor
        os.close(descriptor)


def _is_at(descriptor: int, path: Path) -> bool:
    """Return whether the open file is the one at `path`."""
    with suppress(OSError):
        return os.path.samestat(os.fstat(descriptor), path.stat())
    return False


def _write(descriptor: int, content: bytes) -> None:
    remaining = memoryview(content)
    while remaining:
        remaining = remaining[os.write(descriptor, remaining) :]


def _line(descriptor: int, start: int) -> bytes:
    """Return the line that begins at `start`; without its line end if the file ends before."""
    line = b""
    while chunk := os.pread(descriptor, READ_BYTES, start + len(line)):
        end = chunk.find(b"\n")
        if end >= 0:
            return line + chunk[: end + 1]
        line += chunk
    return line
