"""Lock an open file, on systems that can.

On others, waiting for a lock returns at once, and taking one fails, so that files of other processes stay untouched.
"""

from contextlib import suppress
from typing import IO

try:
    import fcntl
except ImportError:  # not on Windows
    fcntl = None  # type: ignore[assignment]


def wait_for_lock(file: IO[bytes] | int) -> None:
    """Wait for the lock of `file`, and hold it until the file is closed."""
    if fcntl is not None:
        fcntl.flock(file, fcntl.LOCK_EX)


def take_lock(file: IO[bytes] | int) -> bool:
    """Take the lock of `file` until the file is closed, unless another process has it; return whether it was taken."""
    if fcntl is None:
        return False
    with suppress(OSError):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False
