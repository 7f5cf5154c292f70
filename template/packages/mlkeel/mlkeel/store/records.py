"""What is recorded of a request: rows of the store's tables as JSON, without what is private.

They are written out while the request is answered. That costs it microseconds; a thread that did it later for hundreds
of requests at once would let the next ones wait for milliseconds.
"""

import itertools
import secrets
import time
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, NamedTuple

from pydantic_core import to_json

from mlkeel.contract.request import Refusal, Row
from mlkeel.inference.service import Service

LARGE = 2**20  # bytes of a batch, and one entry more


class Entry(NamedTuple):
    """Rows of one table: JSON arrays with a comma between two."""

    table: str
    rows: int
    body: bytes


@dataclass(frozen=True, eq=False, slots=True)
class Batch:
    """Rows of one table as a line: its name, a tab, and a JSON array of arrays."""

    line: bytes
    rows: int
    size: int  # bytes of the entries
    born: float = field(default_factory=time.monotonic)


def batches(entries: Iterable[Entry]) -> list[Batch]:
    """Entries put together, as few lines as can be without one that is very long."""
    made: list[Batch] = []
    waiting: dict[str, list[Entry]] = defaultdict(list)
    sizes: dict[str, int] = defaultdict(int)
    for entry in entries:
        waiting[entry.table].append(entry)
        sizes[entry.table] += len(entry.body)
        if sizes[entry.table] > LARGE:
            made.append(_batch(waiting.pop(entry.table), sizes.pop(entry.table)))
    return made + [_batch(together, sizes[table]) for table, together in waiting.items()]


def _batch(entries: list[Entry], size: int) -> Batch:
    line = b"%s\t[%s]\n" % (entries[0].table.encode(), b",".join([entry.body for entry in entries]))
    return Batch(line, sum(entry.rows for entry in entries), size)


class Records:
    """Writes the records of one process, each under a number of its own."""

    def __init__(self, hash_key: str) -> None:
        """Take the key for what is hashed, or draw one; with another key, equal values have other hashes."""
        self.writer = secrets.randbits(62)
        self._numbers = itertools.count(1)
        self._key = blake2b(hash_key.encode() or secrets.token_bytes(32)).digest()

    def answered(self, service: Service, rows: list[Row], outputs: list[bytes], request: str, began: float) -> Entry:
        """Rows and their `outputs`, which are JSON; `began` is when they came, by `time.perf_counter`."""
        now, taken, said = time.time(), round((time.perf_counter() - began) * 1000, 3), []
        for place, row in enumerate(rows):
            features: dict[str, Any] = {name: row[name] for name in service.kept}
            for name in service.hashed:
                features[name] = self._hash(name, row[name])
            told = (to_json(features).decode(), outputs[place].decode())
            number = next(self._numbers)
            said.append(to_json((self.writer, number, now, request, place + 1, service.version, *told, taken)))
        return Entry("predictions", len(said), b",".join(said))

    def refused(self, request: str, refusals: list[Refusal]) -> Entry:
        """What broke the contract, without the values."""
        rows = [(request, one.row, one.column, one.rule, one.message.replace("\0", "\ufffd")) for one in refusals]
        return self._entry("refusals", rows)

    def learnt(self, truths: list[tuple[str, int, Any]]) -> Entry:
        """What turned out to be true of the rows of earlier requests."""
        rows = [(request.replace("\0", "\ufffd"), row, to_json(truth).decode()) for request, row, truth in truths]
        return self._entry("feedback", rows)

    def _entry(self, table: str, rows: list[tuple[Any, ...]]) -> Entry:
        now = time.time()
        numbered = [(self.writer, next(self._numbers), now, *row) for row in rows]
        return Entry(table, len(rows), to_json(numbered)[1:-1])

    def _hash(self, name: str, value: object) -> str | None:
        return None if value is None else blake2b(to_json((name, value)), key=self._key, digest_size=16).hexdigest()
