"""Check that derived features give the same on a table as in the graph."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from mlkeel.errors import InputError
from mlkeel.features.derived import DerivedFeature
from mlkeel.features.encoder import Encoder
from mlkeel.features.layout import Rows
from mlkeel.features.numpy_operations import from_array
from mlkeel.features.python_features import with_python_columns
from mlkeel.features.values import Values, clean_text

MAX_DIFFERENT_SHARE = 0.001  # of rows; a last bit that a later floor makes visible differs in far fewer


def evaluate(features: Sequence[DerivedFeature], encoder: Encoder, rows: Rows) -> dict[str, np.ndarray[Any, Any]]:
    """Return the derived columns of n rows as numpy computes them, each float64 of shape (n,).

    Python features are computed once more, from the last row to the first.

    Raises:
        InputError: a function fails.
    """
    layout = encoder.layout
    parts = list(layout.batches(rows))
    packed = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    upwards = {name: values[::-1] for name, values in packed.items()}
    packed = {name: values[::-1] for name, values in with_python_columns(upwards, layout, encoder.python).items()}
    columns: dict[str, Values] = {
        name: from_array(packed["numbers"][:, place]) for place, name in enumerate(layout.numbers)
    }
    columns |= {name: from_array(_clean(packed["texts"][:, place])) for place, name in enumerate(layout.texts)}
    derived = {name: columns[name] for name in layout.python}
    for feature in features:
        derived |= feature.evaluate(columns | derived)
    return {name: values.data for name, values in derived.items()}


def check_agreement(features: Sequence[DerivedFeature], encoder: Encoder, rows: Rows) -> None:
    """Check that `features` give n `rows` the values that the graph of `encoder` gives them.

    Raises:
        InputError: they do not, as a function that draws random numbers or asks for the time.
    """
    if not encoder.derived:
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


def _clean(texts: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return n texts as the graph gets them, without lone surrogates."""
    clean = np.empty(len(texts), dtype=object)
    clean[:] = [clean_text(text) for text in texts]
    return clean
