"""Split a table into train, validation and test, so that no record is in two of them.

Rows are assigned by a hash of their content: equal rows share a split, and a row keeps its split when the table grows.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlkeel.config import SplitFractions
from mlkeel.errors import DataError

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Split:
    """The three splits of a table; together they hold each of its rows once."""

    train: "pd.DataFrame"
    validation: "pd.DataFrame"
    test: "pd.DataFrame"


def split(table: "pd.DataFrame", fractions: SplitFractions, key: list[str] | None = None) -> Split:
    """Split the rows of `table` into train, validation and test.

    Args:
        table: one record a row, shape (n, columns).
        fractions: of n, summing to 1; a small table meets them only roughly.
        key: the columns that identify a record; all columns if None.

    Raises:
        DataError: a split would be empty.
    """
    import numpy as np
    import pandas as pd

    content = table if key is None else table[key]
    position = pd.util.hash_pandas_object(content, index=False).to_numpy() / 2.0**64
    in_train = position < fractions.train
    in_test = position >= 1 - fractions.test
    result = Split(train=table[in_train], validation=table[~in_train & ~in_test], test=table[in_test])
    for name, rows in vars(result).items():
        if rows.empty:
            raise DataError(
                f"The {name} part of the table is empty: {len(np.unique(position)):,} different rows cannot be dealt "
                f"into {fractions.train:g}, {fractions.validation:g} and {fractions.test:g}. Use a table with more of "
                "them, or change data.split in conf/params.yaml."
            )
    return result
