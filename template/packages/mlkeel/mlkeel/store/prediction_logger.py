"""Write records to the store in the background, without delaying requests.

A request puts its records into a queue. Four times a second one thread combines them into batches, and another one
stores these, however long that takes. A batch that the store has not confirmed by the next round is spilled to a file,
from which it is replayed. If a confirmation is lost, the batch is sent again, and its numbers keep it from being stored
twice.
"""

import logging
import threading
import time
from collections import deque
from pathlib import Path
from typing import Any

from pydantic_core import from_json
from sqlalchemy.exc import DataError, IntegrityError

from mlkeel.config import ServerConfig
from mlkeel.store.outbox import Outbox
from mlkeel.store.records import Batch, Entry, RecordWriter, batches
from mlkeel.store.store import Store, StoreError, StoreRemovedError, engine_for

logger = logging.getLogger(__name__)
FLUSH_EVERY_S = 0.25  # between two rounds of batches; each delays requests a little, since it takes the interpreter
SPILL_AFTER_S = 0.25  # a batch that the store has not confirmed is spilled at this age
RETRY_AFTER_S = 0.5  # until a store that failed is tried again
SHUTDOWN_S = 1.0  # for the store to take the last batches
MAX_QUEUE_BYTES = 2**24  # in memory; records beyond it are dropped
MAX_VIOLATIONS = 100  # in one round, so that no client fills the store with them
POLL_EVERY_S = 15  # between two queries for a run of the monitor
PRUNE_EVERY_S = 60  # between two searches for old records
NEVER = float("-inf")


class PredictionLogger:
    """Records the predictions, violations and feedback of one process."""

    def __init__(self, server_config: ServerConfig, root: Path) -> None:
        """Check the settings; nothing is written before `start`.

        Raises:
            StoreError: API_STORE is no address of a store.
        """
        engine_for(server_config.api_store, root).dispose()
        self.records = RecordWriter(server_config.api_hash_key)
        self._server_config = server_config
        self._root = root
        self._store: Store | None = None
        self._outbox = Outbox(root / server_config.api_outbox, f"{self.records.writer:016x}")
        self._queue: deque[Entry] = deque()
        self._pending: deque[Batch] = deque()
        self._lock = threading.Lock()  # for `_pending`, `_rows_out` and `_bytes_out`
        self._work_ready = threading.Event()
        self._stop = threading.Event()
        self._collected = threading.Event()  # the last batch is pending
        self._abandon = threading.Event()  # the time for the last batches is over
        self._rows_in = 0
        self._bytes_in = 0
        self._rows_out = 0
        self._bytes_out = 0
        self._violations = 0  # in this round
        self._last_poll = NEVER
        self._last_prune = NEVER
        self._open_faults: set[str] = set()  # that were logged and have not ended
        self._threads = [threading.Thread(target=target, daemon=True) for target in (self._collect, self._deliver)]
        self._rows_turned_away = 0  # dropped since the queue was full; counted by the thread of the requests
        self._rows_unfit = 0  # dropped since neither a store nor a file takes them; counted by the thread that delivers
        self.written = 0  # rows
        self.spilled = 0  # rows
        self.run: dict[str, Any] | None = None  # the latest run of the monitor

    @property
    def queued(self) -> int:
        """The number of rows that are neither stored nor spilled yet."""
        return self._rows_in - self._rows_out

    @property
    def dropped(self) -> int:
        """The number of rows that are lost."""
        return self._rows_turned_away + self._rows_unfit

    def add(self, entry: Entry) -> bool:
        """Queue an entry and return True, or return False if the queue is full; always called by the same thread."""
        if self._bytes_in - self._bytes_out > MAX_QUEUE_BYTES:
            return False
        self._queue.append(entry)
        self._rows_in += entry.rows
        self._bytes_in += len(entry.body)
        return True

    def enqueue_prediction(self, entry: Entry) -> None:
        """Queue an entry, or count its rows as dropped."""
        if not self.add(entry):
            self._rows_turned_away += entry.rows

    def enqueue_violations(self, request: str, violations: list[Any]) -> None:
        """Queue the violations of a request, as far as the limit of this round allows."""
        accepted = violations[: MAX_VIOLATIONS - self._violations]
        self._violations += len(accepted)
        if accepted:
            self.enqueue_prediction(self.records.violation_entry(request, accepted))

    def start(self) -> None:
        """Start to write."""
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Write what is queued: to the store or, if that takes too long, to the file that is replayed later."""
        self._stop.set()
        collecting, delivering = self._threads
        collecting.join()
        delivering.join(SHUTDOWN_S)
        self._abandon.set()
        self._spill_older_than(0)
        if lost := self.queued:
            self._rows_unfit += lost
            self._rows_out += lost
            logger.error("%s records are lost, since neither the store nor a file took them.", f"{lost:,}")
        self._outbox.close()

    def _collect(self) -> None:
        """Make batches, and spill those that the store has not confirmed; this thread never waits for the store."""
        stopping = False
        known_drops = 0
        while not stopping:
            stopping = self._stop.wait(FLUSH_EVERY_S)
            self._violations = 0
            if new_batches := batches([self._queue.popleft() for _ in range(len(self._queue))]):
                with self._lock:
                    self._pending.extend(new_batches)
                self._work_ready.set()
            self._spill_older_than(SPILL_AFTER_S)
            drops = self._rows_turned_away
            is_full = drops > known_drops
            known_drops = drops
            fault = "Records are dropped, since neither the store nor a file takes them." if is_full else ""
            self._log_fault("room", fault)
        self._collected.set()
        self._work_ready.set()

    def _spill_older_than(self, age_s: float) -> None:
        born_before = time.monotonic() - age_s
        with self._lock:
            old_batches = [batch for batch in self._pending if batch.born <= born_before]
        for batch in old_batches:
            try:
                self._outbox.append(batch.line)
            except OSError as error:
                self._log_fault("file", f"Records cannot be kept in a file either ({error}).")
                return
            self._log_fault("file")
            if self._remove_pending(batch):
                self.spilled += batch.rows

    def _remove_pending(self, batch: Batch) -> bool:
        """Remove a batch and return True, or return False if the other thread has removed it."""
        with self._lock:
            if batch not in self._pending:
                return False
            self._pending.remove(batch)
            self._rows_out += batch.rows
            self._bytes_out += batch.size
            return True

    def _deliver(self) -> None:
        """Store batches, and replay those that were spilled, until the logger is closed."""
        while not self._abandon.is_set():
            if not self._collected.is_set():
                self._work_ready.wait(RETRY_AFTER_S)
                self._work_ready.clear()
            elif not self._pending:
                break
            try:
                self._store = self._store or Store.open(self._server_config.api_store, self._root)
                self._flush(self._store)
                self._log_fault("store")
            except StoreRemovedError as error:  # what was not confirmed is sent to the new one
                logger.warning("%s; recording goes on in a new one.", error)
                self._close_store()
            except Exception as error:  # whatever is wrong with the store, requests go on
                self._log_fault("store", f"{error} Until then, records wait in {self._server_config.api_outbox}/.")
                self._close_store()
                if self._stop.is_set():
                    break
                self._stop.wait(RETRY_AFTER_S)
        self._close_store()

    def _close_store(self) -> None:
        if self._store:
            self._store.close()
            self._store = None

    def _next_pending(self) -> Batch | None:
        with self._lock:
            return self._pending[0] if self._pending else None

    def _flush(self, store: Store) -> None:
        """Store what waits in memory, then what waits in files; after that, poll for runs and prune when it is time."""
        store.check_not_removed()
        while batch := self._next_pending():
            self._send(store, batch.line)
            self._remove_pending(batch)
        while not self._stop.is_set() and (line := self._outbox.oldest()):
            self._send(store, line)
            self._outbox.confirm(line)
            if self._pending:
                self._work_ready.set()
                return
        if self._stop.is_set():
            return
        now = time.monotonic()
        if now - self._last_poll > POLL_EVERY_S:
            runs = store.runs(1)
            self._last_poll = now
            self.run = runs[0] if runs else None
        if now - self._last_prune > PRUNE_EVERY_S and not store.prune(
            self._server_config.api_store_days, self._server_config.api_store_rows
        ):
            self._last_prune = now

    def _send(self, store: Store, line: bytes) -> None:
        """Store a line, or drop it if no store would ever take it.

        Raises:
            StoreError: the store may take it later.
        """
        table, _, rows = line.decode("utf-8", "replace").partition("\t")
        try:
            self.written += store.add(table, rows)
        except (StoreError, KeyError) as error:
            is_permanent = isinstance(error, KeyError) or isinstance(error.__cause__, DataError | IntegrityError)
            row_count = _count_rows(rows)
            if row_count and not is_permanent:
                raise
            self._rows_unfit += row_count or 1
            logger.error("A batch is left out, since the store refuses it: %s", error)

    def _log_fault(self, source: str, fault: str = "") -> None:
        """Log a fault when it begins and, by a call without one, when it is over."""
        if fault and source not in self._open_faults:
            self._open_faults.add(source)
            logger.error("%s", fault)
        elif not fault and source in self._open_faults:
            self._open_faults.discard(source)
            logger.info("Records: the trouble with the %s is over.", source)


def _count_rows(rows: str) -> int:
    """Return how many rows a JSON array holds, or 0 if it is damaged."""
    try:
        return len(from_json(rows))
    except ValueError:
        return 0
