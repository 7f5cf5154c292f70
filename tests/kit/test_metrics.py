from collections.abc import Callable

import pytest
from fastapi.testclient import TestClient
from mlkeel.inference.predictor import Predictor

from .kinds import KIND

ROW = KIND.row


def test_requests_are_counted_and_timed_by_path_and_status(client: TestClient) -> None:
    client.post("/predict", json=[ROW, ROW])
    client.get("/anything/at/all")
    metrics = client.get("/metrics").text
    assert 'api_request_seconds_count{path="/predict",status="200"} 1.0' in metrics
    assert 'api_request_seconds_count{path="other",status="404"} 1.0' in metrics
    assert "api_predicted_rows_total 2.0" in metrics


@pytest.mark.parametrize(("request_id", "kept"), [("a-1_B", True), ("x" * 64, True), ("x" * 65, False), ("<b>", False)])
def test_a_request_keeps_its_id_or_gets_one(client: TestClient, request_id: str, kept: bool) -> None:
    response_id = client.get("/healthz", headers={"x-request-id": request_id}).headers["x-request-id"]
    assert (response_id == request_id) == kept
    assert response_id


def test_prometheus_is_told_the_format_and_the_state(serve: Callable) -> None:
    client, manager = serve()
    manager.reloads = 3
    response = client.get("/metrics")
    assert response.headers["content-type"].startswith("text/plain; version=")
    assert "\napi_ready 1.0" in response.text
    assert "api_model_takeovers_total 3.0" in response.text
    assert "process_resident_memory_bytes" in response.text
    assert response.headers["x-content-type-options"] == "nosniff"
    assert "connection" not in response.headers


def test_a_fault_of_the_server_is_told_by_the_id_of_its_request(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(Predictor, "predict_rows", lambda *_: 1 / 0)
    response = client.post("/predict", json=ROW, headers={"x-request-id": "a-1"})
    assert (response.status_code, response.headers["x-request-id"]) == (500, "a-1")
    assert "log" in response.json()["detail"]
    assert "a-1" in caplog.text
    assert 'api_request_seconds_count{path="/predict",status="500"} 1.0' in client.get("/metrics").text
