"""Hand records on to the store, beside the requests and never in their way.

A request leaves its records in a queue. Four times a second one thread makes batches of them, and another one stores
these, however long that takes; what the store has not confirmed by the next time goes to a file, from which it is
replayed. A batch whose confirmation was lost is sent again, and its numbers keep it from being stored twice.
"""

import logging
import threading
import time
from collections import deque
from pathlib import Path
from typing import Any

from pydantic_core import from_json
from sqlalchemy.exc import DataError, IntegrityError

from mlkeel.config import Serving
from mlkeel.store.records import Batch, Entry, Records, batches
from mlkeel.store.spill import Spill
from mlkeel.store.store import Store, StoreError, StoreRemovedError, engine_for

logger = logging.getLogger(__name__)
PAUSE = 0.25  # seconds between two rounds of batches; each makes requests wait a little for the interpreter
PATIENCE = 0.25  # seconds, after which a batch that the store has not confirmed is spilled
AGAIN = 0.5  # seconds until a store that failed is tried again
FAREWELL = 1.0  # seconds that the store has in the end
MOST = 2**24  # bytes in memory; what comes beyond is dropped
MOST_REFUSALS = 100  # rows in one round, so that nobody fills the store with them
LOOK, TIDY = 15, 60  # seconds between two looks for a run of the monitor, and for old records
NEVER = float("-inf")


class Recorder:
    """Records what one process answers."""

    def __init__(self, serving: Serving, root: Path) -> None:
        """Make ready; nothing is written before `start`.

        Raises:
            StoreError: API_STORE is no address of a store.
        """
        engine_for(serving.api_store, root).dispose()
        self.records = Records(serving.api_hash_key)
        self._serving, self._root = serving, root
        self._store: Store | None = None
        self._spill = Spill(root / serving.api_spill, f"{self.records.writer:016x}")
        self._queue: deque[Entry] = deque()
        self._pending: deque[Batch] = deque()
        self._lock = threading.Lock()  # of what is pending, and of the counters of what is not any more
        self._work, self._stop, self._collected, self._end = (threading.Event() for _ in range(4))
        self._rows_in = self._bytes_in = self._rows_out = self._bytes_out = self._refusals = 0
        self._looked = self._tidied = NEVER
        self._troubles: set[str] = set()  # which were told to the log and have not ended
        self._threads = [threading.Thread(target=work, daemon=True) for work in (self._collect, self._deliver)]
        self._turned_away = self._unfit = 0  # rows that are dropped, by the thread that counts them
        self.written = self.spilled = 0  # rows
        self.run: dict[str, Any] | None = None  # the newest run of the monitor

    @property
    def queued(self) -> int:
        """How many rows are neither stored nor spilled yet."""
        return self._rows_in - self._rows_out

    @property
    def dropped(self) -> int:
        """How many rows are lost."""
        return self._turned_away + self._unfit

    def add(self, entry: Entry) -> bool:
        """Take an entry, unless there is no room; always called by the same thread."""
        if self._bytes_in - self._bytes_out > MOST:
            return False
        self._queue.append(entry)
        self._rows_in += entry.rows
        self._bytes_in += len(entry.body)
        return True

    def answered(self, entry: Entry) -> None:
        """Take what was answered, or count it as dropped."""
        if not self.add(entry):
            self._turned_away += entry.rows

    def refused(self, request: str, refusals: list[Any]) -> None:
        """Take what was refused, or of very much only some."""
        some = refusals[: MOST_REFUSALS - self._refusals]
        self._refusals += len(some)
        if some:
            self.answered(self.records.refused(request, some))

    def start(self) -> None:
        """Begin to write."""
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Write what there is: to the store or, where that takes too long, to the file that is replayed later."""
        self._stop.set()
        collecting, delivering = self._threads
        collecting.join()
        delivering.join(FAREWELL)
        self._end.set()
        self._spill_older_than(0)
        if lost := self.queued:
            self._unfit += lost
            self._rows_out += lost
            logger.error("%s records are lost, since neither the store nor a file took them.", f"{lost:,}")
        self._spill.close()

    def _collect(self) -> None:
        """Make batches, and spill those that wait; it never waits for the store."""
        stopping, dropped = False, 0
        while not stopping:
            stopping = self._stop.wait(PAUSE)
            self._refusals = 0
            if made := batches([self._queue.popleft() for _ in range(len(self._queue))]):
                with self._lock:
                    self._pending.extend(made)
                self._work.set()
            self._spill_older_than(PATIENCE)
            full, dropped = self._turned_away > dropped, self._turned_away
            self._note("room", "Records are dropped, since neither the store nor a file takes them." if full else "")
        self._collected.set()
        self._work.set()

    def _spill_older_than(self, age: float) -> None:
        limit = time.monotonic() - age
        with self._lock:
            old = [batch for batch in self._pending if batch.born <= limit]
        for batch in old:
            try:
                self._spill.append(batch.line)
            except OSError as error:
                self._note("file", f"Records cannot be kept in a file either ({error}).")
                return
            self._note("file")
            if self._let_go(batch):
                self.spilled += batch.rows

    def _let_go(self, batch: Batch) -> bool:
        """Forget a batch, unless the other thread has done so."""
        with self._lock:
            if batch not in self._pending:
                return False
            self._pending.remove(batch)
            self._rows_out += batch.rows
            self._bytes_out += batch.size
            return True

    def _deliver(self) -> None:
        """Store batches, and replay those that were spilled, until the end."""
        while not self._end.is_set():
            if not self._collected.is_set():
                self._work.wait(AGAIN)
                self._work.clear()
            elif not self._pending:
                break
            try:
                self._store = self._store or Store.open(self._serving.api_store, self._root)
                self._round(self._store)
                self._note("store")
            except StoreRemovedError as removed:  # what was not confirmed is sent to the next
                logger.warning("%s; recording goes on in a new one.", removed)
                self._let_go_of_store()
            except Exception as error:  # whatever is wrong with the store, requests go on
                self._note("store", f"{error} Until then, records wait in {self._serving.api_spill}/.")
                self._let_go_of_store()
                if self._stop.is_set():
                    break
                self._stop.wait(AGAIN)
        self._let_go_of_store()

    def _let_go_of_store(self) -> None:
        if self._store:
            self._store.close()
            self._store = None

    def _next(self) -> Batch | None:
        with self._lock:
            return self._pending[0] if self._pending else None

    def _round(self, store: Store) -> None:
        """Store what waits in memory, then what waits in files; when there is time, look after the rest."""
        store.refuse_if_removed()
        while batch := self._next():
            self._send(store, batch.line)
            self._let_go(batch)
        while not self._stop.is_set() and (line := self._spill.oldest()):
            self._send(store, line)
            self._spill.confirm(line)
            if self._pending:
                self._work.set()
                return
        if self._stop.is_set():
            return
        now = time.monotonic()
        if now - self._looked > LOOK:
            self._looked, runs = now, store.runs(1)
            self.run = runs[0] if runs else None
        if now - self._tidied > TIDY and not store.forget(self._serving.api_store_days, self._serving.api_store_rows):
            self._tidied = now

    def _send(self, store: Store, line: bytes) -> None:
        """Store a line, or leave it out if no store would ever take it."""
        table, _, rows = line.decode("utf-8", "replace").partition("\t")
        try:
            self.written += store.add(table, rows)
        except (StoreError, KeyError) as error:
            never = isinstance(error, KeyError) or isinstance(error.__cause__, DataError | IntegrityError)
            if (number := _whole(rows)) and not never:
                raise
            self._unfit += number or 1
            logger.error("A batch is left out, since the store refuses it: %s", error)

    def _note(self, what: str, trouble: str = "") -> None:
        """Tell the log of a trouble when it begins, and when it is over."""
        if trouble and what not in self._troubles:
            self._troubles.add(what)
            logger.error("%s", trouble)
        elif not trouble and what in self._troubles:
            self._troubles.discard(what)
            logger.info("Records: the trouble with the %s is over.", what)


def _whole(rows: str) -> int:
    """How many rows a line holds; none if it is damaged."""
    try:
        return len(from_json(rows))
    except ValueError:
        return 0
