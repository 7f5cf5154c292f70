"""The versions of the model: which is current, which were before, and how to change that.

`artifacts/current` alone decides which version is current. `artifacts/promotions.jsonl` is a log of the changes, one
line each. A person may also edit `current` by hand, so the log may be incomplete; it decides only what was current
before.
"""

import contextlib
import json
import logging
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Literal

from mlkeel.config import LenientSettings, read_settings
from mlkeel.contract.messages import summarize
from mlkeel.data.split_description import SplitDescription
from mlkeel.errors import ArtifactError, Hint, InputError
from mlkeel.inference.loaded_model import LoadedModel
from mlkeel.locks import wait_for_lock
from mlkeel.registry.artifact import check_complete, set_current
from mlkeel.registry.metrics_file import MetricsFile

logger = logging.getLogger(__name__)
LOG = "promotions.jsonl"
NAME_PATTERN = r"\w[\w.-]{0,99}"
By = Literal["train", "promote", "rollback"]
MAX_LISTED = 5  # in a message


@dataclass(frozen=True)
class Promotion:
    """A line of the log: when a version became current, by which command, and which was current before."""

    time: str
    version: str
    by: str
    previous: str | None


@dataclass(frozen=True)
class Version:
    """A folder of `artifacts/`; `error` says why it is no usable version, and then the other fields are empty."""

    version: str
    is_current: bool
    until: str | None
    created: str = ""
    rows: dict[str, int] = field(default_factory=dict)
    scores: dict[str, Any] = field(default_factory=dict)
    data: str = ""
    commit: str | None = None
    failures: list[str] = field(default_factory=list)
    champion: dict[str, Any] | None = None
    split: SplitDescription | None = None
    error: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON holds it."""
        return asdict(self) | {"split": self.split and self.split.model_dump(mode="json")}


def make_current(artifacts: Path, version: str, by: By) -> None:
    """Make `version` current, and log the change."""
    with _locked_log(artifacts) as log:
        _set_current_and_log(artifacts, version, by, log)


def promote(root: Path, prefix: str) -> str:
    """Make the version current whose name is or begins with `prefix`, and return its name.

    Raises:
        InputError: there is none or more than one, or it cannot be loaded. The current version stays.
    """
    artifacts = root / "artifacts"
    version = _resolve_name(artifacts, prefix)
    _check_works(artifacts / version)
    with _locked_log(artifacts) as log:
        if version != current_name(artifacts):
            _set_current_and_log(artifacts, version, "promote", log)
    _warn_of_failures(root, version)
    return version


def rollback(root: Path) -> str:
    """Make the version current again that was current before, and return its name.

    Raises:
        InputError: there was none, or it cannot be loaded. The current version stays.
    """
    artifacts = root / "artifacts"
    if not artifacts.is_dir():
        raise ArtifactError(f"{artifacts}: there are no versions yet.", Hint.TRAIN)
    with _locked_log(artifacts) as log:
        current = current_name(artifacts)
        earlier = [version for version in rollback_targets(history(artifacts), current) if version != current]
        while earlier and not (artifacts / earlier[-1]).is_dir():
            logger.warning("%s was current before, and is not there any more.", earlier.pop())
        if not earlier:
            raise ArtifactError(
                f"{artifacts / LOG}: it names no version that was current before {current or 'now'} and is still "
                "there.",
                Hint.CHOOSE_VERSION,
            )
        _check_works(artifacts / earlier[-1])
        _set_current_and_log(artifacts, earlier[-1], "rollback", log)
    _warn_of_failures(root, earlier[-1])
    return earlier[-1]


def current_name(artifacts: Path) -> str | None:
    """Return the content of `artifacts/current`, which may be no version; None if it is absent, unreadable or empty."""
    with contextlib.suppress(OSError, UnicodeDecodeError):
        return (artifacts / "current").read_text(encoding="utf-8").strip() or None
    return None


def history(artifacts: Path) -> list[Promotion]:
    """Return the lines of the log, oldest first, without those that a kill or a full disk truncated."""
    promotions = []
    with contextlib.suppress(OSError):
        for line in (artifacts / LOG).read_text(encoding="utf-8", errors="replace").splitlines():
            with contextlib.suppress(ValueError, KeyError, TypeError):
                entry = json.loads(line)
                names = (entry["version"], entry.get("from") or entry["version"])
                if all(re.fullmatch(NAME_PATTERN, name, re.ASCII) for name in names):
                    promotions.append(
                        Promotion(str(entry["time"]), str(entry["version"]), str(entry["by"]), entry.get("from"))
                    )
    return promotions


def rollback_targets(promotions: list[Promotion], current: str | None) -> list[str]:
    """Return the versions to which rollbacks lead from `current`, the next one last."""
    stack: list[str] = []
    for promotion in promotions:
        if promotion.previous and promotion.previous != (stack[-1] if stack else None):
            stack.append(promotion.previous)  # a person edited `current` by hand, or there was no log yet
        if promotion.by == "rollback" and promotion.version in stack:
            while stack[-1] != promotion.version:
                stack.pop()
        else:
            stack.append(promotion.version)
    return stack[:-1] if stack and stack[-1] == current else stack


def versions(artifacts: Path) -> list[Version]:
    """Return all versions, newest first, followed by the folders that are no usable versions."""
    if not artifacts.is_dir():
        return []
    current = current_name(artifacts)
    replaced_at = {promotion.previous: promotion.time for promotion in history(artifacts)}
    names = [path.name for path in artifacts.iterdir() if path.is_dir() and not path.name.startswith(".")]
    unsorted = [
        _read_version(artifacts / name, name == current, None if name == current else replaced_at.get(name))
        for name in names
    ]
    return sorted(unsorted, key=lambda version: (version.created, version.version), reverse=True)


def _resolve_name(artifacts: Path, prefix: str) -> str:
    names = [version.version for version in versions(artifacts)]
    matches = [name for name in names if name == prefix] or [
        name for name in names if prefix and name.startswith(prefix)
    ]
    if len(matches) != 1 or not re.fullmatch(NAME_PATTERN, matches[0], re.ASCII):
        candidates = matches or names
        listed = ", ".join(candidates[:MAX_LISTED]) + (", …" if len(candidates) > MAX_LISTED else "")
        problem = f"{len(matches)} versions begin so" if matches else "there is no such version"
        raise ArtifactError(f"{prefix}: {problem} in {artifacts} ({listed or 'none'}).", Hint.CHOOSE_VERSION)
    return matches[0]


def _check_works(folder: Path) -> None:
    try:
        check_complete(folder)
        LoadedModel.open(folder)
    except InputError as error:
        raise ArtifactError(f"{error} What was current still is.", error.hint) from error
    except Exception as error:  # any error is better raised here than while serving
        raise ArtifactError(f"{folder}: it does not work ({error}). What was current still is.") from error


def _warn_of_failures(root: Path, version: str) -> None:
    """Log the gate's failures and another target of a version that a person made current."""
    folder = root / "artifacts" / version
    if failures := _read_version(folder, True, None).failures:
        logger.warning("%s did not pass the gate. %s", version, summarize(failures, f"{folder}/MODEL_CARD.md"))
    with contextlib.suppress(InputError):
        paths = (folder / "params.yaml", root / "conf" / "params.yaml")
        target, configured = (read_settings(path, LenientSettings).data.target for path in paths)
        if target != configured:
            logger.warning("%s predicts %s, and conf/params.yaml is about %s.", version, target, configured)


@contextlib.contextmanager
def _locked_log(artifacts: Path) -> Iterator[IO[bytes]]:
    """Open the log for appending, and lock it against concurrent changes."""
    try:
        log = (artifacts / LOG).open("ab")
    except OSError as error:
        raise ArtifactError(
            f"{artifacts / LOG}: cannot be written ({error.strerror}). The current version is as it was; make room "
            "or give yourself the permission."
        ) from error
    with log:
        wait_for_lock(log)
        yield log


def _set_current_and_log(artifacts: Path, version: str, by: By, log: IO[bytes]) -> None:
    previous = current_name(artifacts)
    set_current(artifacts, version)
    entry = {"time": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}", "version": version, "by": by, "from": previous}
    truncated = (artifacts / LOG).read_bytes()[-1:] not in (b"", b"\n")
    log.write(b"\n" * truncated + json.dumps(entry).encode() + b"\n")


def _read_version(folder: Path, is_current: bool, until: str | None) -> Version:
    if not (folder / "metrics.json").is_file():
        return Version(folder.name, is_current, until, error="no artifact: there is no metrics.json")
    try:
        check_complete(folder)
    except InputError as error:
        return Version(folder.name, is_current, until, error=f"damaged: {str(error).partition(': ')[2]}")
    try:
        metrics = MetricsFile.read(folder)
    except InputError:
        return Version(folder.name, is_current, until, error="damaged: metrics.json cannot be read")
    return Version(
        folder.name,
        is_current,
        until,
        metrics.created,
        metrics.rows,
        metrics.model.model_dump(),
        metrics.data.sha256,
        metrics.commit,
        metrics.failures,
        metrics.champion,
        metrics.split,
    )
