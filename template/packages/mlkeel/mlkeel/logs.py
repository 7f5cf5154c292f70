"""Configure logging from `conf/logging.yaml`, when a program starts and never on import.

By default there are readable lines on the console and rotating files under `logs/`; with LOG_FORMAT=json, as in a
container, there is one JSON object a line on stdout and no file.
"""

import copy
import logging.config
import os
import sys
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console
from rich.logging import RichHandler

from mlkeel.errors import InputError


def environment_format() -> str:
    """Return the format that LOG_FORMAT asks for: "console", which is the default, or "json"."""
    return os.environ.get("LOG_FORMAT") or "console"


def configure(root: Path, log_format: str | None = None) -> None:
    """Configure logging for the project in `root`, for the output `log_format`, by default that in LOG_FORMAT.

    Raises:
        InputError: the file is missing or broken, or there is no such output.
    """
    path = root / "conf" / "logging.yaml"
    try:
        config = yaml.safe_load(path.read_text(encoding="utf-8"))
        logging.config.dictConfig(for_output(config, log_format or environment_format(), root))
    except OSError as error:
        raise InputError(
            f"{error.filename}: cannot be used ({error.strerror}). Logs are set up from {path}; "
            "run this in the project's folder, or use --root."
        ) from error
    except (yaml.YAMLError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise InputError(f"{path}: logging cannot be set up from this ({' '.join(str(error).split())}).") from error


def for_output(config: dict[str, Any], log_format: str, root: Path) -> dict[str, Any]:
    """Return a copy of `config` with the handlers of one output only, and its files under `root`.

    Raises:
        ValueError: there is no such output.
    """
    if log_format not in ("console", "json"):
        raise ValueError(f'LOG_FORMAT is "{log_format}"; it must be console or json')
    result = copy.deepcopy(config)
    if log_format == "json":
        result["root"]["handlers"] = ["json"]
    result["handlers"] = {name: result["handlers"][name] for name in result["root"]["handlers"]}
    for handler in result["handlers"].values():
        if "filename" in handler:
            file = root / handler["filename"]
            file.parent.mkdir(parents=True, exist_ok=True)
            handler["filename"] = str(file)
    return result


def console(level: int | str = logging.NOTSET) -> logging.Handler:
    """Return a handler that writes readable lines to standard error, in color on a terminal."""
    stderr = Console(stderr=True)
    if stderr.is_terminal:
        return RichHandler(level, console=stderr, show_path=False, rich_tracebacks=True, log_time_format="%X")
    return logging.StreamHandler(sys.stderr)
