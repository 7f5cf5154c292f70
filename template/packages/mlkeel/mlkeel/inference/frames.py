"""Outputs as a table."""

import pandas as pd

from mlkeel.tasks.outputs import Outputs, OutputType


def to_frame(
    output_type: OutputType, outputs: Outputs, names: tuple[str, ...], target: str, index: "pd.Index[int]"
) -> pd.DataFrame:
    """Return outputs of n rows, shape (n, outputs), as a table under `index`."""
    columns = output_type.to_columns(outputs, names, target)
    return pd.DataFrame(columns, index=index)
