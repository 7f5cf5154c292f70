"""Hashes of rows, by which they are split: equal rows have one hash, and it depends on no other row."""

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import pandas as pd

Positions = npt.NDArray[np.float64]


def hash_positions(rows: "pd.DataFrame") -> Positions:
    """Return the hash of each of n rows as a number from 0 to 1, shape (n,)."""
    import pandas as pd

    hashes = pd.util.hash_pandas_object(rows.apply(_canonical), index=False).to_numpy()
    return np.asarray(hashes / 2.0**64, dtype=np.float64)


def single_positions(positions: Positions) -> Positions:
    """Return another position for each row but the first of those that have one; the first keeps it."""
    import pandas as pd

    occurrences = pd.Series(positions).groupby(positions).cumcount().to_numpy()
    others = hash_positions(pd.DataFrame({"position": positions, "occurrence": occurrences}))
    return np.where(occurrences == 0, positions, others)


def _canonical(values: "pd.Series[Any]") -> "pd.Series[Any]":
    """Return equal numbers in one form: 7 as 7.0, which it becomes once a value is missing, and -0.0 as 0.0."""
    import pandas as pd

    if not pd.api.types.is_numeric_dtype(values.dtype):
        return values
    return values.astype("float64") + 0.0
