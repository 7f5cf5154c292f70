"""Which version of the model is in use, which were before, and what there is to choose from.

`artifacts/current` alone decides what is in use. `artifacts/promotions.jsonl` remembers what was: one line a change. A
person may write `current` by hand, so the log may be behind; it is believed only for what came before.
"""

import contextlib
import json
import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Literal

from mlkeel.config import KeptSettings, read_settings
from mlkeel.contract.wording import shortened
from mlkeel.errors import ArtifactError, Hint, InputError
from mlkeel.inference.service import Service
from mlkeel.locks import wait_for_lock
from mlkeel.registry.artifact import put_in_use, refuse_what_is_incomplete
from mlkeel.registry.metrics_file import MetricsFile

logger = logging.getLogger(__name__)
LOG, NAME = "promotions.jsonl", r"\w[\w.-]{0,99}"
By = Literal["train", "promote", "rollback"]
SHOWN = 5  # versions that a message names


@dataclass(frozen=True)
class Change:
    """A line of the log: since when a version was in use, why, and which was before."""

    time: str
    version: str
    by: str
    before: str | None


@dataclass(frozen=True)
class Version:
    """A folder of `artifacts/`; `fault` says why it is no version that could be used, and then the rest is empty."""

    version: str
    in_use: bool
    until: str | None
    created: str = ""
    rows: dict[str, int] = field(default_factory=dict)
    scores: dict[str, Any] = field(default_factory=dict)
    data: str = ""
    commit: str | None = None
    shortcomings: list[str] = field(default_factory=list)
    champion: dict[str, Any] | None = None
    fault: str | None = None


def use(artifacts: Path, version: str, by: By) -> None:
    """Put `version` in use and note it."""
    with _alone(artifacts) as log:
        _use(artifacts, version, by, log)


def promote(root: Path, asked: str) -> str:
    """Put the version in use whose name is or begins with `asked`, and return its name.

    Raises:
        InputError: there is none or more than one, or it does not work. What was in use still is.
    """
    artifacts = root / "artifacts"
    version = _find(artifacts, asked)
    _refuse_what_does_not_work(artifacts / version)
    with _alone(artifacts) as log:
        if version != in_use(artifacts):
            _use(artifacts, version, "promote", log)
    _warn(root, version)
    return version


def rollback(root: Path) -> str:
    """Put the version in use that was before the one in use, and return its name.

    Raises:
        InputError: there was none, or it does not work. What was in use still is.
    """
    artifacts = root / "artifacts"
    if not artifacts.is_dir():
        raise ArtifactError(f"{artifacts}: there are no versions yet.", Hint.TRAIN)
    with _alone(artifacts) as log:
        now = in_use(artifacts)
        earlier = [version for version in before(history(artifacts), now) if version != now]
        while earlier and not (artifacts / earlier[-1]).is_dir():
            logger.warning("%s was in use before, and is not there any more.", earlier.pop())
        if not earlier:
            raise ArtifactError(
                f"{artifacts / LOG}: it names no version that was in use before {now or 'now'} and is still there.",
                Hint.CHOOSE_VERSION,
            )
        _refuse_what_does_not_work(artifacts / earlier[-1])
        _use(artifacts, earlier[-1], "rollback", log)
    _warn(root, earlier[-1])
    return earlier[-1]


def in_use(artifacts: Path) -> str | None:
    """The name that stands in `artifacts/current`, whatever it is; None if there is none."""
    with contextlib.suppress(OSError, UnicodeDecodeError):
        return (artifacts / "current").read_text(encoding="utf-8").strip() or None
    return None


def history(artifacts: Path) -> list[Change]:
    """The lines of the log, oldest first; one that a kill or a full disk cut is left out."""
    found = []
    with contextlib.suppress(OSError):
        for line in (artifacts / LOG).read_text(encoding="utf-8", errors="replace").splitlines():
            with contextlib.suppress(ValueError, KeyError, TypeError):
                entry = json.loads(line)
                names = (entry["version"], entry.get("from") or entry["version"])
                if all(re.fullmatch(NAME, name, re.ASCII) for name in names):
                    found.append(Change(str(entry["time"]), str(entry["version"]), str(entry["by"]), entry.get("from")))
    return found


def before(changes: list[Change], now: str | None) -> list[str]:
    """The versions to which rollbacks lead from `now`, the nearest last."""
    stack: list[str] = []
    for change in changes:
        if change.before and change.before != (stack[-1] if stack else None):
            stack.append(change.before)  # somebody wrote `current` by hand, or there was no log yet
        if change.by == "rollback" and change.version in stack:
            while stack[-1] != change.version:
                stack.pop()
        else:
            stack.append(change.version)
    return stack[:-1] if stack and stack[-1] == now else stack


def versions(artifacts: Path) -> list[Version]:
    """What there is to choose from, newest first, and in the end folders that are no versions."""
    if not artifacts.is_dir():
        return []
    now, left = in_use(artifacts), {change.before: change.time for change in history(artifacts)}
    names = [path.name for path in artifacts.iterdir() if path.is_dir() and not path.name.startswith(".")]
    found = [_read(artifacts / name, name == now, None if name == now else left.get(name)) for name in names]
    return sorted(found, key=lambda one: (one.created, one.version), reverse=True)


def _find(artifacts: Path, asked: str) -> str:
    there = [one.version for one in versions(artifacts)]
    found = [name for name in there if name == asked] or [name for name in there if asked and name.startswith(asked)]
    if len(found) != 1 or not re.fullmatch(NAME, found[0], re.ASCII):
        shown = ", ".join((found or there)[:SHOWN]) + (", …" if len(found or there) > SHOWN else "")
        what = f"{len(found)} versions begin so" if found else "there is no such version"
        raise ArtifactError(f"{asked}: {what} in {artifacts} ({shown or 'none'}).", Hint.CHOOSE_VERSION)
    return found[0]


def _refuse_what_does_not_work(folder: Path) -> None:
    try:
        refuse_what_is_incomplete(folder)
        Service.open(folder)
    except InputError as error:
        raise ArtifactError(f"{error} What was in use still is.", error.hint) from error
    except Exception as error:  # whatever it is, it is better found now than by whoever serves it
        raise ArtifactError(f"{folder}: it does not work ({error}). What was in use still is.") from error


def _warn(root: Path, version: str) -> None:
    """Repeat what speaks against a version; a person has decided, and should know."""
    folder = root / "artifacts" / version
    if shortcomings := _read(folder, True, None).shortcomings:
        logger.warning("%s did not pass the gate. %s", version, shortened(shortcomings, f"{folder}/MODEL_CARD.md"))
    with contextlib.suppress(InputError):
        paths = (folder / "params.yaml", root / "conf" / "params.yaml")
        target, wanted = (read_settings(path, KeptSettings).data.target for path in paths)
        if target != wanted:
            logger.warning("%s predicts %s, and conf/params.yaml is about %s.", version, target, wanted)


@contextlib.contextmanager
def _alone(artifacts: Path) -> Iterator[IO[bytes]]:
    """Open the log to add to it, and let no other change happen meanwhile."""
    try:
        log = (artifacts / LOG).open("ab")
    except OSError as error:
        raise ArtifactError(
            f"{artifacts / LOG}: cannot be written ({error.strerror}). The model in use is as it was; make room "
            "or give yourself the permission."
        ) from error
    with log:
        wait_for_lock(log)
        yield log


def _use(artifacts: Path, version: str, by: By, log: IO[bytes]) -> None:
    was = in_use(artifacts)
    put_in_use(artifacts, version)
    entry = {"time": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}", "version": version, "by": by, "from": was}
    torn = (artifacts / LOG).read_bytes()[-1:] not in (b"", b"\n")
    log.write(b"\n" * torn + json.dumps(entry).encode() + b"\n")


def _read(folder: Path, used: bool, until: str | None) -> Version:
    if not (folder / "metrics.json").is_file():
        return Version(folder.name, used, until, fault="no artifact: there is no metrics.json")
    try:
        refuse_what_is_incomplete(folder)
    except InputError as error:
        return Version(folder.name, used, until, fault=f"damaged: {str(error).partition(': ')[2]}")
    try:
        metrics = MetricsFile.read(folder)
    except InputError:
        return Version(folder.name, used, until, fault="damaged: metrics.json cannot be read")
    return Version(
        folder.name,
        used,
        until,
        metrics.created,
        metrics.rows,
        metrics.model.model_dump(),
        metrics.data.sha256,
        metrics.commit,
        metrics.shortcomings,
        metrics.champion,
    )
