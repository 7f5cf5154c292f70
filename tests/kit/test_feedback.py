import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from fastapi.testclient import TestClient
from mlkeel.config import read_server_config
from mlkeel.errors import ArtifactError
from mlkeel.registry.artifact import current
from mlkeel.serve.app import build
from mlkeel.serve.model_manager import ModelManager
from mlkeel.store.store import Recorded, Store, StoreError

from .kinds import KIND

ROW = {"note": "a sour apple, crisp"} if KIND.text else {"weight_g": 163.25, "colour": "red"}
BROKEN = KIND.broken_row
COLUMN = KIND.feature
TARGET = KIND.target
TRUTH, WRONG = ("apple", "stone") if KIND.classification else (9000, "80.5")
API_KEY = "new"
STORE = "sqlite:///records/predictions.db"
Serve = Callable[..., tuple[TestClient, ModelManager]]


@pytest.fixture
def client(serve: Serve) -> TestClient:
    """An API that records."""
    return serve(API_STORE=STORE)[0]


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        os.sched_yield()


def recorded(root: Path, rows: int, truths: int = 0) -> Recorded:
    """What the store holds, once it holds so many rows and truths."""
    store = Store.open(STORE, root)
    wait_for(lambda: len(store.recorded().time) == rows)
    wait_for(lambda: rows - store.recorded().truth.count(None) == truths)
    return store.recorded()


def private(root: Path, **columns: str) -> None:
    """Call columns private in the settings of the current version."""
    path = current(root / "artifacts") / "params.yaml"
    params = yaml.safe_load(path.read_text(encoding="utf-8"))
    path.write_text(yaml.safe_dump(params | {"monitor": {"private": columns}}), encoding="utf-8")


def test_an_answer_is_recorded_as_it_was_given(client: TestClient, tmp_path: Path) -> None:
    single = client.post("/predict", json=ROW | {"id": "extra"}, headers={"x-request-id": "one"})
    many = client.post("/predict", json=[ROW, ROW])
    stored = recorded(tmp_path, 3)
    assert stored.request == ["one", many.headers["x-request-id"], many.headers["x-request-id"]]
    assert stored.row == [1, 1, 2]
    assert set(stored.version) == {single.headers["x-model-version"]}
    assert [json.loads(features) for features in stored.features] == [ROW] * 3
    assert [json.loads(output) for output in stored.output] == [single.json(), *many.json()]


@pytest.mark.usefixtures("serve")
def test_when_the_api_has_ended_all_it_answered_is_in_the_store(tmp_path: Path) -> None:
    with TestClient(build(tmp_path, read_server_config({}))[0]) as client:
        client.post("/predict", json=[ROW] * 3)
    assert len(Store.open("sqlite:///records/predictions.db", tmp_path).recorded().time) == 3


def test_the_truth_about_a_row_reaches_the_store(client: TestClient, tmp_path: Path) -> None:
    request = client.post("/predict", json=[ROW, ROW]).headers["x-request-id"]
    response = client.post("/feedback", json={"request_id": request, "row": 2, "truth": TRUTH})
    assert (response.status_code, response.json()) == (202, {"queued": 1})
    assert recorded(tmp_path, 2, truths=1).truth == [None, json.dumps(TRUTH)]


@pytest.mark.parametrize(
    ("feedback", "column"),
    [
        ({"request_id": "a", "truth": WRONG}, TARGET),
        ({"request_id": "a", "truth": [TRUTH]}, TARGET),
        ({"request_id": "a", "truth": True}, TARGET),
        ({"request_id": "a", "truth": None}, TARGET),
        ({"request_id": "a"}, None),
        ({"truth": TRUTH}, None),
        ({"request_id": "", "truth": TRUTH}, None),
        ({"request_id": "a" * 65, "truth": TRUTH}, None),
        ({"request_id": 7, "truth": TRUTH}, None),
        ({"request_id": "a", "truth": TRUTH, "row": 0}, None),
        ({"request_id": "a", "truth": TRUTH, "row": 1.5}, None),
        ({"request_id": "a", "truth": TRUTH, "row": True}, None),
        ({"request_id": "a", "truth": TRUTH, "extra": 1}, None),
        ("a", None),
    ],
)
def test_a_truth_that_cannot_be_one_is_named(client: TestClient, feedback: object, column: str | None) -> None:
    response = client.post("/feedback", json=[{"request_id": "a", "truth": TRUTH}, feedback])
    assert response.status_code == 422
    (violation,) = response.json()["detail"]
    assert (violation["row"], violation["column"]) == (2, column)


@pytest.mark.parametrize("truth", ["NaN", "Infinity", "1e999"])
def test_what_is_no_number_is_no_truth(client: TestClient, truth: str) -> None:
    body = json.dumps({"request_id": "a", "truth": 0}).replace("0", truth)
    response = client.post("/feedback", content=body, headers={"content-type": "application/json"})
    assert response.status_code in (400, 422)


def test_truths_have_the_limits_of_rows(serve: Serve) -> None:
    client, _ = serve(API_STORE=STORE, API_KEYS=API_KEY, API_MAX_ROWS="2")
    feedback = [{"request_id": "a", "truth": TRUTH}] * 3
    key = {"x-api-key": API_KEY}
    assert client.post("/feedback", json=feedback[:2]).status_code == 401
    assert client.post("/feedback", json=feedback, headers=key).status_code == 413
    assert client.post("/feedback", json=[], headers=key).status_code == 422
    assert client.post("/feedback", json=feedback[:2], headers=key).status_code == 202


def test_with_recording_off_nothing_is_written_and_truths_are_sent_back(serve: Serve, tmp_path: Path) -> None:
    client, _ = serve(API_STORE="off")
    assert client.post("/predict", json=ROW).status_code == 200
    response = client.post("/feedback", json={"request_id": "a", "truth": TRUTH})
    assert (response.status_code, "API_STORE" in response.text) == (409, True)
    assert "api_records" not in client.get("/metrics").text
    assert not (tmp_path / "records").exists()


def test_truths_are_sent_back_when_there_is_no_room(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    client, _ = serve(API_STORE=STORE)
    monkeypatch.setattr("mlkeel.store.prediction_logger.MAX_QUEUE_BYTES", -1)
    assert client.post("/predict", json=ROW).status_code == 200
    response = client.post("/feedback", json={"request_id": "a", "truth": TRUTH})
    assert (response.status_code, response.headers["retry-after"]) == (503, "1")
    assert "api_records_dropped_total 1.0" in client.get("/metrics").text


def test_the_documentation_says_what_a_truth_may_be(client: TestClient) -> None:
    document = client.get("/openapi.json").json()
    truth = document["components"]["schemas"]["Feedback"]["properties"]["truth"]
    assert truth == ({"type": "string", "enum": ["apple", "cherry"]} if KIND.classification else {"type": "number"})
    assert {"202", "409", "422"} <= set(document["paths"]["/feedback"]["post"]["responses"])


@pytest.mark.parametrize("how", ["omit", "hash"])
def test_a_private_column_is_nowhere_in_the_store(serve: Serve, tmp_path: Path, how: str) -> None:
    private(tmp_path, **{COLUMN: how})
    client, _ = serve(API_STORE=STORE)
    assert client.post("/predict", json=ROW).status_code == 200
    assert client.post("/predict", json=ROW | {COLUMN: "secret" * 99}).status_code == 422
    (features,) = recorded(tmp_path, 1).features
    store = Store.open("sqlite:///records/predictions.db", tmp_path)
    wait_for(lambda: store.rejected_rows(0, time.time() + 1).rows == 1)
    assert (COLUMN in json.loads(features)) == (how == "hash")
    for path in (tmp_path / "records").iterdir():
        assert not {word for word in (b"secret", str(ROW[COLUMN]).encode()) if word in path.read_bytes()}


@pytest.mark.parametrize("name", ["colours", TARGET])
def test_only_a_column_that_there_is_can_be_private(serve: Serve, tmp_path: Path, name: str) -> None:
    private(tmp_path, **{name: "omit"})
    with pytest.raises(ArtifactError, match=f"monitor.private names {name}"):
        serve(API_STORE=STORE)


def test_the_newest_run_of_the_monitor_is_told_to_prometheus(serve: Serve, tmp_path: Path) -> None:
    violation = {"check": "drift", "column": COLUMN, "alarm": False}
    columns = {COLUMN: {"divergence": 0.25, "threshold": 0.05, "missing": None}}
    run = {"time": "2026-11-23T08:00:00Z", "artifact": "v1", "outcome": "alarm", "window": {"rows": 1000}}
    run |= {"violations": [violation], "columns": columns, "quality": {"live": {"rows": 7}, "promised": {"rows": 9}}}
    Store.open("sqlite:///records/predictions.db", tmp_path).add_monitor_run(run)
    client, _ = serve(API_STORE=STORE)
    client.post("/predict", json=BROKEN)
    wait_for(lambda: "monitor_alarm 1.0" in client.get("/metrics").text)
    metrics = client.get("/metrics").text
    for line in (
        *("monitor_time_seconds 1.7", "monitor_rows 1000.0", "monitor_could_not_run 0.0"),
        'monitor_violation{check="drift",column="' + COLUMN + '"} 0.5',
        'monitor_divergence{column="' + COLUMN + '"} 0.25',
        *('monitor_quality{score="rows"} 7.0', 'monitor_promised_quality{score="rows"} 9.0'),
    ):
        assert f"\n{line}" in metrics
    assert "monitor_missing_share{" not in metrics


def test_a_store_that_is_away_does_not_keep_the_api_from_starting(serve: Serve, tmp_path: Path) -> None:
    client, _ = serve(API_STORE="postgresql+psycopg://ada@127.0.0.1:1/nowhere")
    assert client.post("/predict", json=ROW, headers={"x-request-id": "kept"}).status_code == 200
    wait_for(lambda: [path for path in tmp_path.glob("records/*.spill") if b'"kept"' in path.read_bytes()])


def test_an_address_that_is_none_does(serve: Serve) -> None:
    with pytest.raises(StoreError, match="API_STORE"):
        serve(API_STORE="predictions.db")
