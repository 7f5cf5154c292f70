import json
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from mlkeel.store.store import Recorded, Store, StoreError, StoreRemovedError

URL = "sqlite:///records/predictions.db"
NOW = time.time()
WORD = "hidden"  # in an address


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(URL, tmp_path)


def prediction(number: int, request: str = "a", row: int = 1, version: str = "v1", age: float = 0) -> list:
    return [1, number, NOW - age, request, row, version, '{"weight_g":1.0}', '{"estimate":2.0}', 0.5]


def feedback(number: int, truth: object, request: str = "a", row: int = 1, age: float = 0) -> list:
    return [2, number, NOW - age, request, row, json.dumps(truth)]


def add(store: Store, table: str, *rows: list) -> int:
    return store.add(table, json.dumps(rows))


def test_what_is_added_is_read_column_by_column_and_oldest_first(store: Store) -> None:
    assert add(store, "predictions", prediction(2, "b", version="v2"), prediction(1, age=9)) == 2
    expected = {"request": ["a", "b"], "row": [1, 1], "version": ["v1", "v2"], "time": [NOW - 9, NOW]}
    expected |= {"features": ['{"weight_g":1.0}'] * 2, "output": ['{"estimate":2.0}'] * 2}
    assert store.recorded() == Recorded(**expected, milliseconds=[0.5, 0.5], truth=[None, None])


def test_a_window_is_chosen_by_time_or_number(store: Store) -> None:
    rows = [prediction(n, str(n), version="v2" if n % 2 else "v1", age=10 - n) for n in range(6)]
    add(store, "predictions", *rows)
    assert store.recorded(since=NOW - 7).request == ["3", "4", "5"]
    assert store.recorded(last=2).request == ["4", "5"]


def test_a_row_that_is_sent_twice_is_kept_once(store: Store) -> None:
    assert add(store, "predictions", prediction(1)) == 1
    assert add(store, "predictions", prediction(1), prediction(2)) == 1
    assert len(store.recorded().time) == 2


def test_the_latest_truth_about_a_row_counts(store: Store) -> None:
    add(store, "predictions", prediction(1, "a"), prediction(2, "a", row=2), prediction(3, "b"))
    add(store, "feedback", feedback(1, "new", row=2), feedback(2, "old", row=2, age=5), feedback(3, 7.5, "b"))
    assert store.recorded().truth == [None, '"new"', "7.5"]


@pytest.mark.parametrize("text", ["\0", "'); DROP TABLE predictions; --", "größe \N{PILE OF POO}", '"\\\n\t'])
def test_any_text_comes_back_as_it_was(store: Store, text: str) -> None:
    row = prediction(1)
    row[6] = json.dumps({"note": text})
    add(store, "predictions", row)
    assert json.loads(store.recorded().features[0]) == {"note": text}


def test_violations_are_counted_by_row_and_by_rule(store: Store) -> None:
    rows = [[1, n, NOW - n, "a", 1, "colour", rule, "…"] for n, rule in enumerate(("in_set", "type", "in_set"))]
    add(store, "violations", *rows, [1, 9, NOW - 1, "b", None, None, "row", "…"])
    rejected = store.rejected_rows(NOW - 1.5, NOW)
    assert (rejected.rows, rejected.by) == (2, {("colour", "type"): 1, ("", "row"): 1})


def test_runs_of_the_monitor_are_read_oldest_first(store: Store) -> None:
    for hour in (8, 9, 10):
        store.add_monitor_run({"time": f"2026-11-23T{hour:02}:00:00Z", "artifact": "v1", "outcome": "fine"})
    assert [run["time"][11:13] for run in store.runs(2)] == ["09", "10"]


def test_old_rows_and_rows_beyond_the_limit_are_pruned_step_by_step(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlkeel.store.store.STEP", 2)
    add(store, "predictions", *(prediction(n, str(n), age=n * 86_400) for n in range(8)))
    add(store, "feedback", feedback(1, 1, age=9 * 86_400), feedback(2, 2))
    while store.prune(days=5.5, rows=4):
        pass
    assert store.recorded().request == ["3", "2", "1", "0"]
    assert store.add("feedback", json.dumps([feedback(1, 1), feedback(2, 2)])) == 1


def test_of_rows_of_one_moment_the_newest_stay(store: Store) -> None:
    add(store, "predictions", *(prediction(n, str(n)) for n in range(8)))
    while store.prune(days=5, rows=3):
        pass
    assert store.recorded().request == ["5", "6", "7"]


def test_what_goes_to_a_file_that_was_moved_or_replaced_is_not_confirmed(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "records" / "predictions.db"
    path.rename(tmp_path / "elsewhere.db")
    with pytest.raises(StoreRemovedError):
        add(store, "predictions", prediction(1))
    Store.open(URL, tmp_path)
    with pytest.raises(StoreRemovedError):
        add(store, "predictions", prediction(2))


def test_others_read_while_one_writes(store: Store, tmp_path: Path) -> None:
    add(store, "predictions", prediction(1))
    with sqlite3.connect(tmp_path / "records" / "predictions.db") as writer:
        writer.execute("BEGIN IMMEDIATE")
        assert len(store.recorded().time) == 1
        assert writer.execute("PRAGMA journal_mode").fetchone() == ("wal",)


OPENER = """
import sys
from pathlib import Path
from mlkeel.store.store import Store, StoreError
for line in sys.stdin:
    try:
        Store.open("sqlite:///predictions.db", Path(line.strip())).close()
        print("opened", flush=True)
    except StoreError as error:
        print(error, flush=True)
"""


def test_two_processes_may_open_a_new_store_at_once(tmp_path: Path) -> None:
    command = [sys.executable, "-c", OPENER]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    openers = [subprocess.Popen(command, **pipes) for _ in range(2)]
    outputs = []
    for number in range(40):
        (tmp_path / str(number)).mkdir()
        for opener in openers:
            opener.stdin.write(f"{tmp_path / str(number)}\n")
            opener.stdin.flush()
        outputs += [opener.stdout.readline().strip() for opener in openers]
    for opener in openers:
        opener.communicate()
    assert outputs == ["opened"] * 80


def test_an_index_that_a_killed_process_did_not_make_is_made(store: Store, tmp_path: Path) -> None:
    store.close()
    with sqlite3.connect(tmp_path / "records" / "predictions.db") as database:
        database.execute("DROP INDEX ix_feedback_request")
    Store.open(URL, tmp_path).close()
    with sqlite3.connect(tmp_path / "records" / "predictions.db") as database:
        assert database.execute("SELECT 1 FROM sqlite_master WHERE name = 'ix_feedback_request'").fetchone()


@pytest.mark.parametrize(
    "url",
    [
        *("predictions.db", "nosql://somewhere/db", f"postgresql+psycopg2://ada:{WORD}@localhost/db"),
        *(
            f"postgresql+psycopg://ada:{WORD}@localhost:port/db",
            "sqlite://",
            "sqlite:///:memory:",
            "mysql://localhost/db",
        ),
    ],
)
def test_an_address_that_nothing_can_be_at_is_refused(url: str, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"^API_STORE: .*Write sqlite:///") as excinfo:
        Store.open(url, tmp_path)
    assert WORD not in str(excinfo.value)


@pytest.mark.parametrize("url", [URL, f"postgresql+psycopg://ada:{WORD}@127.0.0.1:1/db"])
def test_a_store_that_cannot_be_reached_is_told_in_one_line_without_its_password(url: str, tmp_path: Path) -> None:
    (tmp_path / "records").write_text("a file where a folder should be", encoding="utf-8")
    with pytest.raises(StoreError, match="cannot be used") as excinfo:
        Store.open(url, tmp_path)
    assert "\n" not in str(excinfo.value)
    assert WORD not in str(excinfo.value)
