"""Read a table from CSV in any common dialect, from Parquet, or from a database.

Every value is read as text and stripped, so that no guess about types loses anything: `infer_roles.py` infers them.
"""

import itertools
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlkeel.data.column_types import has_decimal_commas, plain_numbers
from mlkeel.data.dialect import SEPARATORS, encoding_of, open_text, separator_of
from mlkeel.data.tables import NA_VALUES, read_header
from mlkeel.errors import DataError, Hint

if TYPE_CHECKING:
    import pandas as pd

SOURCE_NA_VALUES = NA_VALUES | {"?", "#N/A", "<NA>", "NaT"}
MAX_NAME_CHARS = 200  # of a column
CHUNK_ROWS = 50_000  # fetched at a time from a database


@dataclass(frozen=True)
class Source:
    """A table of texts, shape (n, columns), with missing values as NaN; `name` is the name for its copy."""

    table: "pd.DataFrame"
    name: str
    origin: str
    notes: list[str] = field(default_factory=list)


def read(address: str) -> Source:
    """Read the table at `address`: a path, or the URL of a database with `#table` at its end.

    Raises:
        DataError: there is nothing to read, or it is not a table.
    """
    if "://" in address:
        return _clean(*_sql(address))
    path = Path(address).expanduser()
    if not path.is_file():
        problem = "this is a folder" if path.is_dir() else "there is no such file"
        raise DataError(f"{path}: {problem}.", Hint.OTHER_TABLE)
    try:
        with path.open("rb") as file:
            signature = file.read(4)
        if signature == b"PAR1":
            return _clean(_parquet(path), _slug(path.stem), str(path))
        if signature[:2] == b"PK":
            raise DataError(f"{path}: this is a workbook or a zip file. Save the sheet as CSV, or unpack it.")
        columns, notes, decimal = _csv(path, signature[:2] == b"\x1f\x8b")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not all of it is {error.encoding}. Save it as UTF-8.") from error
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: cannot be read ({error}). Check the file and its permissions.") from error
    stem = path.name.removesuffix(".gz").removesuffix(".csv").removesuffix(".tsv").removesuffix(".txt")
    return _clean(columns, _slug(stem), str(path), notes, decimal)


def release_memory() -> None:
    """Return the memory of deleted texts to the system: Arrow keeps it, and nothing else can use it."""
    import pyarrow as pa

    pa.default_memory_pool().release_unused()


def _slug(name: str) -> str:
    return re.sub(r"[^\w-]+", "_", name).strip("_") or "table"


def _csv(path: Path, compressed: bool) -> "tuple[list[pd.Series[str]], list[str], str]":
    import pandas as pd

    encoding = encoding_of(path, compressed)
    with open_text(path, compressed, encoding) as file:
        sample = list(itertools.islice(file, 100))
    separator = separator_of(sample)
    with open_text(path, compressed, encoding) as file:
        header = read_header(file, path, delimiter=separator, skipinitialspace=True)
    if len(header) < 2:
        raise DataError(f"{path}: there is one column only, or none of {SEPARATORS!r} separates them. Save it as CSV.")
    try:
        table = pd.read_csv(
            path,
            sep=separator,
            names=range(len(header)),
            header=0,
            index_col=False,
            skipinitialspace=True,
            dtype="str",
            na_filter=False,
            encoding=encoding,
            compression="gzip" if compressed else None,
        )
    except (ValueError, pd.errors.ParserError) as error:
        raise DataError(f"{path}: this is no table ({' '.join(str(error).split())}). Save it as CSV.") from error
    notes = [f"read as {encoding}"] if encoding not in ("utf-8-sig", "utf-16") else []
    notes += [f"columns separated by {separator!r}"] if separator != "," else []
    return _columns(table.set_axis(header, axis="columns")), notes, "," if separator == ";" else "."


def _columns(table: "pd.DataFrame") -> "list[pd.Series[str]]":
    return [texts for _, texts in table.items()]


def _parquet(path: Path) -> "list[pd.Series[str]]":
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path)
    except pa.ArrowException as error:
        raise DataError(f"{path}: this is no Parquet file that can be read ({error}). Write it anew.") from error
    try:
        texts = {
            name: pd.Series(column.cast(pa.string()).to_pandas(), dtype="str")
            for name, column in zip(table.column_names, table.columns, strict=True)
        }
    except pa.ArrowException as error:
        raise DataError(f"{path}: a column holds no single values ({error}). Leave it out.") from error
    return _columns(pd.DataFrame(texts))


def _sql(address: str) -> "tuple[list[pd.Series[str]], str, str]":
    import pandas as pd
    import sqlalchemy as sa

    url, _, name = address.rpartition("#") if "#" in address else (address, "", "")
    try:
        parsed = sa.make_url(url)
        safe_url = parsed.render_as_string(hide_password=True)
        if parsed.get_backend_name() == "sqlite" and not Path(parsed.database or "").is_file():
            raise DataError(
                f"{safe_url}: there is no such file. Three slashes begin a relative path, four an absolute."
            )
        engine = sa.create_engine(parsed)
        tables = [*sa.inspect(engine).get_table_names(), *sa.inspect(engine).get_view_names()]
        if not name and len(tables) == 1:
            name = tables[0]
        if name not in tables:
            known = ", ".join(tables) or "none"
            raise DataError(f"{safe_url}: say which table with #table at the end of the URL. There are: {known}.")
        with engine.connect().execution_options(stream_results=True) as connection:
            # Values as the driver returns them: SQLAlchemy's types would round a DECIMAL.
            rows = connection.execute(sa.text(f"select * from {engine.dialect.identifier_preparer.quote(name)}"))  # noqa: S608
            names = list(rows.keys())
            chunks = [_to_strings(chunk) for chunk in rows.partitions(CHUNK_ROWS)]
    except ImportError as error:
        raise DataError(
            f"The database needs a driver that is not installed ({error}). Add it; for PostgreSQL with: "
            "uv add 'psycopg[binary]'"
        ) from error
    except (sa.exc.SQLAlchemyError, ValueError) as error:
        reason = " ".join(str(error).split("\n(Background")[0].split())
        raise DataError(f"The database cannot be read ({reason}). Check its URL.") from error
    if not chunks:
        raise DataError(f"{safe_url}: the table {name} has no row. Choose another with #table at the end of the URL.")
    table = pd.concat(chunks, ignore_index=True).set_axis(names, axis="columns")
    return _columns(table), _slug(name), f"{safe_url}#{name}"


def _to_strings(rows: "Sequence[Sequence[Any]]") -> "pd.DataFrame":
    import pandas as pd

    return pd.DataFrame([[None if cell is None else str(cell) for cell in row] for row in rows], dtype="str")


def _clean(
    columns: "list[pd.Series[str]]", name: str, origin: str, notes: list[str] | None = None, decimal: str = "."
) -> Source:
    """Strip texts, mark missing values, normalize numbers, and make the names of columns unique.

    Empties `columns` one by one, so that they are not in memory twice.

    Raises:
        DataError: there is no row.
    """
    import pandas as pd

    if not columns or columns[0].empty:
        raise DataError(f"{origin}: there are columns but no row. Check the filter that made the table.")
    messages = list(notes or [])
    cleaned = dict[str, "pd.Series[str]"]()
    headers = ["".join(c if c.isprintable() else " " for c in str(texts.name))[:MAX_NAME_CHARS] for texts in columns]
    headers = [" ".join(header.split()) for header in headers]
    stripped = [_stripped(columns.pop(0)) for _ in headers]
    decimal = "," if any(map(has_decimal_commas, stripped)) else decimal
    for position, header in enumerate(headers, start=1):
        values = plain_numbers(stripped.pop(0), decimal)
        if not header and (values.isna().all() or _is_row_number(values)):
            content = "no value" if values.isna().all() else "counts the rows"
            messages.append(f"column {position} has no name and {content}: dropped")
            continue
        column = header or f"column_{position}"
        if column in cleaned and values.equals(cleaned[column]):
            messages.append(f"{column} stands there twice: the copy was dropped")
            continue
        while column in cleaned or (column != header and column in headers):
            column = f"{column}_{position}"
        if header and column != header:
            messages.append(f"two columns are called {header}: the second is {column} now")
        cleaned[column] = values
    return Source(pd.DataFrame(cleaned), name, origin, messages)


def _stripped(texts: "pd.Series[str]") -> "pd.Series[str]":
    values = texts.str.strip()
    if values.str.contains("\r", regex=False).any():  # it would end a line of the copy
        values = values.str.replace("\r\n?", "\n", regex=True)
    return values.mask(values.isin(SOURCE_NA_VALUES))


def _is_row_number(values: "pd.Series[str]") -> bool:
    import pandas as pd

    numbers = pd.to_numeric(values, errors="coerce")
    return bool(len(values) > 1 and (numbers.diff().iloc[1:] == 1).all())
