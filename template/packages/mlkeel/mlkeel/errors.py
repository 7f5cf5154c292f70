"""Errors that a user can correct; the message says what is wrong, where, and what to do."""

from enum import Enum, auto


class Hint(Enum):
    """A remedy whose words depend on how the program was called, so that the command line supplies them."""

    TRAIN = auto()
    SETUP = auto()
    CONTRACT = auto()
    CHOOSE_VERSION = auto()
    OTHER_TABLE = auto()
    OTHER_TARGET = auto()
    OTHER_ROLE = auto()
    PROTECTED = auto()
    OVERWRITE = auto()
    OTHER_GOAL = auto()
    LONGER_WINDOW = auto()
    STANDARD_INPUT = auto()


class InputError(Exception):
    """An error that a user can correct; the message says what is wrong, where, and what to do.

    Attributes:
        hint: a further remedy, None if the message says all.
    """

    def __init__(self, message: str = "", hint: Hint | None = None) -> None:
        super().__init__(message)
        self.hint = hint


class DataError(InputError):
    """A table that cannot be read or used as it is."""


class ContractError(InputError):
    """A suite that cannot be used, or a table that violates one."""


class ArtifactError(InputError):
    """A version that is missing or cannot be used."""
