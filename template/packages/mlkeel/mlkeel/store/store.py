"""Store predictions, violations, feedback and runs of the monitor in a database: SQLite or PostgreSQL.

The rows of a batch come as one JSON text, which the database itself parses: one statement inserts hundreds of rows
without work in Python, so requests that are handled meanwhile do not wait for it.
"""

import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Self

from sqlalchemy import Engine, create_engine, delete, event, func, insert, make_url, null, select, tuple_
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from mlkeel.errors import InputError
from mlkeel.store.schema import FEEDBACK, METADATA, PREDICTIONS, RUNS, VIOLATIONS, create_missing, insert_statement

AT_ONCE = 20_000  # rows that are read at once
STEP = 5_000  # old rows that are deleted in one transaction, so that no other writer waits long
LOCK_TIMEOUT_S = 5  # to wait for another process that writes to the same SQLite file
DRIVERS = {"sqlite": "pysqlite", "postgresql": "psycopg"}
# Options of libpq by which a server that has vanished is detected.
POSTGRESQL_TIMEOUTS = {
    "connect_timeout": 3,  # seconds
    "keepalives_idle": 5,  # seconds
    "keepalives_interval": 2,  # seconds
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,  # milliseconds
}


class StoreError(InputError):
    """The store cannot be reached, read or written."""


class StoreRemovedError(StoreError):
    """The file of the store is no longer the one that was opened."""


@dataclass(frozen=True)
class Recorded:
    """Rows that were predicted, oldest first, one list a column; `truth` is the latest feedback about a row."""

    time: list[float]
    request: list[str]
    row: list[int]
    version: list[str]
    features: list[str]
    output: list[str]
    milliseconds: list[float]
    truth: list[str | None]


@dataclass(frozen=True)
class RejectedRows:
    """How many rows were rejected, and how many values by column and rule."""

    rows: int
    by: dict[tuple[str, str], int]


class Store:
    """A database to which there is a connection; several threads and processes may use it at once."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._file_id = _file_id(engine)
        self._inserts = {name: insert_statement(table, engine.dialect.name) for name, table in METADATA.tables.items()}

    @classmethod
    def open(cls, url: str, root: Path = Path()) -> Self:
        """Open the store at `url`, and create what is missing; the path of an SQLite file is relative to `root`.

        Raises:
            StoreError: it cannot be reached or written.
        """
        engine = engine_for(url, root)
        with translate_errors(engine):
            if engine.dialect.name == "sqlite":
                Path(str(engine.url.database)).parent.mkdir(parents=True, exist_ok=True)
            create_missing(engine)
            return cls(engine)

    def add(self, table: str, rows: str) -> int:
        """Add those of `rows`, a JSON array of arrays, that are not stored yet, and return how many they are.

        Raises:
            StoreError: the store cannot be reached, or rejects them.
        """
        with translate_errors(self._engine), self._engine.begin() as connection:
            added = connection.execute(self._inserts[table], {"rows": rows}).rowcount
        self.check_not_removed()
        return added

    def check_not_removed(self) -> None:
        """Check that the file is still the one that was opened: SQLite would go on writing to a deleted file.

        Raises:
            StoreRemovedError: it was removed, or replaced by another.
        """
        with suppress(FileNotFoundError):
            if _file_id(self._engine) == self._file_id:
                return
        raise StoreRemovedError(f"{self._engine.url.database} was removed")

    def recorded(self, *, since: float | None = None, last: int | None = None) -> Recorded:
        """Return the rows predicted from `since` on, or the `last` so many of them.

        Raises:
            StoreError: the store cannot be read.
        """
        batches = list(self.iter_batches(since=since, last=last))
        names = Recorded.__dataclass_fields__
        return Recorded(**{name: [value for batch in batches for value in getattr(batch, name)] for name in names})

    def iter_batches(
        self, *, since: float | None = None, until: float | None = None, last: int | None = None, version: str = ""
    ) -> Iterator[Recorded]:
        """Yield the same rows in batches, so that a million need little memory; of one `version` if it is named.

        Raises:
            StoreError: the store cannot be read.
        """
        order = (PREDICTIONS.c.time, PREDICTIONS.c.writer, PREDICTIONS.c.number)
        columns = [PREDICTIONS.c[name] for name in Recorded.__dataclass_fields__ if name != "truth"]
        same_row = (FEEDBACK.c.request == PREDICTIONS.c.request) & (FEEDBACK.c.row == PREDICTIONS.c.row)
        newest_first = (FEEDBACK.c.time.desc(), FEEDBACK.c.number.desc())
        target: Any = select(FEEDBACK.c.truth).where(same_row).order_by(*newest_first).limit(1).scalar_subquery()
        with translate_errors(self._engine), self._engine.connect() as connection:
            if connection.scalar(select(FEEDBACK.c.number).limit(1)) is None:
                target = null()  # without feedback there is no need for a subquery a row
            conditions = [PREDICTIONS.c.time >= since] if since is not None else []
            conditions += [PREDICTIONS.c.time <= until] if until is not None else []
            conditions += [PREDICTIONS.c.version == version] if version else []
            query = select(*columns, target.label("truth")).where(*conditions).order_by(*order)
            if last is not None:
                backwards = select(*order).where(*conditions).order_by(*(key.desc() for key in order))
                oldest = connection.execute(backwards.offset(last - 1).limit(1)).first()
                query = query if oldest is None else query.where(tuple_(*order) >= tuple_(*oldest))
            for rows in connection.execution_options(stream_results=True).execute(query).partitions(AT_ONCE):
                yield Recorded(*map(list, zip(*rows, strict=True)))

    def rejected_rows(self, since: float, until: float) -> RejectedRows:
        """Count the rows that were rejected from `since` to before `until`.

        Raises:
            StoreError: the store cannot be read.
        """
        within = (VIOLATIONS.c.time >= since) & (VIOLATIONS.c.time < until)
        rows = select(VIOLATIONS.c.request, VIOLATIONS.c.row).where(within).distinct()
        keys = (VIOLATIONS.c.column, VIOLATIONS.c.rule)
        by_rule = select(*keys, func.count()).where(within).group_by(*keys)
        with translate_errors(self._engine), self._engine.connect() as connection:
            number = connection.scalar(select(func.count()).select_from(rows.subquery()))
            counts = connection.execute(by_rule).all()
        return RejectedRows(number or 0, {(column or "", rule): count for column, rule, count in counts})

    def add_monitor_run(self, document: dict[str, Any]) -> None:
        """Add the document of a run of the monitor.

        Raises:
            StoreError: the store cannot be written.
        """
        timestamp = datetime.fromisoformat(document["time"]).timestamp()
        values = {"time": timestamp, "artifact": document.get("artifact"), "document": json.dumps(document)}
        with translate_errors(self._engine), self._engine.begin() as connection:
            connection.execute(insert(RUNS), values)

    def runs(self, last: int) -> list[dict[str, Any]]:
        """Return the documents of the `last` runs of the monitor, oldest first.

        Raises:
            StoreError: the store cannot be read.
        """
        query = select(RUNS.c.document).order_by(RUNS.c.number.desc()).limit(last)
        with translate_errors(self._engine), self._engine.connect() as connection:
            return [json.loads(document) for document in connection.scalars(query)][::-1]

    def prune(self, days: float, rows: int) -> bool:
        """Delete some rows older than `days` or beyond the newest `rows` of each table; return whether more are left.

        Raises:
            StoreError: the store cannot be written.
        """
        has_more = False
        for table in METADATA.tables.values():
            keys = list(table.primary_key)
            timestamp = table.c.time
            with translate_errors(self._engine), self._engine.begin() as connection:
                newest_first = select(timestamp, *keys).order_by(timestamp.desc(), *(key.desc() for key in keys))
                beyond = connection.execute(newest_first.offset(rows).limit(1)).first()
                is_old = timestamp < time.time() - days * 86_400
                is_old = is_old if beyond is None else is_old | (tuple_(timestamp, *keys) <= tuple_(*beyond))
                oldest = select(*keys).where(is_old).order_by(timestamp).limit(STEP)
                deleted = connection.execute(delete(table).where(tuple_(*keys).in_(oldest))).rowcount
            has_more = has_more or deleted == STEP
        return has_more

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()


def engine_for(url: str, root: Path) -> Engine:
    """Return the engine for the store at `url`, without connecting.

    Raises:
        StoreError: `url` is no address of a store.
    """
    remedy = "Write sqlite:///records/predictions.db, postgresql+psycopg://user@host/database, or off."
    try:
        parsed = make_url(url)
        if DRIVERS.get(parsed.get_backend_name()) != parsed.get_driver_name():
            raise StoreError(f"API_STORE: {parsed.drivername} is no kind of store that is known here. {remedy}")
        if parsed.get_backend_name() == "postgresql":
            timeouts = {name: value for name, value in POSTGRESQL_TIMEOUTS.items() if name not in parsed.query}
            return create_engine(parsed, connect_args=timeouts)
    except (ArgumentError, NoSuchModuleError, ValueError) as error:
        raise StoreError(f"API_STORE: this is no address of a store that is known here. {remedy}") from error
    if parsed.database in (None, "", ":memory:"):
        raise StoreError(f"API_STORE: SQLite needs a file that stays, and this names none. {remedy}")
    engine = create_engine(
        parsed.set(database=str(root / str(parsed.database))), connect_args={"timeout": LOCK_TIMEOUT_S}
    )
    event.listen(engine, "connect", _configure_sqlite)
    return engine


def _configure_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    """Turn on write-ahead logging, so that reads go on during a write, and do not wait for the disk at each commit.

    SQLite does not wait for another process that turns it on at the same moment, so this function does.
    """
    deadline = time.monotonic() + LOCK_TIMEOUT_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL").close()
            break
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
    connection.execute("PRAGMA synchronous = NORMAL").close()


def _file_id(engine: Engine) -> tuple[int, int] | None:
    """Return device and inode of the file of an SQLite store, or None for a store that is no file."""
    if engine.dialect.name != "sqlite":
        return None
    status = Path(str(engine.url.database)).stat()
    return status.st_dev, status.st_ino


@contextmanager
def translate_errors(engine: Engine) -> Iterator[None]:
    """Raise errors of the database as a StoreError of one line, without the password."""
    try:
        yield
    except (SQLAlchemyError, OSError) as error:
        reason = str(getattr(error, "orig", None) or error).partition("\n")[0].strip()
        address = engine.url.render_as_string(hide_password=True)
        raise StoreError(f"{address}: the store cannot be used ({reason}). Start it, or correct API_STORE.") from error
