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
LOADED_MODEL = SimpleNamespace(version="v1", recorded_columns=("weight_g",), hashed_columns=())


@pytest.fixture(autouse=True)
def _short_intervals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlkeel.store.prediction_logger.RETRY_AFTER_S", 0.02)
    monkeypatch.setattr("mlkeel.store.prediction_logger.FLUSH_EVERY_S", 0.02)


def start_logger(root: Path, **variables: str) -> PredictionLogger:
    logger = PredictionLogger(read_server_config(variables), root)
    logger.start()
    return logger


def log_predictions(logger: PredictionLogger, *requests: str) -> None:
    for request in requests:
        row = {"weight_g": 1.5, "colour": "red"}
        output = b'{"estimate":2.0}'
        logger.enqueue_prediction(
            logger.records.prediction_entry(LOADED_MODEL, [row], [output], request, time.perf_counter())
        )


def stored(root: Path) -> list[str]:
    return sorted(Store.open(URL, root).recorded().request)


def outbox_files(root: Path) -> list[Path]:
    return list((root / "records").glob("*.spill"))


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        os.sched_yield()


def raise_store_error(*_: object) -> None:
    raise StoreError("the store is away.")


@pytest.fixture
def interrupted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project in which a process ended while the store was away; it is back now."""
    with monkeypatch.context() as patch:
        patch.setattr(Store, "open", raise_store_error)
        logger = start_logger(tmp_path)
        log_predictions(logger, "a", "b")
        logger.close()
    assert (logger.spilled, logger.queued, logger.dropped) == (2, 0, 0)
    return tmp_path


def test_what_was_taken_is_in_the_store_when_it_has_ended(tmp_path: Path) -> None:
    logger = start_logger(tmp_path)
    log_predictions(logger, *"abc")
    logger.close()
    assert stored(tmp_path) == ["a", "b", "c"]
    assert (logger.written, logger.queued, logger.spilled) == (3, 0, 0)
    assert not outbox_files(tmp_path)


def test_only_the_features_are_recorded(tmp_path: Path) -> None:
    logger = start_logger(tmp_path)
    log_predictions(logger, "a")
    logger.close()
    records = Store.open(URL, tmp_path).recorded()
    assert (records.features, records.output) == (['{"weight_g":1.5}'], ['{"estimate":2.0}'])
    assert (records.row, records.version) == ([1], ["v1"])
    assert abs(records.time[0] - time.time()) < 60
    assert 0 <= records.milliseconds[0] < 60_000


def test_what_the_store_does_not_confirm_is_in_a_file_and_stored_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add = Store.add
    resume = threading.Event()

    def hang(store: Store, table: str, rows: str) -> int:
        resume.wait(20)
        return add(store, table, rows)

    monkeypatch.setattr(Store, "add", hang)
    logger = start_logger(tmp_path)
    log_predictions(logger, "a")
    wait_for(lambda: logger.spilled)
    assert '"a"' in outbox_files(tmp_path)[0].read_text(encoding="utf-8")  # as a kill would leave it
    resume.set()
    wait_for(lambda: not outbox_files(tmp_path)[0].stat().st_size)
    logger.close()
    assert stored(tmp_path) == ["a"]
    assert logger.written == 1
    assert not outbox_files(tmp_path)


def test_the_next_process_replays_what_the_last_one_left(interrupted: Path) -> None:
    logger = start_logger(interrupted)
    log_predictions(logger, "c")
    wait_for(lambda: logger.written == 3)
    logger.close()
    assert stored(interrupted) == ["a", "b", "c"]
    assert not outbox_files(interrupted)


def test_a_line_that_a_kill_cut_off_is_left_out(interrupted: Path, caplog: pytest.LogCaptureFixture) -> None:
    with outbox_files(interrupted)[0].open("ab") as file:
        file.write(b'predictions\t[[1,2,3,"c"')
    logger = start_logger(interrupted)
    wait_for(lambda: not outbox_files(interrupted))
    logger.close()
    assert stored(interrupted) == ["a", "b"]
    assert "not whole" in caplog.text


@pytest.mark.parametrize(
    "line",
    [b"rubbish\n", b"predictions\t[[1,2,3,]]\n", b"predictions\t[[1,2,null]]\n", b"\xff\n", b"unknown\t[[1]]\n"],
)
def test_a_line_that_no_store_would_take_does_not_hold_up_the_others(
    interrupted: Path, line: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    path = outbox_files(interrupted)[0]
    path.write_bytes(line + path.read_bytes())
    logger = start_logger(interrupted)
    wait_for(lambda: not outbox_files(interrupted))
    logger.close()
    assert stored(interrupted) == ["a", "b"]
    assert logger.dropped == 1
    assert "left out" in caplog.text


def test_a_file_is_not_replayed_while_its_process_lives(tmp_path: Path) -> None:
    first = Outbox(tmp_path, "one")
    second = Outbox(tmp_path, "other")
    first.append(b"line\n")
    assert second.oldest() is None
    assert first.oldest() == b"line\n"
    first.close()
    assert second.oldest() == b"line\n"
    second.confirm(b"line\n")
    assert second.oldest() is None
    assert not list(tmp_path.iterdir())


def test_a_line_for_which_the_disk_has_no_room_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outbox = Outbox(tmp_path, "one")
    write = os.write
    outbox.append(b"first\n")

    def full(descriptor: int, content: bytes) -> int:
        if len(content) < 5:
            raise OSError(28, "No space left on device")
        return write(descriptor, content[:5])

    with monkeypatch.context() as patch, pytest.raises(OSError, match="No space"):
        patch.setattr(os, "write", full)
        outbox.append(b"second\n")
    outbox.append(b"third\n")
    assert (tmp_path / "one.spill").read_bytes() == b"first\nthird\n"


def test_a_store_that_fails_once_gets_the_rows_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    errors = iter([StoreError("the server went away.")])
    add = Store.add

    def adding(store: Store, table: str, rows: str) -> int:
        for error in errors:
            raise error
        return add(store, table, rows)

    monkeypatch.setattr(Store, "add", adding)
    logger = start_logger(tmp_path)
    log_predictions(logger, "a", "b")
    wait_for(lambda: logger.written == 2)
    logger.close()
    assert (stored(tmp_path), logger.dropped) == (["a", "b"], 0)


def test_after_the_store_was_removed_a_new_one_is_made(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    logger = start_logger(tmp_path)
    for number in (1, 2):
        shutil.rmtree(tmp_path / "records", ignore_errors=True)
        log_predictions(logger, str(number))
        wait_for(lambda number=number: logger.written == number)
    logger.close()
    assert stored(tmp_path) == ["2"]
    assert caplog.text.count("predictions.db was removed; recording goes on in a new one.") == 1


def test_the_outbox_outlives_its_folder(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "records", "one")
    outbox.append(b"first\n")
    outbox.append(b"second\n")
    outbox.confirm(b"first\n")
    shutil.rmtree(tmp_path / "records")
    outbox.append(b"third\n")
    assert outbox.oldest() == b"second\n"
    shutil.rmtree(tmp_path / "records")
    outbox.close()
    assert outbox_files(tmp_path)[0].read_bytes() == b"second\nthird\n"


def test_where_nothing_can_be_written_records_are_dropped_counted_and_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("mlkeel.store.prediction_logger.MAX_QUEUE_BYTES", 1000)
    (tmp_path / "records").write_text("a file where a folder should be", encoding="utf-8")
    logger = start_logger(tmp_path)
    log_predictions(logger, *map(str, range(50)))
    kept = logger.queued
    assert 0 < kept < 50
    assert logger.dropped == 50 - kept
    assert not logger.add(logger.records.feedback_entry([("a", 1, 1.0)]))
    wait_for(lambda: "cannot be kept in a file" in caplog.text)
    logger.close()
    assert (logger.queued, logger.dropped) == (0, 50)
    assert caplog.text.count("cannot be used") == caplog.text.count("Records are dropped") == 1


def test_a_flood_of_violations_does_not_fill_the_store(tmp_path: Path) -> None:
    logger = PredictionLogger(read_server_config({}), tmp_path)
    for _ in range(99):
        logger.enqueue_violations(
            "a", [Violation(row, "colour", "in_set", "secret", "colour: …") for row in range(1, 8)]
        )
    logger.start()
    logger.close()
    rejected = Store.open(URL, tmp_path).rejected_rows(0, time.time() + 1)
    assert (rejected.rows, rejected.by) == (7, {("colour", "in_set"): 100})
    assert b"secret" not in (tmp_path / "records" / "predictions.db").read_bytes()
