"""Check that derived features give the same on a table as in the graph."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from mlkeel.contract.dates import seconds
from mlkeel.errors import InputError
from mlkeel.features.derived import DerivedFeature
from mlkeel.features.encoder import Encoder
from mlkeel.features.layout import Rows
from mlkeel.features.numpy_operations import from_array, from_sequence
from mlkeel.features.values import Values, clean_text

MAX_DIFFERENT_SHARE = 0.001  # of rows; a last bit that a later floor makes visible differs in far fewer


def evaluate(features: Sequence[DerivedFeature], encoder: Encoder, rows: Rows) -> dict[str, np.ndarray[Any, Any]]:
    """Return the derived columns of n rows as numpy computes them, each float64 of shape (n,).

    Raises:
        InputError: a function fails.
    """
    layout = encoder.layout
    columns: dict[str, Values] = {name: from_sequence(_raw(rows, name, layout.times)) for name in layout.numbers}
    columns |= {name: _texts(rows[name]) for name in layout.texts}
    derived: dict[str, Values] = {}
    for feature in features:
        derived |= feature.evaluate(columns | derived)
    return {name: values.data for name, values in derived.items()}


def check_agreement(features: Sequence[DerivedFeature], encoder: Encoder, rows: Rows) -> None:
    """Check that `features` give n `rows` the values that the graph of `encoder` gives them.

    Raises:
        InputError: they do not, as a function that draws random numbers or asks for the time.
    """
    if not features:
        return
    encoded = encoder.encode(rows)
    positions = {column.name: position for position, column in enumerate(encoder.columns)}
    for name, values in evaluate(features, encoder, rows).items():
        with np.errstate(over="ignore"):
            expected = values.astype(np.float32)
        expected[np.isinf(expected)] = np.nan
        traced = encoded[:, positions[name]]
        differs = ~np.isclose(expected, traced, rtol=1e-5, atol=1e-30, equal_nan=True)
        if differs.mean() > MAX_DIFFERENT_SHARE:
            row = int(differs.argmax())
            raise InputError(
                f"features.py: {name} is {expected[row]:g} in row {row + 1:,} on the table, and in the graph "
                f"{traced[row]:g}. A derived column depends on the columns of its row alone: take out random numbers, "
                "the time, and whatever else changes."
            )


def _raw(rows: Rows, name: str, times: Sequence[str]) -> Any:  # noqa: ANN401 - a list, an array or a series
    return np.array([seconds(value) for value in rows[name]]) if name in times else rows[name]


def _texts(values: Any) -> Values:  # noqa: ANN401 - a list, an array or a series
    """Return texts as the graph gets them, also where all are missing."""
    texts = np.empty(len(values), dtype=object)
    texts[:] = [clean_text(value) if isinstance(value, str) else "" for value in values]
    return from_array(texts)
