"""Replace several files of a project as one: all of them, or none.

New files are gathered in a stage, a folder of the project with the same layout. One rename turns it into `.adopted`,
and with that the change is decided: what a kill interrupts after it is finished by whatever command runs next.
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
from mlkeel.files import LITTER_AGE

DECIDED, STAGE, GONE, KEPT = ".adopted", ".adopting-", ".gone.json", ".replaced"


@contextlib.contextmanager
def stage(root: Path) -> Iterator[Path]:
    """Give an empty folder in the project `root`, and take it away in the end, whatever happens.

    Raises:
        InputError: the project cannot be written.
    """
    for litter in root.glob(f"{STAGE}*"):
        if time.time() - litter.stat().st_mtime > LITTER_AGE:
            shutil.rmtree(litter, ignore_errors=True)
    try:
        folder = Path(tempfile.mkdtemp(prefix=STAGE, dir=root))
    except OSError as error:
        raise InputError(f"{root}: cannot be written ({error.strerror}). Give yourself the permission.") from error
    try:
        folder.chmod(0o755)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def replace(root: Path, staged: Path, gone: list[Path]) -> None:
    """Put the files in `staged` into their places under `root`, and take away those that are `gone`."""
    finish(root)
    for path in staged.rglob("*"):
        goal = root / path.relative_to(staged)
        nearest = next(parent for parent in goal.parents if parent.exists())
        if not os.access(nearest, os.W_OK) or (goal.exists() and goal.is_dir() != path.is_dir()):
            raise InputError(
                f"{goal}: cannot be written, so nothing was changed. Give yourself the permission, or move it away."
            )
    with _no_interruption():
        (staged / GONE).write_text(json.dumps([path.as_posix() for path in gone]), encoding="utf-8")
        _flush(staged)
        try:
            staged.rename(root / DECIDED)
        except OSError as error:
            raise InputError(f"{root / DECIDED}: is in the way ({error.strerror}). Run the command again.") from error
        finish(root)


def finish(root: Path) -> None:
    """Finish what a kill interrupted after it was decided; nothing to do is fine.

    Raises:
        InputError: a file cannot be put into its place.
    """
    decided = root / DECIDED
    if not decided.is_dir():
        return
    try:
        for path in _in_order(decided):
            goal = root / path.relative_to(decided)
            goal.parent.mkdir(parents=True, exist_ok=True)
            with contextlib.suppress(FileNotFoundError):  # another command may be finishing it as well
                _move(path, goal)
        with contextlib.suppress(FileNotFoundError):
            for name in json.loads((decided / GONE).read_text(encoding="utf-8")):
                (root / name).unlink(missing_ok=True)
    except OSError as error:
        raise InputError(
            f"{decided}: what it holds cannot be put in place ({error}). Make that possible, and run any command: it "
            "finishes the adoption. To give it up, delete that folder and run: git checkout -- ."
        ) from error
    shutil.rmtree(decided, ignore_errors=True)


def _move(path: Path, goal: Path) -> None:
    """Rename or, onto another file system, copy beside the goal first, so that the goal is never half written."""
    try:
        path.replace(goal)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        beside = goal.with_name(f".{goal.name}.copy")
        if path.is_dir():
            shutil.rmtree(beside, ignore_errors=True)
            shutil.copytree(path, beside)
        else:
            shutil.copy2(path, beside)
        _flush(beside)
        beside.replace(goal)
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def _in_order(decided: Path) -> list[Path]:
    """What to move: files, but an artifact as one folder, and the name of the one in use last of all."""
    artifacts = decided / "artifacts"
    versions = [path for path in artifacts.glob("*") if path.is_dir()]
    current = artifacts / "current"
    others = [path for path in decided.rglob("*") if path.is_file() and artifacts not in path.parents]
    last = [current] if current.is_file() else []
    return [*versions, *sorted(path for path in others if path.name != GONE), *last]


def at_risk(root: Path, paths: list[Path]) -> tuple[list[Path], list[Path]]:
    """Those of `paths`, relative to `root`, that exist and are not as git has them: edited ones, and unknown ones."""
    there = [path for path in paths if (root / path).is_file()]
    try:
        said = subprocess.run(  # noqa: S603 - fixed words
            ["git", "status", "--porcelain", "-z", "--ignored", "--untracked-files=all", "--", *map(str, there)],  # noqa: S607
            cwd=root,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        return [], there  # no git, or no repository
    top = subprocess.run(
        ["git", "rev-parse", "--show-prefix"],  # noqa: S607
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    states = {entry[3:].removeprefix(top): entry[:2] for entry in said.split("\0") if entry}
    unknown = [path for path in there if states.get(path.as_posix()) in ("??", "!!", "A ")]
    return [path for path in there if path.as_posix() in states and path not in unknown], unknown


def changes(root: Path, staged: Path, gone: list[Path]) -> dict[Path, tuple[int, int]]:
    """For each file that `replace` would write or take away, how many of its lines are new and how many are lost."""
    found = {}
    for path in sorted([*(path.relative_to(staged) for path in staged.rglob("*") if path.is_file()), *gone]):
        if path.parts[0] != "artifacts":
            new, old = _lines(staged / path), _lines(root / path)
            found[path] = (new - old).total(), (old - new).total()
    return found


def _lines(path: Path) -> Counter[int]:
    if not path.is_file():
        return Counter()
    with path.open("rb") as lines:
        return Counter(hash(line) for line in lines)


def keep_copies(root: Path, staged: Path, paths: list[Path]) -> Path | None:
    """Copy those of `paths` that will be other ones into a dated folder of `.replaced/`, and return it, if any."""
    paths = [path for path in paths if not _same(staged / path, root / path)]
    if not paths:
        return None
    folder = root / KEPT / f"{datetime.now(UTC):%Y%m%dT%H%M%S}"
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(root / path, folder / path)
    return folder


def _same(new: Path, old: Path) -> bool:
    return new.is_file() and filecmp.cmp(new, old, shallow=False)


def _flush(folder: Path) -> None:
    """Write a file, or a folder and all in it, to the disk."""
    for path in [*folder.rglob("*"), folder]:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextlib.contextmanager
def _no_interruption() -> Iterator[None]:
    """Let Ctrl-C wait for a moment in which there is nothing half done."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
