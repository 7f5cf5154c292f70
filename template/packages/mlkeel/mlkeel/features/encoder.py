"""The interface of encoders, and the choice of one: for numbers and categories, or for texts."""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from mlkeel.config import Role
from mlkeel.contract.suites import Column, Contract
from mlkeel.errors import ContractError

Matrix = npt.NDArray[np.float32]


class Rows(Protocol):
    """Columns by their names: a data frame, or a mapping of names to lists of values."""

    def __getitem__(self, name: str, /) -> Any: ...  # noqa: ANN401 - a list, an array or a series


class Encoder(Protocol):
    """Encodes rows as a matrix; nothing is fitted to data, so training and serving cannot differ."""

    columns: tuple[Column, ...]

    @property
    def width(self) -> int:
        """The number of columns of the matrix."""

    def encode(self, rows: Rows) -> Matrix:
        """Encode n rows as a matrix of shape (n, width)."""


@dataclass(frozen=True)
class Features:
    """The roles of the columns that are features of a model."""

    roles: tuple[Role, ...]


TABLES = Features(("numeric", "categorical", "boolean"))
TEXTS = Features(("text",))


def encoder_of(contract: Contract) -> Encoder:
    """Return the encoder for the columns of `contract`.

    Raises:
        ContractError: some of the features hold texts and others do not, so that no encoder takes all of them.
    """
    from mlkeel.features.tables import TableEncoder
    from mlkeel.features.texts import TextEncoder

    texts = [column.name for column in contract.columns if column.text]
    others = [column.name for column in contract.columns if not column.text]
    if texts and others:
        raise ContractError(
            f"expectations/features.json: {', '.join(texts)} has the type str and no set of values, so it holds texts, "
            f"and {', '.join(others)} holds none; a model learns from the one or the other. Add an "
            "expect_column_values_to_be_in_set with a value_set, or take columns out of the features."
        )
    return TextEncoder(contract) if texts else TableEncoder(contract)
