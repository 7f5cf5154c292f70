"""What can be changed in a row, by what its contract says that it holds."""

from typing import TYPE_CHECKING, Any, Protocol

from mlkeel.behavior import table_changes, text_changes
from mlkeel.behavior.change import Change
from mlkeel.contract.suites import Contract

if TYPE_CHECKING:
    import pandas as pd


class Changes(Protocol):
    """Changes of rows of one kind; a module can be one."""

    ABOUT: tuple[str, ...]  # what cases say of rows and changes, in lines

    def changed(self, rows: "pd.DataFrame", change: dict[str, Any], /) -> "pd.DataFrame":
        """Rows as a case's `change` makes them."""

    def small(self, table: "pd.DataFrame", contract: Contract, /) -> list[Change]:
        """Changes that should decide nothing."""

    def away(
        self, table: "pd.DataFrame", contract: Contract, towards: "pd.Series[float]", /
    ) -> list[tuple[float, Change]]:
        """Changes after which `towards` should be lower, and how strongly they go together."""


def changes_of(contract: Contract) -> Changes:
    """Words are changed in texts; elsewhere numbers and categories are."""
    return text_changes if any(column.text for column in contract.columns) else table_changes
