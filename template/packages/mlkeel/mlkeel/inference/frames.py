"""Outputs as a table."""

import pandas as pd

from mlkeel.data.tables import with_columns
from mlkeel.features.encoder import Encoder
from mlkeel.tasks.outputs import Outputs, OutputType, Targets


def to_frame(
    output_type: OutputType,
    outputs: Outputs,
    names: tuple[str, ...],
    target: str,
    index: "pd.Index[int]",
    decided: Targets | None = None,
) -> pd.DataFrame:
    """Return outputs of n rows, shape (n, outputs), as a table under `index`, with the classes that were decided on."""
    columns = output_type.to_columns(outputs, names, target, decided)
    return pd.DataFrame(columns, index=index)


def with_derived(table: pd.DataFrame, encoder: Encoder) -> pd.DataFrame:
    """Return `table` with the derived columns whose raw columns it has."""
    layout = encoder.layout
    derivable = [name for name, raw in zip(layout.derived, layout.sources, strict=True) if set(raw) <= set(table)]
    if not derivable:
        return table
    absent = {*layout.raw_numbers, *layout.texts} - set(table)
    derived = encoder.without(absent).derive(with_columns(table, dict.fromkeys(absent)))
    return with_columns(table, {name: derived[name] for name in derivable})
