"""Turn rows into the matrix that a model takes.

One column a feature, in the order of the contract: numbers as they are, categories as their position in the
contract's set. Nothing is learnt from data here, so training and serving cannot differ. Works on anything that
gives a column by its name, and needs no pandas, so that a request does not either.
"""

from typing import Any

import numpy as np

from mlkeel.contract.suites import Column, Contract
from mlkeel.features.encoder import Matrix, Rows


class TableEncoder:
    """Encodes rows under one contract."""

    def __init__(self, contract: Contract) -> None:
        """Learn the categories of `contract`."""
        self.columns = contract.columns
        self._positions = {column.name: _positions(column) for column in self.columns}

    @property
    def width(self) -> int:
        """How many columns a matrix has: one a feature."""
        return len(self.columns)

    def encode(self, rows: Rows) -> Matrix:
        """Encode n rows as a matrix of shape (n, width).

        A missing value becomes NaN; a category that the contract does not know becomes the position after its last.
        """
        matrix = np.empty((len(rows[self.columns[0].name]), len(self.columns)), dtype=np.float32)
        for place, column in enumerate(self.columns):
            values = rows[column.name]
            if column.numeric:
                matrix[:, place] = np.asarray(values, dtype=np.float64)
            else:
                positions, unseen = self._positions[column.name], float(len(column.categories))
                matrix[:, place] = [positions.get(value, unseen) if value == value else np.nan for value in values]
        return matrix


def _positions(column: Column) -> dict[Any, float]:
    return {None: np.nan} | {category: float(place) for place, category in enumerate(column.categories)}
