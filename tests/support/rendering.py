"""Copier within the process of the tests, which renders the template hundreds of times.

Half of a rendering is the same each time: compiling a thousand names and templates, and asking git for each file if
it ignores mode bits. As a program of its own, as in the tests of the README, Copier is left as it is.
"""

from types import CodeType
from typing import Any

import pytest
from copier._main import Worker
from jinja2 import Environment


def render_without_repetition(patch: pytest.MonkeyPatch) -> None:
    """Compile each text once, and leave out what matters only where `core.fileMode` of git is false."""
    compile_text: Any = Environment.compile
    codes: dict[tuple[object, ...], CodeType] = {}

    def compile_once(environment: Environment, source: str, *args: Any, **options: Any) -> CodeType:  # noqa: ANN401
        dialect = (type(environment), environment.lexer, *environment.extensions)
        key = (*dialect, source, *args, *options.items())
        if key not in codes:
            codes[key] = compile_text(environment, source, *args, **options)
        return codes[key]

    patch.setattr(Environment, "compile", compile_once)
    patch.setattr(Worker, "_sync_git_index_executable_bit", lambda *_: None, raising=False)
