import json
from pathlib import Path
from types import SimpleNamespace

from mlkeel.config import read_server_config
from mlkeel.contract.request import Violation
from mlkeel.store.prediction_logger import PredictionLogger


def test_hashes_are_equal_for_equal_values_under_the_same_key_only(tmp_path: Path) -> None:
    loaded_model = SimpleNamespace(version="v1", recorded_columns=(), hashed_columns=("colour",))
    hashes = []
    for key in ("one", "one", "two", "", ""):
        records = PredictionLogger(read_server_config({"API_HASH_KEY": key}), tmp_path).records
        rows = [{"colour": colour} for colour in ("red", "red", "green", None)]
        body = records.prediction_entry(loaded_model, rows, [b"{}"] * 4, "a", 0.0).body
        hashes.append([json.loads(row[6])["colour"] for row in json.loads(b"[%s]" % body)])
    assert "red" not in str(hashes)
    assert hashes[0] == hashes[1]
    assert len({colors[0] for colors in hashes}) == 4
    assert hashes[0][0] == hashes[0][1] != hashes[0][2]
    assert hashes[0][3] is None


def test_no_text_of_a_client_is_one_that_postgresql_refuses(tmp_path: Path) -> None:
    records = PredictionLogger(read_server_config({}), tmp_path).records
    violation_entry = records.violation_entry(
        "a", [Violation(1, None, "row", None, "\0: the contract knows no such column")]
    )
    for entry in (violation_entry, records.feedback_entry([("\0", 1, 7.5)])):
        assert b"\\u0000" not in entry.body
