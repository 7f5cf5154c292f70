"""Load a table and give each column the type that its contract names.

Values are never bent to fit: a column that cannot take its type without loss stays as it was read,
and the contract, which is checked next, names it.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from .contract import Contract
from .settings import InputError

if TYPE_CHECKING:
    import pandas as pd


class DataError(InputError):
    """A table that cannot be read or used as it is."""


def load(path: Path, contract: Contract) -> "pd.DataFrame":
    """Read the CSV file at `path`, one record a row.

    Raises:
        DataError: the file is missing, empty, without rows, not UTF-8 or not a table.
    """
    import pandas as pd

    if not path.is_file():
        raise DataError(f"{path}: there is no such file. Check the path; the project's own tables are in data/.")
    try:
        table = pd.read_csv(path, dtype=dict.fromkeys(contract.text_columns, "str"), encoding="utf-8-sig")
    except pd.errors.EmptyDataError as error:
        raise DataError(f"{path}: the file is empty. It needs a header line and at least one row.") from error
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path}: line {_first_line_not_utf8(path):,} is not UTF-8. Save the file as UTF-8, "
            f"for instance with: iconv -f LATIN1 -t UTF-8 {path.name}"
        ) from error
    except pd.errors.ParserError as error:
        reason = str(error).removeprefix("Error tokenizing data. C error: ").strip()
        raise DataError(f"{path}: this is no table ({reason}). Each row needs as many fields as the header.") from error
    if table.empty:
        raise DataError(f"{path}: there is a header but no row below it. Check the query or filter that made the file.")
    return conform(table, contract)


def conform(table: "pd.DataFrame", contract: Contract) -> "pd.DataFrame":
    """Give the columns of `table` the types in `contract` wherever that loses nothing; twice is the same as once."""
    import pandas as pd

    typed = table.copy(deep=False)
    for name, kind in contract.types.items():
        if name not in table or str(table[name].dtype) == kind:
            continue
        column = table[name]
        empty = bool(column.isna().all())
        whole_numbers = kind == "float64" and pd.api.types.is_integer_dtype(column.dtype)
        same_values = kind == "str" and all(isinstance(value, str) for value in column.dropna())
        if empty or whole_numbers or same_values:
            typed[name] = column.astype(pd.api.types.pandas_dtype(kind))
    return typed


def _first_line_not_utf8(path: Path) -> int:
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError:
                return number
    return 1
