import json
import shutil
import time
from dataclasses import replace
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from mlkeel.cli.app import main
from mlkeel.config import MonitorConfig, read_server_config, read_settings
from mlkeel.data.tables import load
from mlkeel.inference.predictor import Predictor
from mlkeel.monitor.alarms import judge
from mlkeel.monitor.checks import Violation
from mlkeel.monitor.monitor import WindowQuery, log_summary, monitor, run_forever
from mlkeel.monitor.window import of_records
from mlkeel.registry.artifact import current, set_current
from mlkeel.serve.app import build
from mlkeel.store.store import Store
from mlkeel.tasks.metrics import Scores

from .kinds import KIND

STORE = "sqlite:///records/predictions.db"
TARGET = KIND.target
FEATURE = KIND.feature


@pytest.fixture
def monitored_project(trained_project: Path, tmp_path: Path) -> Path:
    """A copy of the made-up project with a current version, to be watched."""
    return Path(shutil.copytree(trained_project, tmp_path / "watched"))


@pytest.fixture(scope="module")
def recorded(
    trained_project: Path, root: Path, fruit_predictor: Predictor, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A folder whose store holds the rows of the made-up project, as the API answered them, and their truth."""
    folder = tmp_path_factory.mktemp("recorded")
    shutil.copytree(trained_project / "artifacts", folder / "artifacts")
    shutil.copy(root / "pyproject.toml", folder)
    table = load(trained_project / "data" / "fruit.csv", fruit_predictor.contract)
    names = [column.name for column in fruit_predictor.contract.columns]
    rows = [
        {name: None if value != value else value for name, value in row.items()}
        for row in table[names].to_dict("records")
    ]
    app, _ = build(folder, read_server_config({"API_STORE": STORE}))
    with TestClient(app) as client:  # which stores what it has when it ends
        request = client.post("/predict", json=rows).headers["x-request-id"]
        truths = [
            {"request_id": request, "row": number, "truth": truth}
            for number, truth in enumerate(table[TARGET], start=1)
        ]
        assert client.post("/feedback", json=truths).status_code == 202
    return folder


@pytest.fixture
def recorded_copy(recorded: Path, tmp_path: Path) -> Path:
    """A copy of that folder, to be changed at will."""
    return Path(shutil.copytree(recorded, tmp_path / "answered"))


def test_rows_like_those_of_training_are_fine(monitored_project: Path) -> None:
    document = monitor(monitored_project, WindowQuery(monitored_project / "data" / "fruit.csv"), "off")
    assert (document["outcome"], document["window"]["rows"]) == ("fine", 120)
    assert document["columns"][f"predicted_{TARGET}"]["divergence"] < 0.1
    assert document == json.loads((monitored_project / "reports" / "monitor.json").read_text(encoding="utf-8"))


def test_what_was_recorded_is_watched_as_it_was_answered(recorded_copy: Path) -> None:
    document = monitor(recorded_copy, WindowQuery(), STORE)
    assert (document["outcome"], document["window"]["rows"], document["reason"]) == ("fine", 120, None)
    assert document["quality"]["live"]["rows"] == 120
    for name in ("live", "promised"):
        assert document["error"][name] == KIND.task.error(Scores.model_validate(document["quality"][name]))
    assert document["latency_ms"]["median"] > 0
    store = Store.open(STORE, recorded_copy)
    assert store.runs(5) == [document]
    store.close()
    assert monitor(recorded_copy, WindowQuery(last=10), STORE)["window"]["rows"] == 10


def test_a_private_column_is_not_looked_at(recorded_copy: Path, fruit_predictor: Predictor) -> None:
    store = Store.open(STORE, recorded_copy)
    window = of_records(store.iter_batches(), fruit_predictor, {FEATURE})
    store.close()
    assert FEATURE not in window.table
    assert all(item["kwargs"].get("column") != FEATURE for item in window.contract["expectations"])
    assert of_records([], fruit_predictor, set()).table.empty


def test_only_answers_of_the_current_version_are_looked_at(recorded_copy: Path) -> None:
    older = recorded_copy / "artifacts" / "older"
    shutil.copytree(current(recorded_copy / "artifacts"), older)
    set_current(recorded_copy / "artifacts", "older")
    assert "No answer of older was recorded" in monitor(recorded_copy, WindowQuery(), STORE)["reason"]


def test_batches_make_one_window(
    recorded_copy: Path, fruit_predictor: Predictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store.open(STORE, recorded_copy)
    one_batch = of_records(store.iter_batches(), fruit_predictor, set())
    monkeypatch.setattr("mlkeel.store.store.AT_ONCE", 50)
    batched = of_records(store.iter_batches(), fruit_predictor, set())
    store.close()
    assert len(batched.table) == len(batched.outputs) == len(batched.milliseconds) == 120
    assert (batched.since, batched.until) == (one_batch.since, one_batch.until)
    assert batched.table.equals(one_batch.table)


def test_when_everything_is_refused_it_is_an_alarm_in_the_second_window(
    recorded_copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store.open(STORE, recorded_copy)
    rule = "values_to_be_between"
    hour = 3600
    now = time.time()
    for number, later in enumerate((1.2 * hour, 2.4 * hour)):
        rows = [[1, 900 + number * 200 + row, now + later - 60, "r", row, FEATURE, rule, "no"] for row in range(100)]
        store.add("violations", json.dumps(rows))
    outcomes = []
    for later in (1.2 * hour, 2.4 * hour):
        monkeypatch.setattr("mlkeel.monitor.monitor.time.time", lambda later=later: now + later)
        outcomes.append(monitor(recorded_copy, WindowQuery(), STORE)["outcome"])
    store.close()
    assert outcomes == ["fine", "alarm"]


@pytest.mark.parametrize("broken", ["metrics.json", "drift.json"])
def test_what_nobody_foresaw_is_no_alarm_either(recorded_copy: Path, broken: str) -> None:
    (current(recorded_copy / "artifacts") / broken).write_text(
        '{"expectations": [{"type": "x", "kwargs": {}}]}', "utf-8"
    )
    assert monitor(recorded_copy, WindowQuery(), STORE)["outcome"] == "could not run"


def test_a_violation_is_an_alarm_when_it_holds() -> None:
    violation = Violation("drift", FEATURE, "it moved")
    limits = MonitorConfig(alarm_after=2, windows=3)

    def window(hour: int, end: int = 0) -> dict:
        day = "2026-11-23T"
        return {"source": "records", "from": f"{day}{hour:02}:00:00Z", "to": f"{day}{end or hour:02}:59:00Z"}

    def run(hour: int, *violations: Violation, outcome: str = "fine", artifact: str = "v", end: int = 0) -> dict:
        entries = [{"check": item.check, "column": item.column} for item in violations]
        return {"window": window(hour, end), "outcome": outcome, "artifact": artifact, "violations": entries}

    for past, count, alarm in (
        ([], 1, False),
        ([run(8, violation)], 2, True),
        ([run(7, violation), run(8)], 2, True),
        ([run(6, violation), run(7), run(8)], 1, False),
        ([run(9, violation)], 1, False),  # the same window, looked at before
        ([run(8, violation, end=9)], 1, False),  # most of it
        ([run(6, violation), run(9, violation)], 2, True),
        ([run(8, replace(violation, column="other"))], 1, False),
        ([run(8, violation, artifact="older")], 1, False),
        ([run(8, violation, outcome="could not run")], 1, False),
        ([run(8, violation) | {"window": window(8) | {"source": "rows.csv"}}], 1, False),
        ([run(7, violation), {}, {"window": None}], 2, True),  # another release wrote the last two
        (None, 1, True),  # a file has no past
    ):
        (verdict,) = judge([violation], window(9), "v", past, limits)
        assert (verdict["seen"], verdict["alarm"]) == (count, alarm)
    (old,) = judge([replace(violation, severity="warning")], window(9), "v", None, limits)
    assert not old["alarm"]


def test_a_run_ends_with_what_it_means(caplog: pytest.LogCaptureFixture) -> None:
    scores = (
        {"rows": 90, "accuracy": 0.9, "macro_f1": None, "log_loss": 0.1}
        if KIND.classification
        else {"rows": 90, "mae": 0.1, "rmse": 0.1, "bias": 0.0, "r2": None, "coverage": 0.9}
    )
    window = {"source": "records", "rows": 100}
    quality = {"live": scores, "promised": scores}
    error = KIND.task.error(Scores.model_validate(scores))
    known = {"quality": quality, "error": {"words": KIND.task.error_name, "live": error, "promised": error}}
    fine = {"window": window, "reason": None, "violations": [], "artifact": "v", **known}
    violation = {"sentence": "it moved", "severity": "critical", "seen": 1, "windows": 3, "needed": 2, "alarm": False}
    once = fine | {"violations": [violation]}
    holds = fine | {"violations": [violation | {"alarm": True}]}
    warned = fine | {"violations": [violation | {"severity": "warning"}]}
    with caplog.at_level("INFO"):
        for document in (fine, once, holds, warned):
            log_summary(document)
    assert caplog.messages[0].endswith(
        f"; {KIND.task.error_name} is 0.1 on 90 whose truth is known, and 0.1 was promised."
    )
    assert caplog.messages[1] == "records: it moved (in 1 of the last 3 windows; 2 make an alarm)."
    assert caplog.messages[2].startswith("records: no alarm")
    assert caplog.messages[3] == "records: it moved."
    assert caplog.messages[4].startswith("records: alarm, in 1 of 1 findings on 100 rows. The report says")
    assert caplog.messages[5] == "records: it moved (a warning)."


def test_an_alarm_names_the_column_and_ends_with_one(
    monitored_project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = (monitored_project / "data" / "fruit.csv").read_text(encoding="utf-8").splitlines()
    half = [lines[0], *(line for line in lines if ",apple," in line)]
    (monitored_project / "apples.csv").write_text("\n".join(half) + "\n", encoding="utf-8")
    with pytest.raises(SystemExit) as excinfo:
        main(None, ["--root", str(monitored_project), "monitor", str(monitored_project / "apples.csv"), "--json"])
    assert excinfo.value.code == 1
    document = json.loads(capsys.readouterr().out)
    assert f"predicted_{TARGET}" in {item["column"] for item in document["violations"] if item["alarm"]}


@pytest.mark.parametrize(
    ("broken", "store", "reason"),
    [
        ("", STORE, "No answer of"),
        ("", "off", "API_STORE is off"),
        ("", "postgresql+psycopg://nobody@127.0.0.1:9/none", "the store cannot be used"),
        ("artifacts/current", STORE, "no version is current yet"),
    ],
)
def test_what_keeps_it_from_running_is_no_alarm(monitored_project: Path, broken: str, store: str, reason: str) -> None:
    if broken:
        (monitored_project / broken).unlink()
    document = monitor(monitored_project, WindowQuery(), store)
    assert document["outcome"] == "could not run"
    assert reason in document["reason"]


def test_a_mistake_in_params_is_named(monitored_project: Path) -> None:
    params = monitored_project / "conf" / "params.yaml"
    params.write_text(params.read_text(encoding="utf-8") + "monitor: {braeches: 2}\n", encoding="utf-8")
    assert (
        "braeches is not a setting"
        in monitor(monitored_project, WindowQuery(monitored_project / "data" / "fruit.csv"), "off")["reason"]
    )


def test_a_limit_in_params_holds_from_the_next_run_on(monitored_project: Path) -> None:
    params = monitored_project / "conf" / "params.yaml"
    params.write_text(params.read_text(encoding="utf-8") + "monitor: {stale_days: 0.000001}\n", encoding="utf-8")
    document = monitor(monitored_project, WindowQuery(monitored_project / "data" / "fruit.csv"), "off")
    assert [item["check"] for item in document["violations"]] == ["staleness"]
    assert document["outcome"] == "fine"
    assert read_settings(current(monitored_project / "artifacts") / "params.yaml").monitor.stale_days == 90


def test_it_goes_on_until_it_is_told_to_stop(monitored_project: Path) -> None:
    runs = []
    ends = iter([False, False, True])
    run_forever(lambda: runs.append(1) or monitor(monitored_project, WindowQuery(), "off"), lambda: next(ends))
    assert len(runs) == 3
