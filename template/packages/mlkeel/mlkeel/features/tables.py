"""Encode rows of numbers and categories as a matrix.

It has one column for each feature, in the order of the contract: numbers as they are, categories as their position in
the contract's set. Nothing is fitted to data, so training and serving cannot differ. It needs no pandas, so that a
request does not either.
"""

from typing import Any

import numpy as np

from mlkeel.contract.suites import Column, Contract
from mlkeel.features.encoder import Matrix, Rows


class TableEncoder:
    """Encodes rows of numbers and categories by a contract."""

    def __init__(self, contract: Contract) -> None:
        """Read the columns and categories of `contract`."""
        self.columns = contract.columns
        self._positions = {column.name: _positions(column) for column in self.columns}

    @property
    def width(self) -> int:
        """The number of columns of the matrix: one for each feature."""
        return len(self.columns)

    def encode(self, rows: Rows) -> Matrix:
        """Encode n rows as a matrix of shape (n, width).

        A missing value becomes NaN; an unknown category becomes the position after the last.
        """
        matrix = np.empty((len(rows[self.columns[0].name]), len(self.columns)), dtype=np.float32)
        for index, column in enumerate(self.columns):
            values = rows[column.name]
            if column.numeric:
                matrix[:, index] = np.asarray(values, dtype=np.float64)
            else:
                positions = self._positions[column.name]
                unknown = float(len(column.categories))
                matrix[:, index] = [positions.get(value, unknown) if value == value else np.nan for value in values]
        return matrix


def _positions(column: Column) -> dict[Any, float]:
    return {None: np.nan} | {category: float(position) for position, category in enumerate(column.categories)}
