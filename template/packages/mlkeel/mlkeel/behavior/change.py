"""A change of a row, whatever the row holds."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

SEVERAL = 5  # drafted cases of a kind


@dataclass(frozen=True)
class Change:
    """A change of a row, in words and as it stands in a case; `row` is where to see it best."""

    name: str
    change: dict[str, Any]
    row: dict[str, Any] = field(default_factory=dict)


def plain(value: Any) -> Any:  # noqa: ANN401 - a number, a category or a text
    """A value as YAML can hold it."""
    return None if value != value else value.item() if isinstance(value, np.generic) else value
