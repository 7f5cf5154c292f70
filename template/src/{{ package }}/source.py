"""Read a table from where it is: CSV in any common dialect, Parquet, or a table of a database.

Every value arrives as text, stripped, so that nothing is lost to a guess about types; `columns.py` decides on those.
"""

import codecs
import csv
import gzip
import itertools
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from .data import MISSING, DataError, header_of_even_rows
from .kinds import plain_numbers

if TYPE_CHECKING:
    import pandas as pd

SEPARATORS = ",;\t|"
ENCODINGS = ("cp1252", "cp1250", "cp1251", "shift_jis", "gb18030", "big5", "euc_kr")  # which no byte order mark tells
UNKNOWN = MISSING | {"?", "#N/A", "<NA>", "NaT"}
SAMPLE = 200_000  # bytes
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
        raise DataError(f"{path}: {seen}. Say where the table is with DATA=.")
    try:
        with path.open("rb") as file:
            start = file.read(4)
        if start == b"PAR1":
            return _tidied(_parquet(path), _slug(path.stem), str(path))
        if start[:2] == b"PK":
            raise DataError(f"{path}: this is a workbook or a zip file. Save the sheet as CSV, or unpack it.")
        table, notes, decimal = _csv(path, start[:2] == b"\x1f\x8b")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not all of it is {error.encoding}. Save it as UTF-8.") from error
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: cannot be read ({error}). Check the file and its permissions.") from error
    stem = path.name.removesuffix(".gz").removesuffix(".csv").removesuffix(".tsv").removesuffix(".txt")
    return _tidied(table, _slug(stem), str(path), notes, decimal)


def _slug(name: str) -> str:
    return re.sub(r"[^\w-]+", "_", name).strip("_") or "table"


def _csv(path: Path, packed: bool) -> "tuple[pd.DataFrame, list[str], str]":
    import pandas as pd

    encoding = _encoding(path, packed)
    with _open(path, packed, encoding) as file:
        sample = list(itertools.islice(file, 100))
    separator = _separator(sample)
    with _open(path, packed, encoding) as file:
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
    return table.set_axis(header, axis="columns"), notes, "," if separator == ";" else "."


def _open(path: Path, packed: bool, encoding: str) -> IO[str]:
    if packed:
        return gzip.open(path, "rt", encoding=encoding, newline="")
    return path.open(encoding=encoding, newline="")


def _encoding(path: Path, packed: bool) -> str:
    """UTF-16 by its mark, UTF-8 if all of the file is, and else the likeliest of the older ones."""
    with gzip.open(path) if packed else path.open("rb") as file:
        sample = file.read(SAMPLE)
        if sample[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
            return "utf-16"
        decoder, part = codecs.getincrementaldecoder("utf-8")(), sample
        try:
            while part:
                decoder.decode(part)
                part = file.read(SAMPLE)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            from charset_normalizer import from_bytes

            odd = [line for line in (sample + part).splitlines() if not line.isascii()]
            best = from_bytes(b"\n".join(odd), cp_isolation=list(ENCODINGS)).best()
            return best.encoding if best else "latin-1"
    return "utf-8-sig"


def _separator(lines: list[str]) -> str:
    """The sign that cuts most of the first lines into the same number of fields, two or more."""

    def agreement(sign: str) -> tuple[float, int]:
        widths = [len(row) for row in csv.reader(lines, delimiter=sign) if row]
        common = max(set(widths), key=widths.count, default=0)
        return (widths.count(common) / len(widths) if common > 1 else 0, common)

    return max(SEPARATORS, key=agreement)


def _parquet(path: Path) -> "pd.DataFrame":
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
    return pd.DataFrame(texts)


def _sql(address: str) -> "tuple[pd.DataFrame, str, str]":
    import pandas as pd
    import sqlalchemy as sa

    url, _, name = address.partition("#")
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
            raise DataError(f"{shown}: say which table with #table at the end of DATA=. There are: {', '.join(known)}.")
        with engine.connect().execution_options(stream_results=True) as connection:
            found = sa.Table(name, sa.MetaData(), autoload_with=engine)
            rows = connection.execute(sa.select(found))
            slices = [_texts(part) for part in rows.partitions(SLICE)]
    except ModuleNotFoundError as error:
        raise DataError(f"The database needs the package {error.name}. Add it with: uv add {error.name}") from error
    except sa.exc.SQLAlchemyError as error:
        reason = " ".join(str(error).split("\n(Background")[0].split())
        raise DataError(f"The database cannot be read ({reason}). Check the URL in DATA=.") from error
    if not slices:
        raise DataError(f"{shown}: the table {name} has no row. Choose another with #table at the end of DATA=.")
    names = [str(column.name) for column in found.columns]
    return pd.concat(slices, ignore_index=True).set_axis(names, axis="columns"), _slug(name), f"{shown}#{name}"


def _texts(rows: "Sequence[Sequence[Any]]") -> "pd.DataFrame":
    import pandas as pd

    return pd.DataFrame([[None if cell is None else str(cell) for cell in row] for row in rows], dtype="str")


def _tidied(
    table: "pd.DataFrame", name: str, origin: str, notes: list[str] | None = None, decimal: str = "."
) -> Source:
    """Strip texts, mark what is missing, write numbers plainly, give each column a name of its own."""
    import pandas as pd

    said, tidy = list(notes or []), dict[str, "pd.Series[str]"]()
    for place, title in enumerate(table.columns, start=1):
        values = table.iloc[:, place - 1].str.strip()
        values = plain_numbers(values.mask(values.isin(UNKNOWN)), decimal)
        given = " ".join(str(title).split())
        if not given and (values.isna().all() or _counts_the_rows(values)):
            said.append(
                f"column {place} has no name and {'no value' if values.isna().all() else 'counts the rows'}: dropped"
            )
            continue
        column = given or f"column_{place}"
        if column in tidy:
            if values.equals(tidy[column]):
                said.append(f"{column} stands there twice: the copy was dropped")
                continue
            column = f"{column}_{place}"
            said.append(f"two columns are called {given}: the second is {column} now")
        tidy[column] = values
    return Source(pd.DataFrame(tidy), name, origin, said)


def _counts_the_rows(values: "pd.Series[str]") -> bool:
    import pandas as pd

    numbers = pd.to_numeric(values, errors="coerce")
    return bool(len(values) > 1 and (numbers.diff().iloc[1:] == 1).all())
