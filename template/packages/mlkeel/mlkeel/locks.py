"""Lock an open file, where the system can.

Where it cannot, nobody waits for anybody, and what another process holds is never taken over.
"""

from contextlib import suppress
from typing import IO

try:
    import fcntl
except ImportError:  # not on Windows
    fcntl = None  # type: ignore[assignment]


def wait_for_lock(file: IO[bytes] | int) -> None:
    """Wait until no other process holds the lock of `file`, and hold it until it is closed."""
    if fcntl is not None:
        fcntl.flock(file, fcntl.LOCK_EX)


def take_lock(file: IO[bytes] | int) -> bool:
    """Hold the lock of `file` until it is closed, if no other process does; whether it is held now."""
    if fcntl is None:
        return False
    with suppress(OSError):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False
