"""Errors that a person can put right; the message says what, where and how."""


class InputError(Exception):
    """Something that a person can put right; the message says what, where and how."""


class DataError(InputError):
    """A table that cannot be read or used as it is."""


class ContractError(InputError):
    """A suite that cannot be used, or a table that breaks one."""


class ArtifactError(InputError):
    """No artifact, or one that cannot be used."""
