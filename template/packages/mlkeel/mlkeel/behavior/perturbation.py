"""A perturbation of a row, of whatever type its features are."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

MAX_DRAFTED_CASES = 5  # drafted cases of a kind, at most


@dataclass(frozen=True)
class Perturbation:
    """A change of a row.

    Attributes:
        name: the change in words.
        change: the change by column, as it stands in a case.
        row: values of a row that shows the effect best; empty if a typical row will do.
    """

    name: str
    change: dict[str, Any]
    row: dict[str, Any] = field(default_factory=dict)


def to_yaml_value(value: Any) -> Any:  # noqa: ANN401 - a number, a category or a text
    """Convert a value to a type that YAML can hold; NaN becomes None."""
    return None if value != value else value.item() if isinstance(value, np.generic) else value
