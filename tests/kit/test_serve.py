import asyncio
import json
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from fastapi import HTTPException, Request
from fastapi.testclient import TestClient
from mlkeel.config import read_server_config
from mlkeel.errors import ArtifactError, Hint, InputError
from mlkeel.inference.predictor import Predictor
from mlkeel.registry.artifact import current, set_current
from mlkeel.serve.app import build
from mlkeel.serve.metrics import Metrics
from mlkeel.serve.model_manager import ModelManager
from mlkeel.serve.predictions import Predictions

from .kinds import KIND

ROW = KIND.row
OTHER_ROW = KIND.other_row
BROKEN = KIND.broken_row
API_KEY = "new"
API_KEYS = "old, new,"
EXACT = json.dumps(ROW)
JSON = {"content-type": "application/json"}
COLUMN = KIND.feature
Serve = Callable[..., tuple[TestClient, ModelManager]]


def wait_for(condition: Callable[[], bool], client: TestClient) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        client.get("/healthz")


def numbers(prediction: dict) -> list[float]:
    return list(prediction["probabilities"].values() if "probabilities" in prediction else prediction.values())


def test_a_row_is_answered_as_the_predictor_does(client: TestClient, fruit_predictor: Predictor) -> None:
    response = client.post("/predict", json=ROW)
    assert response.status_code == 200
    assert numbers(response.json()) == pytest.approx(list(fruit_predictor.predict_row(ROW).values()), rel=1e-5)
    assert response.headers["x-model-version"] == client.get("/version").json()["artifact"]


def test_many_rows_are_answered_in_their_order(client: TestClient) -> None:
    first, second = (numbers(client.post("/predict", json=row).json()) for row in (ROW, OTHER_ROW))
    assert first != second
    for rows, expected in (
        ([ROW, OTHER_ROW, ROW], [first, second, first]),
        ([ROW], [first]),
        ([OTHER_ROW] * 900, [second] * 900),
    ):
        predictions = client.post("/predict", json=rows).json()
        assert [numbers(prediction) for prediction in predictions] == [
            pytest.approx(numbers_, rel=1e-4) for numbers_ in expected
        ]


def test_a_value_that_the_contract_refuses_is_named(client: TestClient) -> None:
    response = client.post("/predict", json=[ROW, BROKEN])
    assert response.status_code == 422
    (violation,) = response.json()["detail"]
    assert (violation["row"], violation["column"]) == (2, COLUMN)
    assert violation["message"].startswith(f"{COLUMN}: ")
    assert f'column="{COLUMN}",rule="{violation["rule"]}"' in client.get("/metrics").text


@pytest.mark.parametrize(
    ("variables", "request_", "status"),
    [
        ({}, {"content": b"{", "headers": JSON}, 400),
        ({}, {"content": b"[" * 9999, "headers": JSON}, 400),
        ({}, {"content": b'{"a": NaN}', "headers": JSON}, 400),
        ({}, {"content": b"a=1", "headers": {"content-type": "text/plain"}}, 415),
        ({"API_MAX_BYTES": "10"}, {"json": ROW}, 413),
        ({"API_MAX_BYTES": "10"}, {"content": iter([b"[1,2", b",3,4,5,6]"]), "headers": JSON}, 413),
        ({"API_MAX_BYTES": str(len(EXACT))}, {"content": EXACT, "headers": JSON}, 200),
        ({}, {"content": EXACT, "headers": {"content-type": "Application/JSON; charset=utf-8"}}, 200),
        ({}, {"json": []}, 422),
        ({"API_KEYS": ""}, {"json": ROW}, 200),
        ({"API_MAX_ROWS": "2"}, {"json": [ROW] * 3}, 413),
        ({"API_MAX_ROWS": "2"}, {"json": [ROW] * 2}, 200),
        ({"API_KEYS": API_KEYS}, {"json": ROW}, 401),
        ({"API_KEYS": API_KEYS}, {"json": ROW, "headers": {"x-api-key": "ne"}}, 401),
        ({"API_KEYS": API_KEYS}, {"json": ROW, "headers": {"x-api-key": "old"}}, 200),
        ({"API_KEYS": API_KEYS}, {"json": ROW, "headers": {"x-api-key": "new"}}, 200),
    ],
)
def test_each_limit_has_its_status(serve: Serve, variables: dict, request_: dict, status: int) -> None:
    client, _ = serve(**variables)
    response = client.post("/predict", **request_)
    assert response.status_code == status
    assert status in (200, 422) or isinstance(response.json()["detail"], str)
    assert (response.headers.get("connection") == "close") == ("bytes" in response.text)


def test_without_keys_it_listens_to_this_machine_alone() -> None:
    assert read_server_config({}).host == "127.0.0.1"
    assert read_server_config({"API_KEYS": API_KEY}).host == "0.0.0.0"
    assert read_server_config({"API_HOST": "::"}).host == "::"
    assert read_server_config({"API_KEYS": API_KEYS}).api_keys == ("old", "new")


@pytest.mark.parametrize(
    ("name", "value"),
    [("PORT", "http"), ("PORT", "70000"), ("API_MAX_ROWS", "0"), ("API_KEYS", " ,"), ("API_KEYS", "größe")],
)
def test_a_variable_that_does_not_fit_is_named(name: str, value: str) -> None:
    with pytest.raises(InputError, match=f"the environment: {name}"):
        read_server_config({name: value})


def test_it_is_ready_until_it_stops(serve: Serve) -> None:
    client, manager = serve()
    assert client.get("/readyz").json() == {"status": "ready"}
    manager.stopping = True
    assert client.get("/readyz").status_code == 503
    assert client.get("/healthz").status_code == 200
    response = client.post("/predict", json=ROW)
    assert (response.status_code, response.headers["connection"]) == (200, "close")


def test_without_a_model_it_does_not_start(root: Path, tmp_path: Path) -> None:
    shutil.copy(root / "pyproject.toml", tmp_path)
    with pytest.raises(ArtifactError, match="no version is current") as excinfo:
        build(tmp_path, read_server_config({}))
    assert excinfo.value.hint is Hint.TRAIN


def test_another_artifact_is_loaded_while_it_serves(serve: Serve, tmp_path: Path) -> None:
    client, manager = serve()
    artifacts = tmp_path / "artifacts"
    shutil.copytree(current(artifacts), artifacts / "v2")
    set_current(artifacts, "v2")
    wait_for(lambda: client.get("/version").json()["artifact"] == "v2", client)
    assert client.post("/predict", json=ROW).headers["x-model-version"] == "v2"
    assert 'version="v2"' in client.get("/metrics").text
    assert manager.reloads == 1


@pytest.mark.parametrize("file", ["model.onnx", "features.json", "params.yaml"])
def test_a_broken_artifact_is_refused_and_the_old_one_stays(serve: Serve, tmp_path: Path, file: str) -> None:
    client, manager = serve()
    before = client.get("/version").json()["artifact"]
    artifacts = tmp_path / "artifacts"
    folder = Path(shutil.copytree(current(artifacts), artifacts / "v2"))
    (folder / file).write_bytes(b"rubbish")
    set_current(artifacts, "v2")
    wait_for(lambda: manager.rejected_versions > 0, client)
    assert client.post("/predict", json=ROW).headers["x-model-version"] == before
    assert "api_rejected_versions_total 1.0" in client.get("/metrics").text


def test_a_request_needs_neither_pandas_nor_a_framework(trained_project: Path, root: Path, tmp_path: Path) -> None:
    shutil.copytree(trained_project / "artifacts", tmp_path / "artifacts")
    shutil.copy(root / "pyproject.toml", tmp_path)
    program = f"""
import sys
from pathlib import Path
from fastapi.testclient import TestClient
from mlkeel.serve.app import build
from mlkeel.config import read_server_config
with TestClient(build(Path({str(tmp_path)!r}), read_server_config(dict()))[0]) as client:
    assert client.post("/predict", json={ROW!r}).status_code == 200
print(set("pandas sklearn torch great_expectations scipy onnx".split()) & set(sys.modules))
"""
    completed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert completed.stdout.strip() == "set()"


def test_one_request_too_many_is_sent_away_and_the_next_is_answered(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, _ = serve(API_MAX_REQUESTS="1")
    predict = Predictor.predict_rows
    responses = []

    def busy(predictor: Predictor, rows: list) -> object:
        monkeypatch.setattr(Predictor, "predict_rows", predict)
        responses.extend([client.post("/predict", json=ROW), client.get("/metrics")])
        return predict(predictor, rows)

    monkeypatch.setattr(Predictor, "predict_rows", busy)
    assert client.post("/predict", json=[ROW] * 900).status_code == 200
    assert (responses[0].status_code, responses[0].headers["retry-after"]) == (503, "1")
    assert "api_requests_in_flight 2.0" in responses[1].text
    assert client.post("/predict", json=ROW).status_code == 200
    assert "api_requests_in_flight 1.0" in client.get("/metrics").text


def test_a_prediction_that_takes_too_long_is_given_up(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    client, _ = serve(API_MAX_SECONDS="0.05", API_MAX_REQUESTS="1")
    ended = threading.Event()
    monkeypatch.setattr(Predictor, "predict_rows", lambda *_: ended.wait(10))
    assert client.post("/predict", json=[ROW] * 900).status_code == 504
    assert client.post("/predict", json=ROW).status_code == 503  # the work goes on, and counts
    ended.set()


def test_it_says_of_which_commit_and_template_it_is(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlkeel.serve.app.revision", {tmp_path: "1a2b3c"}.get)
    (tmp_path / ".copier-answers.yml").write_text("_commit: v9\n", encoding="utf-8")
    version = serve()[0].get("/version").json()
    assert (version["commit"], version["template"]) == ("1a2b3c", "v9")
    monkeypatch.setattr("mlkeel.serve.app.revision", {}.get)
    assert serve()[0].get("/version").json()["commit"] == "unknown"


async def gone() -> dict:
    return {"type": "http.disconnect"}


@pytest.mark.parametrize(("receive", "status"), [(lambda: asyncio.sleep(1), 408), (gone, 400)])
def test_a_body_that_does_not_come_is_not_waited_for(serve: Serve, receive: Callable, status: int) -> None:
    _, manager = serve()
    predictions = Predictions(manager, Metrics(manager), read_server_config({"API_MAX_SECONDS": "0.05"}))
    request = Request({"type": "http", "headers": [(b"content-type", b"application/json")]}, receive)
    with pytest.raises(HTTPException) as excinfo:
        asyncio.run(predictions.answer(request))
    assert excinfo.value.status_code == status
