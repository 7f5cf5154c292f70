"""Show how far a long step is, to a person who watches and to nobody else."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

Advance = Callable[[int, float | None], None]


@dataclass(frozen=True)
class Watch:
    """Whom a training tells how many rounds are done and at which loss, and the file from which it may be resumed.

    `pause` is how many seconds lie at least between two checkpoints.
    """

    advance: Advance
    checkpoint: Path | None = None
    pause: float = 5.0


@contextmanager
def progress(name: str, total: int) -> Iterator[Advance]:
    """Give a function to call with the number of units done, and a loss; silent where standard error is no terminal."""
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(name, total=total)

        def advance(done: int, loss: float | None = None) -> None:
            said = name if loss is None else f"{name}, loss {loss:.4g}"
            bar.update(task, completed=done, description=said)

        yield advance
