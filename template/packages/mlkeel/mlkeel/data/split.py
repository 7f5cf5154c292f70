"""Split a table so that no record stands on both sides.

Rows are dealt by a hash of their content, so duplicates fall together and a row keeps its side when the table grows.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlkeel.config import Shares
from mlkeel.errors import DataError

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Split:
    """The three parts of a table; together they hold each of its rows once."""

    train: "pd.DataFrame"
    validation: "pd.DataFrame"
    test: "pd.DataFrame"


def split(table: "pd.DataFrame", shares: Shares, key: list[str] | None = None) -> Split:
    """Deal the rows of `table` into train, validation and test.

    Args:
        table: one record a row, shape (n, columns).
        shares: fractions of n, summing to 1; a small table meets them only roughly.
        key: the columns that identify a record; all columns if None.

    Raises:
        DataError: a share would come out empty.
    """
    import numpy as np
    import pandas as pd

    content = table if key is None else table[key]
    position = pd.util.hash_pandas_object(content, index=False).to_numpy() / 2.0**64
    in_train = position < shares.train
    in_test = position >= 1 - shares.test
    parts = Split(train=table[in_train], validation=table[~in_train & ~in_test], test=table[in_test])
    for name, part in vars(parts).items():
        if part.empty:
            raise DataError(
                f"The {name} part of the table is empty: {len(np.unique(position)):,} different rows cannot be dealt "
                f"into {shares.train:g}, {shares.validation:g} and {shares.test:g}. Use a table with more of them, or "
                "change data.split in conf/params.yaml."
            )
    return parts
