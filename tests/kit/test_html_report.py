import dataclasses
import json
import re
import shutil
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from mlkeel.errors import InputError
from mlkeel.registry import artifact
from mlkeel.registry.metrics_file import MetricsFile
from mlkeel.report import html_report
from mlkeel.report.history import Run, read_runs
from mlkeel.report.html_report import page, write
from mlkeel.report.recommendations import recommend, verdict
from mlkeel.report.report_data import ModelReview, ReportData, Table, collect
from mlkeel.tasks.metrics import format_scores

from .kinds import KIND

HOSTILE = "<script>alert('x')</script> { 7*7 } \N{RIGHT-TO-LEFT OVERRIDE}\0 größe"
VOID = {"meta", "link"}
DRIFTED = {
    "divergence": 0.3,
    "threshold": 0.05,
    "missing": 0.2,
    "missing_before": 0.0,
    "unseen": 0.0,
    "labels": ["green", HOSTILE],
    "before": [0.5, 0.5],
    "now": [0.9, 0.1],
}


class Outline(HTMLParser):
    """The tags that are open, all addresses, and all text of a page."""

    def __init__(self, content: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.addresses: list[str] = []
        self.text = ""
        self.feed(content)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.addresses += [value or "" for name, value in attrs if name in ("href", "src")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in ("path", "line"), attrs  # which only SVG lets end so

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def monitored(version: str, **other: object) -> dict[str, Any]:
    violation = {"check": "drift", "column": HOSTILE, "sentence": "it moved", "severity": "critical", "alarm": True}
    run = {"time": "2026-11-23T08:00:00Z", "artifact": version, "outcome": "alarm", "reason": None}
    window = {"source": "records", "from": None, "to": None, "rows": 1000}
    return run | {"window": window, "violations": [violation], "columns": {HOSTILE: DRIFTED}} | other


@pytest.fixture(scope="session")
def reported(trained_project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the made-up project, to which nothing is done but that reports are written."""
    return Path(shutil.copytree(trained_project, tmp_path_factory.mktemp("reported") / "orchard"))


@pytest.fixture(scope="session")
def report_data(reported: Path) -> ReportData:
    return collect(KIND.project, reported, "off")


@pytest.fixture(scope="session")
def model_review(report_data: ReportData) -> ModelReview:
    assert isinstance(report_data.model_review, ModelReview)
    return report_data.model_review


@pytest.fixture
def alarmed(report_data: ReportData, reported: Path) -> ReportData:
    """The same after a run of the monitor that raised an alarm."""
    folder = reported / "reports"
    folder.mkdir(exist_ok=True)
    (folder / "monitor.json").write_text(json.dumps(monitored(report_data.version)), encoding="utf-8")
    runs, notes = read_runs(reported, "off")
    (folder / "monitor.json").unlink()
    return dataclasses.replace(report_data, runs=runs, run_notes=notes)


def test_answers_whose_truth_is_known_stand_beside_what_was_promised(
    report_data: ReportData, alarmed: ReportData
) -> None:
    scores = report_data.metrics_file.model.model_dump()
    quality = {"promised": scores, "live": scores | {"rows": 4321}, "slices": {HOSTILE: scores}}
    latest = dataclasses.replace(alarmed, runs=[Run.model_validate(monitored(report_data.version, quality=quality))])
    assert "in production" not in Outline(page(alarmed)).text
    text = Outline(page(latest)).text
    assert text.index("as promised") < text.index("in production") < text.index("4,321")


def commands(report: ReportData) -> list[str]:
    return [recommendation.command for recommendation in recommend(report)]


def recommended_text(report: ReportData) -> str:
    return " ".join(f"{recommendation.why} {recommendation.what}" for recommendation in recommend(report))


def test_the_page_is_whole_and_needs_nothing_from_elsewhere(alarmed: ReportData) -> None:
    content = page(alarmed)
    outline = Outline(content)
    assert outline.open == []
    assert outline.tags.isdisjoint({"script", "img", "iframe", "object"})
    assert {address for address in outline.addresses if not address.startswith("#")} == {"data:,"}
    assert not re.search(r"https?://|@import|url\(", content)


def test_a_name_is_text_whatever_it_says(alarmed: ReportData) -> None:
    content = page(alarmed)
    assert "<script" not in content
    assert "\0" not in content
    assert HOSTILE.replace("\0", " ") in Outline(content).text


def test_it_shows_gaps_between_groups_and_says_what_to_do_about_them(report_data: ReportData) -> None:
    score = {"rows": 40, "value": 0.5, "low": 0.4, "high": 0.6}
    groups = {"f": score, HOSTILE: score | {"value": 0.9}}
    gap = {"metric": "error_rate", "groups": groups, "higher": HOSTILE, "lower": "f", "gap": 0.4}
    fairness = {"column": HOSTILE, "rows": {"f": 40, HOSTILE: 40, "x": 3}, "too_small": ["x"]}

    def report_of(low: float) -> ReportData:
        metrics = report_data.metrics_file.model_dump()
        metrics["fairness"] = [fairness | {"gaps": [gap | {"low": low, "high": 0.6}]}]
        return dataclasses.replace(report_data, metrics_file=MetricsFile.model_validate(metrics))

    outline = Outline(page(report_of(0.2)))
    assert outline.open == []
    assert "beyond chance" in outline.text
    assert "x (3)" in outline.text
    assert "not treated alike" in recommended_text(report_of(0.2))
    assert "not treated alike" not in recommended_text(report_of(-0.1))


def test_each_drawing_has_words_and_numbers(report_data: ReportData, model_review: ModelReview) -> None:
    content = page(report_data)
    assert content.count('role="img" aria-label="') == len(model_review.charts) + len(report_data.distributions) + 1
    assert all(chart.description and chart.rows for chart in model_review.charts)


def test_it_shows_the_scores_of_the_model_on_the_test_split(report_data: ReportData, model_review: ModelReview) -> None:
    text = Outline(page(report_data)).text
    assert all(figure in text for figure in format_scores(KIND.task.metrics, model_review.evaluation.model))
    assert report_data.version in text


def test_a_report_is_written_whole(reported: Path) -> None:
    destination = write(KIND.project, reported, "off")
    assert destination == reported / "reports" / "report.html"
    assert destination.read_text(encoding="utf-8").endswith("</html>")


def test_without_a_model_there_is_no_report(project: Path) -> None:
    with pytest.raises(InputError, match="no version is current yet"):
        write(KIND.project, project, "off")
    assert not (project / "reports").exists()


def test_a_table_that_breaks_the_contract_is_shown_and_not_died_of(trained_project: Path, tmp_path: Path) -> None:
    project = Path(shutil.copytree(trained_project, tmp_path / "orchard"))
    path = project / "data" / "fruit.csv"
    lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join([*lines[:-1], lines[-1].replace("cherry", "<b>kiwi</b>")]) + "\n", encoding="utf-8")
    report = collect(KIND.project, project, "off")
    assert isinstance(report.table, Table)
    assert isinstance(report.model_review, str)
    assert '"<b>kiwi</b>" in row 120' in Outline(page(report)).text
    assert verdict(report, recommend(report)).startswith("It needs attention")
    assert commands(report)[0] == "make test-data"


def test_without_a_run_it_says_how_to_begin(report_data: ReportData) -> None:
    assert "make monitor" in commands(report_data)
    assert "not known yet" in verdict(report_data, recommend(report_data)) or any(
        recommendation.critical for recommendation in recommend(report_data)
    )


def test_a_column_that_moved_is_to_be_looked_at(alarmed: ReportData) -> None:
    assert recommend(alarmed)[0].why == f"{HOSTILE} moved."
    assert recommend(alarmed)[0].critical


def with_runs(report: ReportData, *documents: dict[str, Any]) -> ReportData:
    return dataclasses.replace(report, runs=[Run.model_validate(document) for document in documents])


def test_what_is_no_alarm_yet_is_not_well_and_a_warning_never_alarms(report_data: ReportData) -> None:
    violation, warning = ({"check": kind, "sentence": kind, "severity": kind} for kind in ("critical", "warning"))
    waits = with_runs(
        report_data, monitored(report_data.version, outcome="fine", violations=[violation, violation, warning])
    )
    assert "found 2 things that are no alarm yet" in verdict(waits, [])
    assert "fine, but 2 things were not as they were" in Outline(page(waits)).text
    warned = with_runs(report_data, monitored(report_data.version, outcome="fine", violations=[warning]))
    assert verdict(warned, []).startswith("It is well")
    assert "no alarm yet" not in recommended_text(warned)


def test_a_run_that_could_not_be_says_nothing_of_the_model(report_data: ReportData) -> None:
    failed = {"time": "2999-01-01T08:00:00Z", "artifact": None, "outcome": "could not run", "reason": "no rows"}
    assert [
        recommendation.critical
        for recommendation in recommend(with_runs(report_data, failed))
        if recommendation.what == "no rows"
    ] == [False]
    assert "no rows" not in recommended_text(with_runs(report_data, failed | {"time": "2020-01-01T08:00:00Z"}))
    assert recommend(with_runs(report_data, monitored(report_data.version), failed))[0].why == f"{HOSTILE} moved."


def test_a_weak_slice_asks_for_rows(report_data: ReportData, model_review: ModelReview) -> None:
    weak = dataclasses.replace(model_review, weak_slices=["colour = red"])
    assert "weak where colour = red" in recommended_text(dataclasses.replace(report_data, model_review=weak))
    assert "Collect more such rows" in recommended_text(dataclasses.replace(report_data, model_review=weak))


def test_an_old_model_is_to_be_trained_again(report_data: ReportData) -> None:
    later = dataclasses.replace(report_data, created_at=report_data.created_at + timedelta(days=100))
    assert "100 days old" in recommended_text(later)
    assert "100 days old" not in recommended_text(report_data)


def test_a_changed_table_asks_for_training(report_data: ReportData, trained_project: Path, tmp_path: Path) -> None:
    project = Path(shutil.copytree(trained_project, tmp_path / "orchard"))
    path = project / "data" / "fruit.csv"
    path.write_text("\n".join(path.read_text(encoding="utf-8").splitlines()[:-1]) + "\n", encoding="utf-8")
    assert "is not as it was" in recommended_text(collect(KIND.project, project, "off"))
    assert "is not as it was" not in recommended_text(report_data)


@pytest.mark.parametrize(
    ("content", "count", "note"),
    [
        ("{", 0, "reports/monitor.json cannot be read"),
        ('{"time": 1}', 0, "1 of 1 runs are not in the form"),
        (json.dumps(monitored("v", outcome="could not run", columns={}, violations=[])), 1, "API_STORE=off"),
    ],
)
def test_runs_that_cannot_be_read_are_named(tmp_path: Path, content: str, count: int, note: str) -> None:
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports" / "monitor.json").write_text(content, encoding="utf-8")
    runs, notes = read_runs(tmp_path, "off")
    assert len(runs) == count
    assert note in " ".join(notes)


def test_to_look_makes_no_store(tmp_path: Path) -> None:
    assert read_runs(tmp_path, "sqlite:///records/predictions.db") == ([], [])
    assert list(tmp_path.iterdir()) == []


def test_a_broken_store_is_named_and_not_died_of(tmp_path: Path) -> None:
    (tmp_path / "store.db").write_text("no database" * 1000, encoding="utf-8")
    runs, notes = read_runs(tmp_path, "sqlite:///store.db")
    assert runs == []
    assert "cannot be read" in notes[0]


def test_broken_versions_are_left_out(trained_project: Path, tmp_path: Path) -> None:
    project = Path(shutil.copytree(trained_project, tmp_path / "orchard"))
    other = artifact.current(project / "artifacts").with_name("20200101T000000000000-00000000")
    other.mkdir()
    (other / "metrics.json").write_text('{"model": 1}', encoding="utf-8")
    assert len(collect(KIND.project, project, "off").versions) == 1


def test_what_is_critical_looks_so() -> None:
    styles = (Path(html_report.__file__).parent / "report.css").read_text(encoding="utf-8")
    assert ".verdict.critical" in styles
    assert "li.critical" in styles
