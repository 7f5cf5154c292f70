"""Standard errors of means over rows of which some belong together, such as those of one patient.

Rows of one unit are no independent evidence, so they count together. Source: Liang and Zeger 1986, "Longitudinal data
analysis using generalized linear models".
"""

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import pandas as pd

Units = npt.NDArray[np.int64]  # the number of the unit of each of n rows, from 0, shape (n,)


def units_of(table: "pd.DataFrame", group: str | None) -> Units:
    """Return the unit of each row of `table`: its group or, without one, the row itself."""
    rows = np.arange(len(table))
    if group is None or group not in table:
        return rows
    codes, groups = table[group].factorize()
    units: Units = np.unique(np.where(codes >= 0, codes, len(groups) + rows), return_inverse=True)[1]
    return units


def standard_error(values: npt.NDArray[np.float64], units: Units) -> float:
    """Return the standard error of the mean of `values`, shape (n,); 0 if all are of one unit."""
    sums = np.bincount(units, weights=values - values.mean())[np.unique(units)]
    if len(sums) < 2:
        return 0.0
    return float(np.sqrt((sums**2).sum() * len(sums) / (len(sums) - 1)) / len(values))
