"""Read a table from where it is: CSV in any common dialect, Parquet, or a table of a database.

Every value arrives as text, stripped, so that nothing is lost to a guess about types; `columns.py` decides on those.
"""

import itertools
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlkeel.data.dialect import SEPARATORS, encoding_of, open_text, separator_of
from mlkeel.data.kinds import has_decimal_commas, plain_numbers
from mlkeel.data.tables import MISSING, header_of_even_rows
from mlkeel.errors import DataError, Hint

if TYPE_CHECKING:
    import pandas as pd

UNKNOWN = MISSING | {"?", "#N/A", "<NA>", "NaT"}
LONGEST = 200  # characters of a column's name
SLICE = 50_000  # rows fetched at a time


@dataclass(frozen=True)
class Source:
    """A table of texts, shape (n, columns), missing values as NaN; `name` is what to call its copy."""

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
        return _tidied(*_sql(address))
    path = Path(address).expanduser()
    if not path.is_file():
        seen = "this is a folder" if path.is_dir() else "there is no such file"
        raise DataError(f"{path}: {seen}.", Hint.OTHER_TABLE)
    try:
        with path.open("rb") as file:
            start = file.read(4)
        if start == b"PAR1":
            return _tidied(_parquet(path), _slug(path.stem), str(path))
        if start[:2] == b"PK":
            raise DataError(f"{path}: this is a workbook or a zip file. Save the sheet as CSV, or unpack it.")
        columns, notes, decimal = _csv(path, start[:2] == b"\x1f\x8b")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not all of it is {error.encoding}. Save it as UTF-8.") from error
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: cannot be read ({error}). Check the file and its permissions.") from error
    stem = path.name.removesuffix(".gz").removesuffix(".csv").removesuffix(".tsv").removesuffix(".txt")
    return _tidied(columns, _slug(stem), str(path), notes, decimal)


def give_back() -> None:
    """Give the memory of texts that are no more back to the system: Arrow keeps it, and nothing else can use it."""
    import pyarrow as pa

    pa.default_memory_pool().release_unused()


def _slug(name: str) -> str:
    return re.sub(r"[^\w-]+", "_", name).strip("_") or "table"


def _csv(path: Path, packed: bool) -> "tuple[list[pd.Series[str]], list[str], str]":
    import pandas as pd

    encoding = encoding_of(path, packed)
    with open_text(path, packed, encoding) as file:
        sample = list(itertools.islice(file, 100))
    separator = separator_of(sample)
    with open_text(path, packed, encoding) as file:
        header = header_of_even_rows(file, path, delimiter=separator, skipinitialspace=True)
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
            compression="gzip" if packed else None,
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
        place = sa.make_url(url)
        shown = place.render_as_string(hide_password=True)
        if place.get_backend_name() == "sqlite" and not Path(place.database or "").is_file():
            raise DataError(f"{shown}: there is no such file. Three slashes begin a relative path, four an absolute.")
        engine = sa.create_engine(place)
        known = [*sa.inspect(engine).get_table_names(), *sa.inspect(engine).get_view_names()]
        if not name and len(known) == 1:
            name = known[0]
        if name not in known:
            raise DataError(
                f"{shown}: say which table with #table at the end of the URL. There are: {', '.join(known) or 'none'}."
            )
        with engine.connect().execution_options(stream_results=True) as connection:
            # As the driver gives them: SQLAlchemy's types would round a DECIMAL.
            rows = connection.execute(sa.text(f"select * from {engine.dialect.identifier_preparer.quote(name)}"))  # noqa: S608
            names = list(rows.keys())
            slices = [_texts(part) for part in rows.partitions(SLICE)]
    except ImportError as error:
        raise DataError(
            f"The database needs a driver that is not installed ({error}). Add it; for PostgreSQL with: "
            "uv add 'psycopg[binary]'"
        ) from error
    except (sa.exc.SQLAlchemyError, ValueError) as error:
        reason = " ".join(str(error).split("\n(Background")[0].split())
        raise DataError(f"The database cannot be read ({reason}). Check its URL.") from error
    if not slices:
        raise DataError(f"{shown}: the table {name} has no row. Choose another with #table at the end of the URL.")
    table = pd.concat(slices, ignore_index=True).set_axis(names, axis="columns")
    return _columns(table), _slug(name), f"{shown}#{name}"


def _texts(rows: "Sequence[Sequence[Any]]") -> "pd.DataFrame":
    import pandas as pd

    return pd.DataFrame([[None if cell is None else str(cell) for cell in row] for row in rows], dtype="str")


def _tidied(
    columns: "list[pd.Series[str]]", name: str, origin: str, notes: list[str] | None = None, decimal: str = "."
) -> Source:
    """Strip texts, mark what is missing, write numbers plainly, give each column a name of its own.

    Takes all out of `columns`, one by one, so that they are not in memory twice.
    """
    import pandas as pd

    if not columns or columns[0].empty:
        raise DataError(f"{origin}: there are columns but no row. Check the filter that made the table.")
    said, tidy = list(notes or []), dict[str, "pd.Series[str]"]()
    names = ["".join(sign if sign.isprintable() else " " for sign in str(texts.name))[:LONGEST] for texts in columns]
    names = [" ".join(title.split()) for title in names]
    stripped = [_stripped(columns.pop(0)) for _ in names]
    decimal = "," if any(map(has_decimal_commas, stripped)) else decimal
    for place, given in enumerate(names, start=1):
        values = plain_numbers(stripped.pop(0), decimal)
        if not given and (values.isna().all() or _counts_the_rows(values)):
            what = "no value" if values.isna().all() else "counts the rows"
            said.append(f"column {place} has no name and {what}: dropped")
            continue
        column = given or f"column_{place}"
        if column in tidy and values.equals(tidy[column]):
            said.append(f"{column} stands there twice: the copy was dropped")
            continue
        while column in tidy or (column != given and column in names):
            column = f"{column}_{place}"
        if given and column != given:
            said.append(f"two columns are called {given}: the second is {column} now")
        tidy[column] = values
    return Source(pd.DataFrame(tidy), name, origin, said)


def _stripped(texts: "pd.Series[str]") -> "pd.Series[str]":
    values = texts.str.strip()
    if values.str.contains("\r", regex=False).any():  # which would end a line of the copy
        values = values.str.replace("\r\n?", "\n", regex=True)
    return values.mask(values.isin(UNKNOWN))


def _counts_the_rows(values: "pd.Series[str]") -> bool:
    import pandas as pd

    numbers = pd.to_numeric(values, errors="coerce")
    return bool(len(values) > 1 and (numbers.diff().iloc[1:] == 1).all())
