import os
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from mlkeel.config import read_server_config
from mlkeel.contract.request import Violation
from mlkeel.store.outbox import Outbox
from mlkeel.store.prediction_logger import PredictionLogger
from mlkeel.store.store import Store, StoreError

URL = "sqlite:///records/predictions.db"
SERVICE = SimpleNamespace(version="v1", recorded_columns=("weight_g",), hashed_columns=())


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlkeel.store.prediction_logger.RETRY_AFTER_S", 0.02)
    monkeypatch.setattr("mlkeel.store.prediction_logger.FLUSH_EVERY_S", 0.02)


def made(root: Path, **variables: str) -> PredictionLogger:
    recorder = PredictionLogger(read_server_config(variables), root)
    recorder.start()
    return recorder


def answer(recorder: PredictionLogger, *requests: str) -> None:
    for request in requests:
        row = {"weight_g": 1.5, "colour": "red"}
        output = b'{"estimate":2.0}'
        recorder.enqueue_prediction(
            recorder.records.prediction_entry(SERVICE, [row], [output], request, time.perf_counter())
        )


def stored(root: Path) -> list[str]:
    return sorted(Store.open(URL, root).recorded().request)


def spilled(root: Path) -> list[Path]:
    return list((root / "records").glob("*.spill"))


def wait_for(truth: Callable[[], object]) -> None:
    limit = time.monotonic() + 20
    while not truth():
        assert time.monotonic() < limit
        os.sched_yield()


def away(*_: object) -> None:
    raise StoreError("the store is away.")


@pytest.fixture
def interrupted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project in which a process ended while the store was away; it is back now."""
    with monkeypatch.context() as patch:
        patch.setattr(Store, "open", away)
        recorder = made(tmp_path)
        answer(recorder, "a", "b")
        recorder.close()
    assert (recorder.spilled, recorder.queued, recorder.dropped) == (2, 0, 0)
    return tmp_path


def test_what_was_taken_is_in_the_store_when_it_has_ended(tmp_path: Path) -> None:
    recorder = made(tmp_path)
    answer(recorder, *"abc")
    recorder.close()
    assert stored(tmp_path) == ["a", "b", "c"]
    assert (recorder.written, recorder.queued, recorder.spilled) == (3, 0, 0)
    assert not spilled(tmp_path)


def test_only_the_features_are_recorded(tmp_path: Path) -> None:
    recorder = made(tmp_path)
    answer(recorder, "a")
    recorder.close()
    found = Store.open(URL, tmp_path).recorded()
    assert (found.features, found.output) == (['{"weight_g":1.5}'], ['{"estimate":2.0}'])
    assert (found.row, found.version) == ([1], ["v1"])
    assert abs(found.time[0] - time.time()) < 60
    assert 0 <= found.milliseconds[0] < 60_000


def test_what_the_store_does_not_confirm_is_in_a_file_and_stored_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add = Store.add
    goes_on = threading.Event()

    def hang(store: Store, table: str, rows: str) -> int:
        goes_on.wait(20)
        return add(store, table, rows)

    monkeypatch.setattr(Store, "add", hang)
    recorder = made(tmp_path)
    answer(recorder, "a")
    wait_for(lambda: recorder.spilled)
    assert '"a"' in spilled(tmp_path)[0].read_text(encoding="utf-8")  # as a kill would leave it
    goes_on.set()
    wait_for(lambda: not spilled(tmp_path)[0].stat().st_size)
    recorder.close()
    assert stored(tmp_path) == ["a"]
    assert recorder.written == 1
    assert not spilled(tmp_path)


def test_the_next_process_replays_what_the_last_one_left(interrupted: Path) -> None:
    recorder = made(interrupted)
    answer(recorder, "c")
    wait_for(lambda: recorder.written == 3)
    recorder.close()
    assert stored(interrupted) == ["a", "b", "c"]
    assert not spilled(interrupted)


def test_a_line_that_a_kill_cut_off_is_left_out(interrupted: Path, caplog: pytest.LogCaptureFixture) -> None:
    with spilled(interrupted)[0].open("ab") as file:
        file.write(b'predictions\t[[1,2,3,"c"')
    recorder = made(interrupted)
    wait_for(lambda: not spilled(interrupted))
    recorder.close()
    assert stored(interrupted) == ["a", "b"]
    assert "not whole" in caplog.text


@pytest.mark.parametrize(
    "line",
    [b"rubbish\n", b"predictions\t[[1,2,3,]]\n", b"predictions\t[[1,2,null]]\n", b"\xff\n", b"unknown\t[[1]]\n"],
)
def test_a_line_that_no_store_would_take_does_not_hold_up_the_others(
    interrupted: Path, line: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    path = spilled(interrupted)[0]
    path.write_bytes(line + path.read_bytes())
    recorder = made(interrupted)
    wait_for(lambda: not spilled(interrupted))
    recorder.close()
    assert stored(interrupted) == ["a", "b"]
    assert recorder.dropped == 1
    assert "left out" in caplog.text


def test_a_file_is_not_replayed_while_its_process_lives(tmp_path: Path) -> None:
    one = Outbox(tmp_path, "one")
    other = Outbox(tmp_path, "other")
    one.append(b"line\n")
    assert other.oldest() is None
    assert one.oldest() == b"line\n"
    one.close()
    assert other.oldest() == b"line\n"
    other.confirm(b"line\n")
    assert other.oldest() is None
    assert not list(tmp_path.iterdir())


def test_a_line_for_which_the_disk_has_no_room_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spill = Outbox(tmp_path, "one")
    write = os.write
    spill.append(b"first\n")

    def full(descriptor: int, content: bytes) -> int:
        if len(content) < 5:
            raise OSError(28, "No space left on device")
        return write(descriptor, content[:5])

    with monkeypatch.context() as patch, pytest.raises(OSError, match="No space"):
        patch.setattr(os, "write", full)
        spill.append(b"second\n")
    spill.append(b"third\n")
    assert (tmp_path / "one.spill").read_bytes() == b"first\nthird\n"


def test_a_store_that_fails_once_gets_the_rows_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter([StoreError("the server went away.")])
    add = Store.add

    def adding(store: Store, table: str, rows: str) -> int:
        for error in answers:
            raise error
        return add(store, table, rows)

    monkeypatch.setattr(Store, "add", adding)
    recorder = made(tmp_path)
    answer(recorder, "a", "b")
    wait_for(lambda: recorder.written == 2)
    recorder.close()
    assert (stored(tmp_path), recorder.dropped) == (["a", "b"], 0)


def test_after_the_store_was_removed_a_new_one_is_made(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    recorder = made(tmp_path)
    for number in (1, 2):
        shutil.rmtree(tmp_path / "records", ignore_errors=True)
        answer(recorder, str(number))
        wait_for(lambda number=number: recorder.written == number)
    recorder.close()
    assert stored(tmp_path) == ["2"]
    assert caplog.text.count("predictions.db was removed; recording goes on in a new one.") == 1


def test_what_was_spilled_outlives_its_folder(tmp_path: Path) -> None:
    spill = Outbox(tmp_path / "records", "one")
    spill.append(b"first\n")
    spill.append(b"second\n")
    spill.confirm(b"first\n")
    shutil.rmtree(tmp_path / "records")
    spill.append(b"third\n")
    assert spill.oldest() == b"second\n"
    shutil.rmtree(tmp_path / "records")
    spill.close()
    assert spilled(tmp_path)[0].read_bytes() == b"second\nthird\n"


def test_where_nothing_can_be_written_records_are_dropped_counted_and_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("mlkeel.store.prediction_logger.MAX_QUEUE_BYTES", 1000)
    (tmp_path / "records").write_text("a file where a folder should be", encoding="utf-8")
    recorder = made(tmp_path)
    answer(recorder, *map(str, range(50)))
    kept = recorder.queued
    assert 0 < kept < 50
    assert recorder.dropped == 50 - kept
    assert not recorder.add(recorder.records.feedback_entry([("a", 1, 1.0)]))
    wait_for(lambda: "cannot be kept in a file" in caplog.text)
    recorder.close()
    assert (recorder.queued, recorder.dropped) == (0, 50)
    assert caplog.text.count("cannot be used") == caplog.text.count("Records are dropped") == 1


def test_a_flood_of_refusals_does_not_fill_the_store(tmp_path: Path) -> None:
    recorder = PredictionLogger(read_server_config({}), tmp_path)
    for _ in range(99):
        recorder.enqueue_violations(
            "a", [Violation(row, "colour", "in_set", "secret", "colour: …") for row in range(1, 8)]
        )
    recorder.start()
    recorder.close()
    found = Store.open(URL, tmp_path).refused(0, time.time() + 1)
    assert (found.rows, found.by) == (7, {("colour", "in_set"): 100})
    assert b"secret" not in (tmp_path / "records" / "predictions.db").read_bytes()
