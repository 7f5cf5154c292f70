"""Turn what is recorded of a request into rows of the store's tables, as JSON and without private values.

The JSON is written while the request is handled. That takes microseconds; a thread that did it later for hundreds of
requests at once would delay the next ones by milliseconds.
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

from mlkeel.contract.request import Row, Violation
from mlkeel.inference.loaded_model import LoadedModel

MAX_BATCH_BYTES = 2**20  # a batch exceeds it by less than one entry


class Entry(NamedTuple):
    """Rows of one table of the store: JSON arrays, separated by commas."""

    table: str
    rows: int
    body: bytes


@dataclass(frozen=True, eq=False, slots=True)
class Batch:
    """Rows of one table of the store, as a line: the name of the table, a tab, and a JSON array of arrays."""

    line: bytes
    rows: int
    size: int  # bytes of the entries
    born: float = field(default_factory=time.monotonic)


def batches(entries: Iterable[Entry]) -> list[Batch]:
    """Combine entries into batches by table, as few as can be without one that is very large."""
    complete: list[Batch] = []
    waiting: dict[str, list[Entry]] = defaultdict(list)
    sizes: dict[str, int] = defaultdict(int)
    for entry in entries:
        waiting[entry.table].append(entry)
        sizes[entry.table] += len(entry.body)
        if sizes[entry.table] > MAX_BATCH_BYTES:
            complete.append(_batch(waiting.pop(entry.table), sizes.pop(entry.table)))
    return complete + [_batch(rest, sizes[table]) for table, rest in waiting.items()]


def _batch(entries: list[Entry], size: int) -> Batch:
    line = b"%s\t[%s]\n" % (entries[0].table.encode(), b",".join([entry.body for entry in entries]))
    return Batch(line, sum(entry.rows for entry in entries), size)


class RecordWriter:
    """Writes the records of one process, each with a number that is unique together with the writer's."""

    def __init__(self, hash_key: str) -> None:
        """Set the key of the hashes, or draw one; equal values have equal hashes only under the same key."""
        self.writer = secrets.randbits(62)
        self._numbers = itertools.count(1)
        self._key = blake2b(hash_key.encode() or secrets.token_bytes(32)).digest()

    def prediction_entry(
        self, model: LoadedModel, rows: list[Row], outputs: list[bytes], request: str, started: float
    ) -> Entry:
        """Return the entry of predicted rows.

        Args:
            model: what predicted them.
            rows: n rows of the request, as they were sent.
            outputs: n outputs of the model, as JSON.
            request: the id of the request.
            started: when the request came, by `time.perf_counter`.
        """
        now = time.time()
        milliseconds = round((time.perf_counter() - started) * 1000, 3)
        records = []
        for index, row in enumerate(rows):
            features: dict[str, Any] = {name: row[name] for name in model.recorded_columns}
            for name in model.hashed_columns:
                features[name] = self._hash(name, row[name])
            documents = (to_json(features).decode(), outputs[index].decode())
            key = (self.writer, next(self._numbers))
            records.append(to_json((*key, now, request, index + 1, model.version, *documents, milliseconds)))
        return Entry("predictions", len(records), b",".join(records))

    def violation_entry(self, request: str, violations: list[Violation]) -> Entry:
        """Return the entry of violations of the contract, without the values."""
        rows = [
            (request, violation.row, violation.column, violation.rule, violation.message.replace("\0", "\ufffd"))
            for violation in violations
        ]
        return self._entry("violations", rows)

    def feedback_entry(self, feedback: list[tuple[str, int, Any]]) -> Entry:
        """Return the entry of true targets; each comes with the request and the number of the row that it is about."""
        rows = [(request.replace("\0", "\ufffd"), row, to_json(target).decode()) for request, row, target in feedback]
        return self._entry("feedback", rows)

    def _entry(self, table: str, rows: list[tuple[Any, ...]]) -> Entry:
        now = time.time()
        numbered = [(self.writer, next(self._numbers), now, *row) for row in rows]
        return Entry(table, len(rows), to_json(numbered)[1:-1])

    def _hash(self, name: str, value: object) -> str | None:
        return None if value is None else blake2b(to_json((name, value)), key=self._key, digest_size=16).hexdigest()
