"""The split as a decision: a training follows it, and says it wherever a score is."""

import csv
import json
import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from fastapi.testclient import TestClient
from mlkeel.adopt.writers import render_params
from mlkeel.cli.console import console
from mlkeel.config import SplitSettings, read_server_config, read_settings, read_version_settings
from mlkeel.contract.suites import read_contract
from mlkeel.data.split import Split
from mlkeel.errors import DataError, InputError
from mlkeel.inference.predictor import Predictor
from mlkeel.project import Project, Run, TrainingResult
from mlkeel.registry.metrics_file import MetricsFile
from mlkeel.registry.versions import versions
from mlkeel.report.html_report import write
from mlkeel.report.tables import evaluation_table, versions_table
from mlkeel.serve.app import build
from mlkeel.training.cross_validation import cross_validated
from mlkeel.training.gate import compare_with_champion
from mlkeel.training.reevaluate import reevaluate, run_flow
from mlkeel.training.training import train

from .kinds import KIND

SHARES = {"train": 0.6, "validation": 0.2, "test": 0.2}
KINDS: dict[str, dict[str, Any]] = {
    "random": {"key": ["tree"]},
    "stratified": {},
    "group": {"group": "tree"},
    "time": {"time": "day", "gap": "3 days"},
    "group_time": {"group": "tree", "time": "year"},
    "given": {"given": "side"},
}
SENTENCES = {
    "random": "rows dealt by a hash of tree",
    "stratified": "rows dealt by a hash of their values, each class in its share",
    "group": "by group: tree",
    "time": "by time: trained until 2026-03-",
    "group_time": "by group and time: tree: trained until 19",
    "given": "as given by the column side",
}
if not KIND.classification:
    del KINDS["stratified"]


@pytest.fixture
def grove(project: Path) -> Path:
    """The made-up project with a tree, a day, a year and a side for each row, none of which is learnt from."""
    path = project / "data" / "fruit.csv"
    with path.open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    further = [
        [f"tree {number * 7 % 31}", f"2026-{number // 28 + 1:02d}-{number % 28 + 1:02d}", str(1900 + number), side]
        for number, side in enumerate(["train", "train", "validation", "test"] * 30)
    ]
    with path.open("w", encoding="utf-8", newline="") as file:
        lines = [[*header, "tree", "day", "year", "side"]]
        csv.writer(file, lineterminator="\n").writerows([*lines, *(a + b for a, b in zip(rows, further, strict=True))])
    suite_path = project / "expectations" / "dataset.json"
    suite = json.loads(suite_path.read_text(encoding="utf-8"))
    suite["expectations"][0]["kwargs"]["column_set"] += ["tree", "day", "year", "side"]
    suite_path.write_text(json.dumps(suite), encoding="utf-8")
    return project


def choose(project: Path, by: str, **values: Any) -> None:
    """Set `data.split`."""
    path = project / "conf" / "params.yaml"
    params = yaml.safe_load(path.read_text(encoding="utf-8"))
    params["data"]["split"] = {"by": by} | KINDS.get(by, {}) | SHARES | values
    path.write_text(yaml.safe_dump(params), encoding="utf-8")


@pytest.mark.parametrize("by", KINDS)
def test_a_training_follows_the_split_and_says_it_wherever_the_score_is(grove: Path, by: str) -> None:
    choose(grove, by)
    outcome = train(KIND.project, grove)
    metrics = MetricsFile.read(outcome.folder)
    assert metrics.split is not None
    sentence = metrics.split.sentence
    assert metrics.split.by == by
    assert sentence.startswith(SENTENCES[by])
    assert sum(metrics.rows.values()) + metrics.split.excluded_rows == 120
    assert (metrics.split.excluded_rows > 0) == (by in ("time", "group_time"))
    assert list(metrics.rows) == ["train", "validation", "test"]
    assert f"How they were split: {sentence}." in (outcome.folder / "MODEL_CARD.md").read_text("utf-8").replace(
        "\\", ""
    )
    with (terminal := console()).capture() as shown:
        terminal.print(evaluation_table(outcome.evaluation))
        terminal.print(versions_table(versions(grove / "artifacts"), KIND.project.metrics, terminal))
    assert sentence in " ".join(shown.get().split())
    assert metrics.split.short in shown.get()


def test_folds_in_time_are_judged_beside_what_was_known_before_each(grove: Path) -> None:
    choose(grove, "time", gap=None, folds=2)
    run = Run(grove, read_settings(grove / "conf" / "params.yaml"), read_contract(grove / "expectations"))
    folds = cross_validated(KIND.project, run, *run_flow(KIND.project, run)).cross_validation
    assert folds
    assert folds.scores.baseline
    assert folds.evaluation.baseline_loss == pytest.approx(folds.scores.baseline[folds.evaluation.primary.name])


def test_the_report_and_the_server_say_it_too(grove: Path) -> None:
    choose(grove, "group")
    train(KIND.project, grove)
    assert write(KIND.project, grove, "off").read_text(encoding="utf-8").count("by group: tree") == 2
    with TestClient(build(grove, read_server_config({"API_STORE": "off"}))[0]) as client:
        assert client.get("/version").json()["split"] == "by group: tree"


def test_a_version_of_an_early_release_does_not_say_it(grove: Path) -> None:
    path = train(KIND.project, grove).folder / "metrics.json"
    values = json.loads(path.read_text(encoding="utf-8"))
    del values["split"]
    path.write_text(json.dumps(values), encoding="utf-8")
    assert "not known" in write(KIND.project, grove, "off").read_text(encoding="utf-8")
    with TestClient(build(grove, read_server_config({"API_STORE": "off"}))[0]) as client:
        assert client.get("/version").json()["split"] == "unknown"


@pytest.mark.parametrize("by", KINDS)
def test_a_version_is_evaluated_again_by_its_own_split(grove: Path, by: str) -> None:
    choose(grove, by)
    outcome = train(KIND.project, grove)
    choose(grove, "random", key=["side"])
    settings = read_version_settings(outcome.folder)
    prepared, trained = reevaluate(KIND.project, Predictor.load(outcome.folder), settings, grove)
    assert trained.evaluation.split == outcome.evaluation.split
    assert trained.evaluation.loss == pytest.approx(outcome.evaluation.loss, rel=1e-4)
    assert sorted(row for rows in prepared.table.all_frames.values() for row in rows.index) == list(range(120))


def test_rows_in_no_split_are_neither_learnt_from_nor_evaluated_on(grove: Path) -> None:
    choose(grove, "group_time")
    settings = read_settings(grove / "conf" / "params.yaml")
    prepared, trained = run_flow(KIND.project, Run(grove, settings, read_contract(grove / "expectations")))
    assert prepared.table.excluded is not None
    assert len(prepared.table.excluded) > 0
    assert set(prepared.features) == set(prepared.targets) == set(SHARES)
    assert trained.evaluation.model.rows == len(prepared.table.test)
    assert sum(map(len, prepared.targets.values())) + len(prepared.table.excluded) == 120


Caveat = Callable[..., bool]


@pytest.fixture
def caveat(grove: Path) -> Caveat:
    """Train, perhaps change something, and return whether the champion may have learnt from rows of the test split.

    Then its recipe is fitted again.
    """

    def is_refitted(by: str, change: Callable[[], None] = lambda: None) -> bool:
        choose(grove, by)
        train(KIND.project, grove)
        change()
        settings = read_settings(grove / "conf" / "params.yaml")
        prepared, trained = run_flow(KIND.project, Run(grove, settings, read_contract(grove / "expectations")))
        predictor = Predictor.load(next((grove / "artifacts").glob("2*")))
        comparison = compare_with_champion(predictor, trained.evaluation, prepared, settings, grove, KIND.project)
        assert comparison is not None
        assert comparison.skipped_because is None
        return comparison.refitted

    return is_refitted


@pytest.mark.parametrize("by", KINDS)
def test_a_champion_of_the_same_split_has_not_learnt_from_the_test_split(caveat: Caveat, by: str) -> None:
    assert not caveat(by)


@pytest.mark.parametrize(
    ("before", "by", "values"),
    [("random", "random", {"key": ["side", "tree"]}), ("group", "time", {}), ("time", "time", {"gap": "4 days"})],
)
def test_a_champion_of_another_key_kind_or_gap_may_have(
    grove: Path, caveat: Caveat, before: str, by: str, values: dict[str, Any]
) -> None:
    assert caveat(before, lambda: choose(grove, by, **values))


def test_another_number_of_folds_is_no_other_split(grove: Path, caveat: Caveat) -> None:
    assert not caveat("group", lambda: choose(grove, "group", folds=3))


def test_a_champion_that_does_not_say_its_split_may_have(grove: Path, caveat: Caveat) -> None:
    def drop_split() -> None:
        for path in (grove / "artifacts").glob("*/metrics.json"):
            path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | {"split": None}), encoding="utf-8")

    assert caveat("group", drop_split)


@pytest.mark.parametrize(
    ("by", "moves"), [("random", False), ("time", False), ("stratified", True), ("group_time", True)]
)
def test_only_where_later_rows_move_others_may_a_champion_have(
    grove: Path, caveat: Caveat, by: str, moves: bool
) -> None:
    def append() -> None:
        with (grove / "data" / "fruit.csv").open("a", encoding="utf-8") as file:
            file.write("f120,apple,85.0,crisp and sour,150.1,red,tree 31,2027-01-01,2020,test\n")

    if by in KINDS:
        assert caveat(by, append) == moves


def test_learning_from_the_group_of_a_split_is_warned_of(grove: Path, caplog: pytest.LogCaptureFixture) -> None:
    choose(grove, "group", group=KIND.feature)
    with caplog.at_level(logging.WARNING):
        train(KIND.project, grove)
    assert f"by the groups in {KIND.feature}, which is also learnt from" in caplog.text


def test_a_column_that_is_not_there_is_one_clear_error(grove: Path) -> None:
    choose(grove, "group", group="orchard")
    with pytest.raises(DataError, match=r"data\.split\.group in conf/params\.yaml names orchard, which is no column"):
        train(KIND.project, grove)


@pytest.mark.parametrize(("by", "setting"), [("group", "group"), ("time", "time"), ("random", "key")])
def test_nothing_is_split_by_the_target(grove: Path, by: str, setting: str) -> None:
    choose(grove, by, **{setting: [KIND.target] if setting == "key" else KIND.target})
    with pytest.raises(InputError, match=f"split is by {KIND.target}, which is the target"):
        read_settings(grove / "conf" / "params.yaml")


def test_a_split_of_the_project_s_own_is_called_so(grove: Path) -> None:
    def own_train(project: Project, run: Run) -> TrainingResult:
        from mlkeel.project import Trained
        from mlkeel.training.steps import check, encode, evaluate, fit

        table = project.load(run.path, run.contract)
        check(table, run)
        prepared = encode(Split(table[:60], table[60:90], table[90:]), project, run)
        model, losses = fit(project.build, prepared, run)
        return run.publish(prepared, Trained(model, losses, evaluate(model, prepared, project, run)))

    outcome = train(replace(KIND.project, train=own_train), grove)
    split = MetricsFile.read(outcome.folder).split
    assert split is not None
    assert split.sentence == "by a function of the project's own"


def test_what_a_person_wrote_of_the_split_is_kept_as_it_is(grove: Path) -> None:
    choose(grove, "time")
    path = grove / "conf" / "params.yaml"
    settings = read_settings(path)
    text = path.read_text(encoding="utf-8")
    written = render_params(text, settings, {}, KIND.task.metrics)
    assert yaml.safe_load(written)["data"]["split"] == yaml.safe_load(text)["data"]["split"]
    assert settings.data.split == SplitSettings(by="time", time="day", gap="3 days", **SHARES)
