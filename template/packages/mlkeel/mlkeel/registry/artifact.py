"""Keep what training leaves: one folder a version under `artifacts/`, whole or not at all.

`artifacts/current` is a one-line file that names the version in use; changing that line puts another one in use.
"""

import contextlib
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from mlkeel.errors import ArtifactError, Hint
from mlkeel.files import LITTER, LITTER_AGE, flush_folder, whole_file

FILES = ("model.onnx", "features.json", "dataset.json", "drift.json", "metrics.json", "params.yaml", "MODEL_CARD.md")


def write(artifacts: Path, version: str, files: dict[str, bytes]) -> Path:
    """Write `files` as `artifacts/<version>/` and return that folder.

    They are written beside it, flushed to the disk and renamed in one go, so a kill leaves no half of it.
    What an earlier kill left is taken away.

    Raises:
        ArtifactError: the version exists, a file is missing from `files`, or the folder cannot be written.
    """
    if missing := set(FILES) - set(files):
        raise ArtifactError(f"artifacts/{version}: {', '.join(sorted(missing))} is missing, so nothing was written.")
    if (artifacts / version).exists():
        raise ArtifactError(f"{artifacts / version} exists already. Choose another version.")
    with _said_plainly(artifacts):
        artifacts.mkdir(parents=True, exist_ok=True)
        _remove_litter(artifacts)
        _write_folder(artifacts, version, files)
    return artifacts / version


def _write_folder(artifacts: Path, version: str, files: dict[str, bytes]) -> None:
    unfinished = Path(tempfile.mkdtemp(prefix=LITTER, dir=artifacts))
    try:
        unfinished.chmod(0o755)
        for name, content in files.items():
            with (unfinished / name).open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            (unfinished / name).chmod(0o644)  # for the user of a container, whatever the umask here
        flush_folder(unfinished)
        unfinished.rename(artifacts / version)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    flush_folder(artifacts)


def put_in_use(artifacts: Path, version: str) -> None:
    """Let `artifacts/current` name `version`, in one step."""
    if not (artifacts / version).is_dir():
        raise ArtifactError(f"{artifacts / version}: there is no such version. See the folder for those there are.")
    with _said_plainly(artifacts), whole_file(artifacts / "current") as file:
        file.write(version + "\n")


def current(artifacts: Path) -> Path:
    """The folder of the version in use.

    Raises:
        ArtifactError: nothing is in use, `artifacts/current` names no folder, or a file of it is missing.
    """
    try:
        version = (artifacts / "current").read_text(encoding="utf-8").strip()
    except FileNotFoundError as error:
        raise ArtifactError(f"{artifacts / 'current'}: no model is in use yet.", Hint.TRAIN) from error
    except (OSError, UnicodeDecodeError):
        version = ""
    if not re.fullmatch(r"\w[\w.-]{0,99}", version, re.ASCII):
        raise ArtifactError(
            f"{artifacts / 'current'}: this must be a file with one line, the name of a folder beside it. "
            "Write one of those there.",
            Hint.TRAIN,
        )
    folder = artifacts / version
    if not folder.is_dir():
        raise ArtifactError(
            f"{artifacts / 'current'} names {version}, and there is no such folder. Write the name of one there is."
        )
    refuse_what_is_incomplete(folder)
    return folder


def refuse_what_is_incomplete(folder: Path) -> None:
    """See that the artifact in `folder` has all its files.

    Raises:
        ArtifactError: names those that are missing.
    """
    if missing := [name for name in FILES if not (folder / name).is_file()]:
        raise ArtifactError(
            f"{folder}: {', '.join(missing)} is missing, so this artifact cannot be used.",
            Hint.TRAIN,
        )


def _remove_litter(artifacts: Path) -> None:
    """Take away what a kill left an hour ago or longer; anything younger may be a training that still runs."""
    for litter in artifacts.glob(f"{LITTER}*"):
        if time.time() - litter.stat().st_mtime > LITTER_AGE:
            shutil.rmtree(litter) if litter.is_dir() else litter.unlink()


@contextlib.contextmanager
def _said_plainly(artifacts: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ArtifactError(
            f"{artifacts}: cannot be written ({error.strerror}). The model in use is as it was; make room or give "
            "yourself the permission, and train again."
        ) from error
