"""Write and find artifacts: one folder a version under `artifacts/`, whole or not at all.

`artifacts/current` is a one-line file that names the current version; changing that line makes another one current.
"""

import contextlib
import json
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from mlkeel.errors import ArtifactError, Hint
from mlkeel.files import TEMP_MAX_AGE_S, TEMP_PREFIX, atomic_write, flush_folder

FILES = ("model.onnx", "features.json", "dataset.json", "drift.json", "metrics.json", "params.yaml", "MODEL_CARD.md")
DERIVED = "derived.json"  # of a version that was made with rules of derived columns


def write(artifacts: Path, version: str, files: dict[str, bytes]) -> Path:
    """Write `files` as `artifacts/<version>/` and return that folder.

    They are written to a temporary folder, flushed to the disk and renamed at once: a kill leaves no partial version.
    Old temporary files of killed trainings are removed.

    Raises:
        ArtifactError: the version exists, a file is missing from `files`, or the folder cannot be written.
    """
    if missing := set(FILES) - set(files):
        raise ArtifactError(f"artifacts/{version}: {', '.join(sorted(missing))} is missing, so nothing was written.")
    if (artifacts / version).exists():
        raise ArtifactError(f"{artifacts / version} exists already. Choose another version.")
    with _translate_errors(artifacts):
        artifacts.mkdir(parents=True, exist_ok=True)
        _remove_temp_files(artifacts)
        _write_folder(artifacts, version, files)
    return artifacts / version


def _write_folder(artifacts: Path, version: str, files: dict[str, bytes]) -> None:
    unfinished = Path(tempfile.mkdtemp(prefix=TEMP_PREFIX, dir=artifacts))
    try:
        unfinished.chmod(0o755)
        for name, content in files.items():
            with (unfinished / name).open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            (unfinished / name).chmod(0o644)  # for the user of a container, whatever the umask is
        flush_folder(unfinished)
        unfinished.rename(artifacts / version)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    flush_folder(artifacts)


def set_current(artifacts: Path, version: str) -> None:
    """Make `version` current: replace `artifacts/current` atomically.

    Raises:
        ArtifactError: there is no such version, or the file cannot be written.
    """
    if not (artifacts / version).is_dir():
        raise ArtifactError(f"{artifacts / version}: there is no such version. See the folder for those there are.")
    with _translate_errors(artifacts), atomic_write(artifacts / "current") as file:
        file.write(version + "\n")


def current(artifacts: Path) -> Path:
    """Return the folder of the current version.

    Raises:
        ArtifactError: there is none, `artifacts/current` names no folder, or a file of it is missing.
    """
    try:
        version = (artifacts / "current").read_text(encoding="utf-8").strip()
    except FileNotFoundError as error:
        raise ArtifactError(f"{artifacts / 'current'}: no version is current yet.", Hint.TRAIN) from error
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
    check_complete(folder)
    return folder


def check_complete(folder: Path) -> None:
    """Check that the artifact in `folder` has all its files.

    Raises:
        ArtifactError: files are missing; the message names them.
    """
    files = (*FILES, DERIVED) if _has_derived_rules(folder) else FILES
    if missing := [name for name in files if not (folder / name).is_file()]:
        raise ArtifactError(
            f"{folder}: {', '.join(missing)} is missing, so this artifact cannot be used.",
            Hint.TRAIN,
        )


def _has_derived_rules(folder: Path) -> bool:
    """Return whether `metrics.json` of the version in `folder` says so; if it cannot be read, its reader will tell."""
    try:
        metrics = json.loads((folder / "metrics.json").read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(metrics, dict) and metrics.get("derived_rules") is True


def _remove_temp_files(artifacts: Path) -> None:
    """Remove temporary files older than an hour; younger ones may belong to a training that still runs."""
    for path in artifacts.glob(f"{TEMP_PREFIX}*"):
        with contextlib.suppress(FileNotFoundError):  # another training may remove them just now
            if time.time() - path.stat().st_mtime > TEMP_MAX_AGE_S:
                shutil.rmtree(path) if path.is_dir() else path.unlink()


@contextlib.contextmanager
def _translate_errors(artifacts: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ArtifactError(
            f"{artifacts}: cannot be written ({error.strerror}). The current version is as it was; make room or give "
            "yourself the permission, and train again."
        ) from error
