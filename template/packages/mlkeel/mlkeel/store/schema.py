"""The tables of the store, how they are made, and how a batch of rows enters one."""

from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Double,
    Engine,
    Index,
    Insert,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    bindparam,
    cast,
    func,
    inspect,
    select,
    true,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError

METADATA = MetaData()


def _table(name: str, *columns: Column[Any]) -> Table:
    """A table of what a process wrote, each row under a number of its own, so that none is kept twice."""
    keys = (Column(key, BigInteger, primary_key=True, autoincrement=False) for key in ("writer", "number"))
    when = Column("time", Double, nullable=False, index=True)  # seconds since 1970
    return Table(name, METADATA, *keys, when, Column("request", String(64), nullable=False), *columns)


PREDICTIONS = _table(
    "predictions",
    Column("row", Integer, nullable=False),  # of the request, from 1
    Column("version", String(100), nullable=False),
    Column("features", Text, nullable=False),  # JSON
    Column("output", Text, nullable=False),  # JSON
    Column("milliseconds", Double, nullable=False),
)
REFUSALS = _table(
    "refusals", Column("row", Integer), Column("column", Text), Column("rule", Text), Column("message", Text)
)
FEEDBACK = _table("feedback", Column("row", Integer, nullable=False), Column("truth", Text, nullable=False))
Index("ix_feedback_request", FEEDBACK.c.request, FEEDBACK.c.row)  # one for predictions would double what a row costs
RUNS = Table(
    "runs",
    METADATA,
    Column("number", Integer, primary_key=True),
    Column("time", Double, nullable=False, index=True),
    Column("artifact", Text),
    Column("document", Text, nullable=False),  # JSON
)


def insertion(table: Table, dialect: str) -> Insert:
    """The statement that takes a JSON array of rows apart, and adds those that are new."""
    if dialect == "sqlite":
        each = func.json_each(bindparam("rows", type_=Text)).table_valued("value")
        values: list[Any] = [func.json_extract(each.c.value, f"$[{place}]") for place in range(len(table.columns))]
        new: Any = sqlite.insert(table)
    else:
        each = func.json_array_elements(cast(bindparam("rows", type_=Text), JSON)).table_valued("value")
        texts = [each.c.value.op("->>")(place) for place in range(len(table.columns))]
        values = [cast(text, column.type) for text, column in zip(texts, table.columns, strict=True)]
        new = postgresql.insert(table)
    taken = select(*values).where(true())  # SQLite cannot tell ON CONFLICT from a join without a WHERE
    statement: Insert = new.from_select(table.columns.keys(), taken).on_conflict_do_nothing()
    return statement.execution_options(preserve_rowcount=True)


def make_missing(engine: Engine) -> None:
    """Make the tables and indexes that are missing, which another process may be making at the same moment.

    Raises:
        SQLAlchemyError: something cannot be made, and nobody else made anything either.
    """
    missing = _missing(engine)
    while missing:
        failure: SQLAlchemyError | None = None
        for item in missing.values():
            try:
                item.create(engine, checkfirst=True)
            except SQLAlchemyError as error:
                failure = error
        before, missing = missing, _missing(engine)
        if before.keys() == missing.keys():
            if failure and any(isinstance(item, Table) for item in missing.values()):
                raise failure
            return  # without an index it is slower, and whose tables they are may forbid it


def _missing(engine: Engine) -> dict[str, Table | Index]:
    """The tables and indexes that are not there, by their names; a table is made with its indexes."""
    inspector = inspect(engine)
    absent: dict[str, Table | Index] = {}
    for table in METADATA.sorted_tables:
        if not inspector.has_table(table.name):
            absent[table.name] = table
            continue
        there = {index["name"] for index in inspector.get_indexes(table.name)}
        absent |= {str(index.name): index for index in table.indexes if index.name not in there}
    return absent
