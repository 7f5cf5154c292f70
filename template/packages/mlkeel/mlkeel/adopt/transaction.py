"""Replace several files of a project in one transaction: all of them, or none.

New files are written to a stage, a folder of the project with the same layout. Renaming it to `.adopted` commits the
transaction: if the process is killed after that, the next command finishes it.
"""

import contextlib
import errno
import filecmp
import json
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from mlkeel.errors import InputError
from mlkeel.files import TEMP_MAX_AGE_S

DECIDED = ".adopted"  # the committed stage
STAGE_PREFIX = ".adopting-"
GONE = ".gone.json"  # the files to remove
COPIES_FOLDER = ".replaced"
NEVER_COMMITTED = ("??", "!!", " A", "A ", "AM", "AD")  # states of git status --porcelain


@contextlib.contextmanager
def stage(root: Path) -> Iterator[Path]:
    """Create an empty folder in the project `root`, and remove it on exit, whatever happens.

    Raises:
        InputError: the project cannot be written.
    """
    for leftover in root.glob(f"{STAGE_PREFIX}*"):
        if time.time() - leftover.stat().st_mtime > TEMP_MAX_AGE_S:
            shutil.rmtree(leftover, ignore_errors=True)
    try:
        folder = Path(tempfile.mkdtemp(prefix=STAGE_PREFIX, dir=root))
    except OSError as error:
        raise InputError(f"{root}: cannot be written ({error.strerror}). Give yourself the permission.") from error
    try:
        folder.chmod(0o755)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def replace(root: Path, staged: Path, removed: list[Path]) -> None:
    """Move the files in `staged` into their places under `root`, and remove the files in `removed`.

    Raises:
        InputError: a file cannot be written.
    """
    finish(root)
    for path in staged.rglob("*"):
        destination = root / path.relative_to(staged)
        parent = next(parent for parent in destination.parents if parent.exists())
        if not os.access(parent, os.W_OK) or (destination.exists() and destination.is_dir() != path.is_dir()):
            raise InputError(
                f"{destination}: cannot be written, so nothing was changed. Give yourself the permission, or move it "
                "away."
            )
    with _ignore_interrupts():
        (staged / GONE).write_text(json.dumps([path.as_posix() for path in removed]), encoding="utf-8")
        _flush(staged)
        try:
            staged.rename(root / DECIDED)
        except OSError as error:
            raise InputError(f"{root / DECIDED}: is in the way ({error.strerror}). Run the command again.") from error
        finish(root)


def finish(root: Path) -> None:
    """Finish a committed transaction that was interrupted, if there is one.

    Raises:
        InputError: a file cannot be moved into its place.
    """
    decided = root / DECIDED
    if not decided.is_dir():
        return
    try:
        for path in _in_order(decided):
            destination = root / path.relative_to(decided)
            destination.parent.mkdir(parents=True, exist_ok=True)
            with contextlib.suppress(FileNotFoundError):  # another command may be finishing it as well
                _move(path, destination)
        with contextlib.suppress(FileNotFoundError):
            for name in json.loads((decided / GONE).read_text(encoding="utf-8")):
                (root / name).unlink(missing_ok=True)
    except OSError as error:
        raise InputError(
            f"{decided}: what it holds cannot be put in place ({error}). Make that possible, and run any command: it "
            "finishes the adoption. To give it up, delete that folder and run: git checkout -- ."
        ) from error
    shutil.rmtree(decided, ignore_errors=True)


def _move(path: Path, destination: Path) -> None:
    """Rename `path`; onto another file system, copy it first, so that `destination` is never half written."""
    try:
        path.replace(destination)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        copy = destination.with_name(f".{destination.name}.copy")
        if path.is_dir():
            shutil.rmtree(copy, ignore_errors=True)
            shutil.copytree(path, copy)
        else:
            shutil.copy2(path, copy)
        _flush(copy)
        copy.replace(destination)
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def _in_order(decided: Path) -> list[Path]:
    """List what to move: versions as whole folders, then files, and the name of the current version last."""
    artifacts = decided / "artifacts"
    versions = [path for path in artifacts.glob("*") if path.is_dir()]
    current = artifacts / "current"
    files = [path for path in decided.rglob("*") if path.is_file() and artifacts not in path.parents]
    last = [current] if current.is_file() else []
    return [*versions, *sorted(path for path in files if path.name != GONE), *last]


def at_risk(root: Path, paths: list[Path]) -> tuple[list[Path], list[Path]]:
    """Find those of `paths`, relative to `root`, that replacing would lose because git does not have them.

    Returns:
        Files that were edited since the last commit, and files that were never committed.
    """
    existing = [path for path in paths if (root / path).is_file()]
    try:
        status = subprocess.run(  # noqa: S603 - fixed words
            ["git", "status", "--porcelain", "-z", "--ignored", "--untracked-files=all", "--", *map(str, existing)],  # noqa: S607
            cwd=root,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        return [], existing  # no git, or no repository
    prefix = subprocess.run(
        ["git", "rev-parse", "--show-prefix"],  # noqa: S607
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    states = {entry[3:].removeprefix(prefix): entry[:2] for entry in status.split("\0") if entry}
    untracked = [path for path in existing if states.get(path.as_posix()) in NEVER_COMMITTED]
    return [path for path in existing if path.as_posix() in states and path not in untracked], untracked


def changes(root: Path, staged: Path, removed: list[Path]) -> dict[Path, tuple[int, int]]:
    """Count the lines that `replace` would add and remove, by file."""
    line_changes = {}
    for path in sorted([*(path.relative_to(staged) for path in staged.rglob("*") if path.is_file()), *removed]):
        if path.parts[0] != "artifacts":
            new = _line_counts(staged / path)
            old = _line_counts(root / path)
            line_changes[path] = (new - old).total(), (old - new).total()
    return line_changes


def _line_counts(path: Path) -> Counter[int]:
    """Count each line by its hash, which takes less memory than its text."""
    if not path.is_file():
        return Counter()
    with path.open("rb") as lines:
        return Counter(hash(line) for line in lines)


def keep_copies(root: Path, staged: Path, paths: list[Path]) -> Path | None:
    """Copy those of `paths` that `replace` would change into a dated folder of `.replaced/`; return it, if any."""
    paths = [path for path in paths if not _same(staged / path, root / path)]
    if not paths:
        return None
    folder = root / COPIES_FOLDER / f"{datetime.now(UTC):%Y%m%dT%H%M%S}"
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(root / path, folder / path)
    return folder


def _same(new: Path, old: Path) -> bool:
    return new.is_file() and filecmp.cmp(new, old, shallow=False)


def _flush(folder: Path) -> None:
    """Flush a file, or a folder and everything in it, to the disk."""
    for path in [*folder.rglob("*"), folder]:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextlib.contextmanager
def _ignore_interrupts() -> Iterator[None]:
    """Ignore Ctrl-C while files are being replaced."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
