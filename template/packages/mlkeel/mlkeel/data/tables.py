"""Load a table and give each column the type that its contract names.

Values are never bent to fit: a column that cannot take its type without loss stays as it was read,
and the contract, which is checked next, names it.
"""

import csv
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from mlkeel.contract.suites import Contract
from mlkeel.errors import DataError

if TYPE_CHECKING:
    import pandas as pd


MISSING = {"", "NA", "N/A", "NaN", "nan", "null", "NULL", "None"}  # unless the contract knows such a category


def load(path: Path, contract: Contract) -> "pd.DataFrame":
    """Read the CSV file at `path`, one record a row.

    Raises:
        DataError: the file is missing, empty, without rows, not UTF-8 or not a table.
    """
    import pandas as pd

    if not path.is_file():
        seen = "this is a folder" if path.is_dir() else "there is no such file"
        raise DataError(f"{path}: {seen}. Check the path; the project's own tables are in data/.")
    try:
        missing = {name: sorted(MISSING - set(contract.values(name))) for name in _header(path)}
        table = pd.read_csv(
            path,
            dtype=dict.fromkeys(contract.text_columns, text_type()),
            keep_default_na=False,
            na_values=missing,
            encoding="utf-8-sig",
            low_memory=False,
        )
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: {_not_utf8(path)}") from error
    except (csv.Error, pd.errors.ParserError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise DataError(f"{path}: this is no table ({reason}). Save it as CSV, with commas.") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}). Check its permissions.") from error
    return conform(table, contract)


def _header(path: Path) -> list[str]:
    """The names of the columns, after a look at each line."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        header = next(csv.reader(file), [])
    if len(header) == 1 and (other := next((sign for sign in ";\t|" if sign in header[0]), None)):
        raise DataError(f"{path}: the columns seem to be separated by {other!r}. Save the file with commas.")
    if twice := [name for name, times in Counter(header).items() if times > 1]:
        raise DataError(f"{path}: the header has {', '.join(twice)} twice. Give each column a name of its own.")
    if "" in header:
        raise DataError(
            f"{path}: column {header.index('') + 1} has no name. If it counts the rows, write the file without it "
            "(in pandas: index=False); else name it."
        )
    with path.open(encoding="utf-8-sig", newline="") as file:
        return header_of_even_rows(file, path)


def header_of_even_rows(file: IO[str], path: Path, **dialect: Any) -> list[str]:  # noqa: ANN401 - csv.reader's own
    """Look at the fields of each line; pandas would fill short rows and shift long ones without a word.

    Raises:
        DataError: a line has more or fewer fields than the header, cannot be read, or none follows the header.
    """
    csv.field_size_limit(2**31 - 1)
    rows = csv.reader(file, strict=True, **dialect)
    several, start, header = False, 1, None
    try:
        if not (header := next(filter(None, rows), None)):
            raise DataError(f"{path}: the file is empty. It needs a header line and at least one row.")
        start = rows.line_num + 1
        for row in rows:
            several = several or bool(row)
            if row and len(row) != len(header):
                end = f", and goes on to line {rows.line_num:,}" if rows.line_num > start else ""
                raise DataError(
                    f"{path}: line {start:,} has {len(row)} fields{end}, and the header has {len(header)}. "
                    "Complete the line, or mend its quotes."
                )
            start = rows.line_num + 1
    except csv.Error as error:
        raise DataError(f"{path}: line {start:,} cannot be read ({error}). Close or double its quotes.") from error
    if not several:
        raise DataError(f"{path}: there is a header but no row below it. Check the filter that made the file.")
    return header


def conform(table: "pd.DataFrame", contract: Contract) -> "pd.DataFrame":
    """Give the columns of `table` the types in `contract` wherever that loses nothing; twice is the same as once."""
    import pandas as pd

    types: dict[str, Any] = {}
    for name, kind in contract.types.items():
        if name not in table or str(table[name].dtype) == kind:
            continue
        column = table[name]
        empty = bool(column.isna().all())
        whole_numbers = kind == "float64" and pd.api.types.is_integer_dtype(column.dtype)
        same_values = kind == "str" and all(isinstance(value, str) for value in column.dropna())
        if empty or whole_numbers or same_values:
            types[name] = text_type() if kind == "str" else pd.api.types.pandas_dtype(kind)
    return table.astype(types)


def with_columns(table: "pd.DataFrame", columns: Mapping[str, Any]) -> "pd.DataFrame":
    """A copy of `table` with other values in some columns; `assign` of pandas knows no column called `self`."""
    changed = table.copy(deep=False)
    for name, values in columns.items():
        changed[name] = values
    return changed


def text_type() -> "pd.StringDtype[Any]":
    """The type of a column of texts: the same whether pyarrow, which only `adopt` needs, is there or not."""
    import numpy as np
    import pandas as pd

    return pd.StringDtype("python", na_value=np.nan)


def _not_utf8(path: Path) -> str:
    """Say where a file stops to be UTF-8, and what to do."""
    with path.open("rb") as lines:
        start = lines.read(2)
        if start == b"\x1f\x8b":
            return f"this is a compressed file. Unpack it first, for instance with: gunzip {path.name}.gz"
        if start in (b"\xff\xfe", b"\xfe\xff"):
            return f"this is UTF-16. Save it as UTF-8, for instance with: iconv -f UTF-16 -t UTF-8 {path.name}"
        lines.seek(0)
        number = next(number for number, line in enumerate(lines, start=1) if not _is_utf8(line))
    return f"line {number:,} is not UTF-8. Save it as UTF-8, for instance with: iconv -f LATIN1 -t UTF-8 {path.name}"


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
