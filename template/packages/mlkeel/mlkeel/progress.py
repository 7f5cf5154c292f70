"""Callbacks of a training, and a progress bar on a terminal."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

Advance = Callable[[int, float | None], None]


@dataclass(frozen=True)
class Callbacks:
    """Callbacks and checkpoints of a training, after each round.

    Attributes:
        advance: called with the number of rounds and the loss.
        checkpoint: the file from which training can resume, None to write none.
        checkpoint_every_s: the least time between two checkpoints, in seconds.
    """

    advance: Advance
    checkpoint: Path | None = None
    checkpoint_every_s: float = 5.0


@contextmanager
def progress(name: str, total: int) -> Iterator[Advance]:
    """Yield a function to call with the number of units done and a loss; it shows nothing without a terminal."""
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(name, total=total)

        def advance(done: int, loss: float | None = None) -> None:
            description = name if loss is None else f"{name}, loss {loss:.4g}"
            bar.update(task, completed=done, description=description)

        yield advance
