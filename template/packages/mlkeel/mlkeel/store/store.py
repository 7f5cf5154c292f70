"""Keep what was answered, what was refused and what turned out to be true in a database: SQLite or PostgreSQL.

Rows come as one JSON text a batch and are taken apart by the database itself: one statement for hundreds of rows, in
which Python does nothing, so requests that are answered meanwhile do not wait for it.
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
from mlkeel.store.schema import FEEDBACK, METADATA, PREDICTIONS, REFUSALS, RUNS, insertion, make_missing

AT_ONCE, STEP = 20_000, 5_000  # rows that are read, and old ones that are deleted, at once, so that nobody waits long
PATIENCE = 5  # seconds for another process that writes to the same SQLite file
DRIVERS = {"sqlite": "pysqlite", "postgresql": "psycopg"}
# A server that is gone without a word is noticed: seconds, but for the last, which are milliseconds.
NOTICED = {"connect_timeout": 3, "keepalives_idle": 5, "keepalives_interval": 2, "keepalives_count": 3}
NOTICED |= {"tcp_user_timeout": 10_000}


class StoreError(InputError):
    """A store that cannot be had."""


class StoreRemovedError(StoreError):
    """The file of a store is not the one that was opened."""


@dataclass(frozen=True)
class Recorded:
    """Rows that were answered, oldest first, one list a column; `truth` is the latest that was told of a row."""

    time: list[float]
    request: list[str]
    row: list[int]
    version: list[str]
    features: list[str]
    output: list[str]
    milliseconds: list[float]
    truth: list[str | None]


@dataclass(frozen=True)
class Refused:
    """How many rows were refused, and how many values by column and rule."""

    rows: int
    by: dict[tuple[str, str], int]


class Store:
    """A database that was reached; several threads and processes may use it at once."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._file = _file(engine)
        self._inserts = {name: insertion(table, engine.dialect.name) for name, table in METADATA.tables.items()}

    @classmethod
    def open(cls, url: str, root: Path = Path()) -> Self:
        """Reach the store at `url`, where the path of an SQLite file is relative to `root`, and make what is missing.

        Raises:
            StoreError: it cannot be reached or written.
        """
        engine = engine_for(url, root)
        with said_plainly(engine):
            if engine.dialect.name == "sqlite":
                Path(str(engine.url.database)).parent.mkdir(parents=True, exist_ok=True)
            make_missing(engine)
            return cls(engine)

    def add(self, table: str, rows: str) -> int:
        """Add `rows`, a JSON array of arrays, unless they are there already; returns how many were not.

        Raises:
            StoreError: the store cannot be reached, or refuses them.
        """
        with said_plainly(self._engine), self._engine.begin() as connection:
            added = connection.execute(self._inserts[table], {"rows": rows}).rowcount
        self.refuse_if_removed()
        return added

    def refuse_if_removed(self) -> None:
        """Look whether the file is still the one that was opened: SQLite would go on in one that nobody finds.

        Raises:
            StoreRemovedError: it is another, or none.
        """
        with suppress(FileNotFoundError):
            if _file(self._engine) == self._file:
                return
        raise StoreRemovedError(f"{self._engine.url.database} was removed")

    def recorded(self, *, since: float | None = None, last: int | None = None) -> Recorded:
        """The rows answered from `since` on, or the `last` so many of them.

        Raises:
            StoreError: the store cannot be read.
        """
        pieces = list(self.pieces(since=since, last=last))
        names = Recorded.__dataclass_fields__
        return Recorded(**{name: [value for piece in pieces for value in getattr(piece, name)] for name in names})

    def pieces(
        self, *, since: float | None = None, until: float | None = None, last: int | None = None, version: str = ""
    ) -> Iterator[Recorded]:
        """The same in pieces, so that a million rows need no large memory; of one `version` if it is named.

        Raises:
            StoreError: the store cannot be read.
        """
        order = (PREDICTIONS.c.time, PREDICTIONS.c.writer, PREDICTIONS.c.number)
        told = [PREDICTIONS.c[name] for name in Recorded.__dataclass_fields__ if name != "truth"]
        of_it = (FEEDBACK.c.request == PREDICTIONS.c.request) & (FEEDBACK.c.row == PREDICTIONS.c.row)
        newest = (FEEDBACK.c.time.desc(), FEEDBACK.c.number.desc())
        truth: Any = select(FEEDBACK.c.truth).where(of_it).order_by(*newest).limit(1).scalar_subquery()
        with said_plainly(self._engine), self._engine.connect() as connection:
            if connection.scalar(select(FEEDBACK.c.number).limit(1)) is None:
                truth = null()  # which spares a look for each row
            wanted = [PREDICTIONS.c.time >= since] if since is not None else []
            wanted += [PREDICTIONS.c.time <= until] if until is not None else []
            wanted += [PREDICTIONS.c.version == version] if version else []
            query = select(*told, truth.label("truth")).where(*wanted).order_by(*order)
            if last is not None:
                backwards = select(*order).where(*wanted).order_by(*(key.desc() for key in order))
                first = connection.execute(backwards.offset(last - 1).limit(1)).first()
                query = query if first is None else query.where(tuple_(*order) >= tuple_(*first))
            for rows in connection.execution_options(stream_results=True).execute(query).partitions(AT_ONCE):
                yield Recorded(*map(list, zip(*rows, strict=True)))

    def refused(self, since: float, until: float) -> Refused:
        """What was refused from `since` to before `until`.

        Raises:
            StoreError: the store cannot be read.
        """
        within = (REFUSALS.c.time >= since) & (REFUSALS.c.time < until)
        rows = select(REFUSALS.c.request, REFUSALS.c.row).where(within).distinct()
        column, rule = REFUSALS.c.column, REFUSALS.c.rule
        kinds = select(column, rule, func.count()).where(within).group_by(column, rule)
        with said_plainly(self._engine), self._engine.connect() as connection:
            number = connection.scalar(select(func.count()).select_from(rows.subquery()))
            found = connection.execute(kinds).all()
        return Refused(number or 0, {(name or "", broken): count for name, broken, count in found})

    def add_run(self, document: dict[str, Any]) -> None:
        """Keep the document of a run of the monitor.

        Raises:
            StoreError: the store cannot be written.
        """
        when = datetime.fromisoformat(document["time"]).timestamp()
        values = {"time": when, "artifact": document.get("artifact"), "document": json.dumps(document)}
        with said_plainly(self._engine), self._engine.begin() as connection:
            connection.execute(insert(RUNS), values)

    def runs(self, last: int) -> list[dict[str, Any]]:
        """The documents of the `last` runs of the monitor, oldest first.

        Raises:
            StoreError: the store cannot be read.
        """
        query = select(RUNS.c.document).order_by(RUNS.c.number.desc()).limit(last)
        with said_plainly(self._engine), self._engine.connect() as connection:
            return [json.loads(document) for document in connection.scalars(query)][::-1]

    def forget(self, days: float, rows: int) -> bool:
        """Delete some of what is older than `days` or beyond the newest `rows` of a table; whether more is left.

        Raises:
            StoreError: the store cannot be written.
        """
        left = False
        for table in METADATA.tables.values():
            keys, when = list(table.primary_key), table.c.time
            with said_plainly(self._engine), self._engine.begin() as connection:
                newest = select(when, *keys).order_by(when.desc(), *(key.desc() for key in keys))
                beyond = connection.execute(newest.offset(rows).limit(1)).first()
                old = when < time.time() - days * 86_400
                old = old if beyond is None else old | (tuple_(when, *keys) <= tuple_(*beyond))
                some = select(*keys).where(old).order_by(when).limit(STEP)
                gone = connection.execute(delete(table).where(tuple_(*keys).in_(some))).rowcount
            left = left or gone == STEP
        return left

    def close(self) -> None:
        """Let go of its connections."""
        self._engine.dispose()


def engine_for(url: str, root: Path) -> Engine:
    """What reaches the store at `url`; nothing is reached yet.

    Raises:
        StoreError: this is no such address.
    """
    wanted = "Write sqlite:///records/predictions.db, postgresql+psycopg://user@host/database, or off."
    try:
        parsed = make_url(url)
        if DRIVERS.get(parsed.get_backend_name()) != parsed.get_driver_name():
            raise StoreError(f"API_STORE: {parsed.drivername} is no kind of store that is known here. {wanted}")
        if parsed.get_backend_name() == "postgresql":
            given = {name: value for name, value in NOTICED.items() if name not in parsed.query}
            return create_engine(parsed, connect_args=given)
    except (ArgumentError, NoSuchModuleError, ValueError) as error:
        raise StoreError(f"API_STORE: this is no address of a store that is known here. {wanted}") from error
    if parsed.database in (None, "", ":memory:"):
        raise StoreError(f"API_STORE: SQLite needs a file that stays, and this names none. {wanted}")
    engine = create_engine(parsed.set(database=str(root / str(parsed.database))), connect_args={"timeout": PATIENCE})
    event.listen(engine, "connect", _begin_sqlite)
    return engine


def _begin_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    """Let one write while others read, and leave it to the system when what was written reaches the disk.

    SQLite does not wait for another process that turns write-ahead logging on at the same moment, so this does.
    """
    limit = time.monotonic() + PATIENCE
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL").close()
            break
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > limit:
                raise
            time.sleep(0.01)
    connection.execute("PRAGMA synchronous = NORMAL").close()


def _file(engine: Engine) -> tuple[int, int] | None:
    """What tells the file of an SQLite store from any other; None for a store that is no file."""
    if engine.dialect.name != "sqlite":
        return None
    found = Path(str(engine.url.database)).stat()
    return found.st_dev, found.st_ino


@contextmanager
def said_plainly(engine: Engine) -> Iterator[None]:
    """Say what the database has to say in one line, and never its password."""
    try:
        yield
    except (SQLAlchemyError, OSError) as error:
        reason = str(getattr(error, "orig", None) or error).partition("\n")[0].strip()
        where = engine.url.render_as_string(hide_password=True)
        raise StoreError(f"{where}: the store cannot be used ({reason}). Start it, or correct API_STORE.") from error
