"""Define the tables of the store, create them, and build the statement that inserts a batch of rows."""

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
    """Define a table whose rows are identified by writer and number, so that none is stored twice."""
    keys = (Column(key, BigInteger, primary_key=True, autoincrement=False) for key in ("writer", "number"))
    time = Column("time", Double, nullable=False, index=True)  # seconds since 1970
    return Table(name, METADATA, *keys, time, Column("request", String(64), nullable=False), *columns)


PREDICTIONS = _table(
    "predictions",
    Column("row", Integer, nullable=False),  # of the request, from 1
    Column("version", String(100), nullable=False),
    Column("features", Text, nullable=False),  # JSON
    Column("output", Text, nullable=False),  # JSON
    Column("milliseconds", Double, nullable=False),
)
VIOLATIONS = _table(
    "violations", Column("row", Integer), Column("column", Text), Column("rule", Text), Column("message", Text)
)
FEEDBACK = _table("feedback", Column("row", Integer, nullable=False), Column("truth", Text, nullable=False))
Index("ix_feedback_request", FEEDBACK.c.request, FEEDBACK.c.row)  # one for predictions would double the cost of a row
RUNS = Table(
    "runs",
    METADATA,
    Column("number", Integer, primary_key=True),
    Column("time", Double, nullable=False, index=True),
    Column("artifact", Text),
    Column("document", Text, nullable=False),  # JSON
)


def insert_statement(table: Table, dialect: str) -> Insert:
    """Return the statement that inserts the new rows of a JSON array of arrays, the parameter `rows`."""
    if dialect == "sqlite":
        row = func.json_each(bindparam("rows", type_=Text)).table_valued("value")
        values: list[Any] = [func.json_extract(row.c.value, f"$[{index}]") for index in range(len(table.columns))]
        insert: Any = sqlite.insert(table)
    else:
        row = func.json_array_elements(cast(bindparam("rows", type_=Text), JSON)).table_valued("value")
        texts = [row.c.value.op("->>")(index) for index in range(len(table.columns))]
        values = [cast(text, column.type) for text, column in zip(texts, table.columns, strict=True)]
        insert = postgresql.insert(table)
    rows = select(*values).where(true())  # SQLite cannot tell ON CONFLICT from a join without a WHERE
    statement: Insert = insert.from_select(table.columns.keys(), rows).on_conflict_do_nothing()
    return statement.execution_options(preserve_rowcount=True)


def create_missing(engine: Engine) -> None:
    """Create the tables and indexes that are missing, which another process may create at the same moment.

    Raises:
        SQLAlchemyError: a table cannot be created, and no other process created anything either.
    """
    missing = _missing(engine)
    while missing:
        failure: SQLAlchemyError | None = None
        for item in missing.values():
            try:
                item.create(engine, checkfirst=True)
            except SQLAlchemyError as error:
                if isinstance(item, Table):
                    failure = error
        still_missing = _missing(engine)
        if still_missing.keys() == missing.keys():
            if failure:
                raise failure
            return  # without an index the store is slower; the owner of the tables may forbid one
        missing = still_missing


def _missing(engine: Engine) -> dict[str, Table | Index]:
    """Return the tables and indexes that are missing, by name; a table is created with its indexes."""
    inspector = inspect(engine)
    missing: dict[str, Table | Index] = {}
    for table in METADATA.sorted_tables:
        if not inspector.has_table(table.name):
            missing[table.name] = table
            continue
        existing = {index["name"] for index in inspector.get_indexes(table.name)}
        missing |= {str(index.name): index for index in table.indexes if index.name not in existing}
    return missing
