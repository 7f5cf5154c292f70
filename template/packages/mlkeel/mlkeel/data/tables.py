"""Load a table and cast each column to the type in its contract.

No cast loses anything: a column that cannot be cast without loss stays as it was read, and the check of the contract,
which follows, reports it.
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


NA_VALUES = {"", "NA", "N/A", "NaN", "nan", "null", "NULL", "None"}  # unless they are categories of the contract


def load(path: Path, contract: Contract) -> "pd.DataFrame":
    """Read the CSV file at `path`, one record a row.

    Raises:
        DataError: the file is missing, empty, without rows, not UTF-8 or not a table.
    """
    import pandas as pd

    if not path.is_file():
        problem = "this is a folder" if path.is_dir() else "there is no such file"
        raise DataError(f"{path}: {problem}. Check the path; the project's own tables are in data/.")
    try:
        na_values = {name: sorted(NA_VALUES - set(contract.values(name))) for name in _header(path)}
        table = pd.read_csv(
            path,
            dtype=dict.fromkeys(contract.text_columns, string_dtype()),
            keep_default_na=False,
            na_values=na_values,
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
    return coerce_dtypes(table, contract)


def _header(path: Path) -> list[str]:
    """Read the names of the columns, and check the number of fields in each line."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        header = next(csv.reader(file), [])
    if len(header) == 1 and (separator := next((character for character in ";\t|" if character in header[0]), None)):
        raise DataError(f"{path}: the columns seem to be separated by {separator!r}. Save the file with commas.")
    if duplicates := [name for name, count in Counter(header).items() if count > 1]:
        raise DataError(f"{path}: the header has {', '.join(duplicates)} twice. Give each column a name of its own.")
    if "" in header:
        raise DataError(
            f"{path}: column {header.index('') + 1} has no name. If it counts the rows, write the file without it "
            "(in pandas: index=False); else name it."
        )
    with path.open(encoding="utf-8-sig", newline="") as file:
        return read_header(file, path)


def read_header(file: IO[str], path: Path, **dialect: Any) -> list[str]:  # noqa: ANN401 - csv.reader's own
    """Return the header, after a check of the fields of each line: pandas would fill short rows and shift long ones.

    Raises:
        DataError: a line has more or fewer fields than the header or cannot be read, or there is no row.
    """
    csv.field_size_limit(2**31 - 1)
    rows = csv.reader(file, strict=True, **dialect)
    has_rows = False
    start = 1
    header = None
    try:
        if not (header := next(filter(None, rows), None)):
            raise DataError(f"{path}: the file is empty. It needs a header line and at least one row.")
        start = rows.line_num + 1
        for row in rows:
            has_rows = has_rows or bool(row)
            if row and len(row) != len(header):
                end = f", and goes on to line {rows.line_num:,}" if rows.line_num > start else ""
                raise DataError(
                    f"{path}: line {start:,} has {len(row)} fields{end}, and the header has {len(header)}. "
                    "Complete the line, or mend its quotes."
                )
            start = rows.line_num + 1
    except csv.Error as error:
        raise DataError(f"{path}: line {start:,} cannot be read ({error}). Close or double its quotes.") from error
    if not has_rows:
        raise DataError(f"{path}: there is a header but no row below it. Check the filter that made the file.")
    return header


def coerce_dtypes(table: "pd.DataFrame", contract: Contract) -> "pd.DataFrame":
    """Cast the columns of `table` to the types in `contract` where that loses nothing; idempotent."""
    import pandas as pd

    dtypes: dict[str, Any] = {}
    for name, dtype in contract.types.items():
        if name not in table or str(table[name].dtype) == dtype:
            continue
        column = table[name]
        is_empty = bool(column.isna().all())
        holds_integers = dtype == "float64" and pd.api.types.is_integer_dtype(column.dtype)
        holds_texts = dtype == "str" and all(isinstance(value, str) for value in column.dropna())
        if is_empty or holds_integers or holds_texts:
            dtypes[name] = string_dtype() if dtype == "str" else pd.api.types.pandas_dtype(dtype)
    return table.astype(dtypes)


def with_columns(table: "pd.DataFrame", columns: Mapping[str, Any]) -> "pd.DataFrame":
    """Return a copy of `table` with new values in some columns; `DataFrame.assign` takes no column called `self`."""
    result = table.copy(deep=False)
    for name, values in columns.items():
        result[name] = values
    return result


def string_dtype() -> "pd.StringDtype[Any]":
    """Return the dtype of a column of texts, the same with and without pyarrow, which only `adopt` needs."""
    import numpy as np
    import pandas as pd

    return pd.StringDtype("python", na_value=np.nan)


def _not_utf8(path: Path) -> str:
    """Describe where a file is not UTF-8, and what to do."""
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
