"""Set up logging from `conf/logging.yaml`, when a program starts and never on import.

People get readable lines on the console and rotating files under `logs/`; with LOG_FORMAT=json, as in a container,
there is one JSON object a line on stdout and no file is written.
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


def output() -> str:
    """What LOG_FORMAT asks for: "console", which is the default, or "json"."""
    return os.environ.get("LOG_FORMAT") or "console"


def configure(root: Path, chosen: str | None = None) -> None:
    """Configure logging for the project in `root`, for the output that is `chosen` or else for that of LOG_FORMAT.

    Raises:
        InputError: the file is missing or broken, or there is no such output.
    """
    path = root / "conf" / "logging.yaml"
    try:
        config = yaml.safe_load(path.read_text(encoding="utf-8"))
        logging.config.dictConfig(for_output(config, chosen or output(), root))
    except OSError as error:
        raise InputError(
            f"{error.filename}: cannot be used ({error.strerror}). Logs are set up from {path}; "
            "run this in the project's folder, or use --root."
        ) from error
    except (yaml.YAMLError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise InputError(f"{path}: logging cannot be set up from this ({' '.join(str(error).split())}).") from error


def for_output(config: dict[str, Any], output: str, root: Path) -> dict[str, Any]:
    """A copy of `config` with the handlers of one output only, and its files under `root`.

    Raises:
        ValueError: there is no such output.
    """
    if output not in ("console", "json"):
        raise ValueError(f'LOG_FORMAT is "{output}"; it must be console or json')
    chosen = copy.deepcopy(config)
    if output == "json":
        chosen["root"]["handlers"] = ["json"]
    chosen["handlers"] = {name: chosen["handlers"][name] for name in chosen["root"]["handlers"]}
    for handler in chosen["handlers"].values():
        if "filename" in handler:
            file = root / handler["filename"]
            file.parent.mkdir(parents=True, exist_ok=True)
            handler["filename"] = str(file)
    return chosen


def console(level: int | str = logging.NOTSET) -> logging.Handler:
    """Readable lines on standard error: in colour for a person, plain where it is no terminal."""
    errors = Console(stderr=True)
    if errors.is_terminal:
        return RichHandler(level, console=errors, show_path=False, rich_tracebacks=True, log_time_format="%X")
    return logging.StreamHandler(sys.stderr)
