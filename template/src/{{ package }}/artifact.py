"""Keep what training leaves: one folder a version under `artifacts/`, whole or not at all.

`artifacts/current` is a one-line file that names the version in use; changing that line puts another one in use.
"""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from .settings import InputError

FILES = ("model.onnx", "features.json", "dataset.json", "drift.json", "metrics.json", "params.yaml", "MODEL_CARD.md")


class ArtifactError(InputError):
    """No artifact, or one that cannot be used."""


def write(artifacts: Path, version: str, files: dict[str, bytes]) -> Path:
    """Write `files` as `artifacts/<version>/` and return that folder.

    They are written beside it, flushed to the disk and renamed in one go, so a kill leaves no half of it.
    The litter of an earlier kill is taken away.

    Raises:
        ArtifactError: the version exists, or a file is missing from `files`.
    """
    if missing := set(FILES) - set(files):
        raise ArtifactError(f"artifacts/{version}: {', '.join(sorted(missing))} is missing, so nothing was written.")
    if (artifacts / version).exists():
        raise ArtifactError(f"{artifacts / version} exists already. Train again a second later.")
    artifacts.mkdir(parents=True, exist_ok=True)
    for litter in artifacts.glob(".unfinished-*"):
        shutil.rmtree(litter) if litter.is_dir() else litter.unlink()
    unfinished = Path(tempfile.mkdtemp(prefix=".unfinished-", dir=artifacts))
    try:
        unfinished.chmod(0o755)
        for name, content in files.items():
            with (unfinished / name).open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        _flush_folder(unfinished)
        unfinished.rename(artifacts / version)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    _flush_folder(artifacts)
    return artifacts / version


def put_in_use(artifacts: Path, version: str) -> None:
    """Let `artifacts/current` name `version`, in one step."""
    if not (artifacts / version).is_dir():
        raise ArtifactError(f"{artifacts / version}: there is no such version. See the folder for those there are.")
    with whole_file(artifacts / "current") as file:
        file.write(version + "\n")


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[TextIO]:
    """Open a text file to write that takes its place at `path` when all of it is on the disk, or not at all."""
    handle, name = tempfile.mkstemp(prefix=f".unfinished-{path.name}-", dir=path.parent)
    unfinished = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        unfinished.chmod(0o644)
        unfinished.replace(path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
    _flush_folder(path.parent)


def current(artifacts: Path) -> Path:
    """The folder of the version in use.

    Raises:
        ArtifactError: nothing is in use, or a file of it is missing.
    """
    try:
        version = (artifacts / "current").read_text(encoding="utf-8").strip()
    except FileNotFoundError as error:
        raise ArtifactError(f"{artifacts / 'current'}: no model is in use yet. Make one with: make train") from error
    folder = artifacts / version
    if missing := [name for name in FILES if not (folder / name).is_file()]:
        raise ArtifactError(
            f"{folder}: {', '.join(missing)} is missing, so this artifact cannot be used. Make another with: make train"
        )
    return folder


def _flush_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
