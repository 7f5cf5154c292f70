"""Errors that a person can put right; the message says what, where and how."""

from enum import Enum, auto


class Hint(Enum):
    """What else would help, when how to do it depends on how the program was called; the command line says it."""

    TRAIN = auto()
    SETUP = auto()
    CHOOSE_VERSION = auto()
    OTHER_TABLE = auto()
    OTHER_TARGET = auto()
    OTHER_ROLE = auto()
    OVERWRITE = auto()
    OTHER_GOAL = auto()
    LONGER_WINDOW = auto()
    STANDARD_INPUT = auto()


class InputError(Exception):
    """Something that a person can put right; the message says what, where and how.

    Attributes:
        hint: a remedy whose words depend on how the program was called, None if the message says all.
    """

    def __init__(self, message: str = "", hint: Hint | None = None) -> None:
        super().__init__(message)
        self.hint = hint


class DataError(InputError):
    """A table that cannot be read or used as it is."""


class ContractError(InputError):
    """A suite that cannot be used, or a table that breaks one."""


class ArtifactError(InputError):
    """No artifact, or one that cannot be used."""
