"""How a version decides on a class: by a threshold, by costs, or by a target."""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pandas as pd
import pytest
import yaml
from fastapi.testclient import TestClient
from hypothesis import assume, given
from hypothesis import strategies as st
from mlkeel.adopt.writers import render_params
from mlkeel.behavior.class_cases import failure
from mlkeel.cli.console import show
from mlkeel.config import DecisionConfig, Gate, Settings, checked, read_server_config, read_settings
from mlkeel.contract.suites import read_contract
from mlkeel.data.tables import load
from mlkeel.errors import ArtifactError, InputError
from mlkeel.features.export import with_named_inputs
from mlkeel.inference.batch import predict_file
from mlkeel.inference.predictor import Predictor
from mlkeel.monitor.monitor import WindowQuery, monitor
from mlkeel.monitor.window import of_file
from mlkeel.registry.artifact import current
from mlkeel.registry.metrics_file import MetricsFile
from mlkeel.registry.versions import promote
from mlkeel.report.html_sections import model_section
from mlkeel.report.report_data import ModelReview, collect
from mlkeel.serve.app import build
from mlkeel.tasks.classification import METRICS, Classification
from mlkeel.tasks.decision import Decision, costs_of_threshold, decided_positions
from mlkeel.tasks.evaluation import Evaluation, evaluate
from mlkeel.tasks.metrics import Metric, Scores
from mlkeel.training.checks import check_classes, check_gate_scores
from mlkeel.training.decision import choose_decision
from mlkeel.training.reevaluate import reevaluate
from mlkeel.training.training import train

from .conftest import rows
from .kinds import KIND

STORE = "sqlite:///records/predictions.db"
CHURN = ("no", "yes")
METRICS_OF_A_TARGET = ["recall", "precision"]
COSTS = {"cherry": {"apple": 10}}
Write = Callable[..., Path]


def decision_of(values: dict[str, Any], classes: tuple[str, ...] = CHURN) -> Decision:
    decision = choose_decision(checked(DecisionConfig, values, "here"), classes, lambda: np.empty(0), np.empty(0))
    assert decision is not None
    return decision


def configured(folder: Path, **changes: Any) -> Path:
    """Change settings of the project in `folder`."""
    path = folder / "conf" / "params.yaml"
    settings = yaml.safe_load(path.read_text(encoding="utf-8"))
    settings["gate"] |= changes.pop("gate", {})
    path.write_text(yaml.safe_dump(settings | changes), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def unsure_project(original: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose table calls every second apple a cherry, so that no model is sure of apples; to be copied."""
    folder = Path(shutil.copytree(original, tmp_path_factory.mktemp("unsure") / "orchard"))
    lines = rows()
    for number in range(1, len(lines), 4):
        lines[number] = lines[number].replace(",apple,", ",cherry,")
    (folder / "data" / "fruit.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return configured(folder, gate={"min_skill": 0.0, "min_slice_score": 0.0})


@dataclass(frozen=True)
class Decided:
    """A project whose current version decides by costs, and the folder of that version."""

    root: Path
    version: Path

    @property
    def predictor(self) -> Predictor:
        return Predictor.load(self.version)

    @property
    def table(self) -> pd.DataFrame:
        return load(self.root / "data" / "fruit.csv", self.predictor.contract)


@pytest.fixture(scope="module")
def costly(unsure_project: Path, tmp_path_factory: pytest.TempPathFactory) -> Decided:
    root = Path(shutil.copytree(unsure_project, tmp_path_factory.mktemp("costly") / "orchard"))
    outcome = train(KIND.project, configured(root, decision={"costs": COSTS}))
    assert outcome.failures == []
    return Decided(root, outcome.folder)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{}", "decision: it must hold exactly one of threshold, costs and target"),
        ("{threshold: {yes: 0.3}, costs: {}}", "exactly one of"),
        ("{threshold: null}", "exactly one of"),
        ("{threshold: {yes: 0.3, no: 0.4}}", "one class and its probability, as in {yes: 0.3}"),
        ("{threshold: {yes: 1}}", r"decision\.threshold\.yes: it must be less than 1"),
        ("{costs: {yes: {no: -1}}}", r"decision\.costs\.yes\.no: it must be greater than or equal to 0"),
        ("{target: {recall: {yes: 0.8}, precision: {yes: 0.8}}}", r"decision\.target: it must hold the recall or"),
        ("{target: {}}", "the recall or the precision of one class"),
        ("{target: {f1: {yes: 0.8}}}", r"decision\.target\.f1 is not a setting"),
        (
            "{threshold: {true: 0.3}}",
            "YAML reads this class as a truth value; put it in quotes, as in 'True'",
        ),
        ("{threshold: {null: 0.3}}", "put it in quotes, as in 'null'"),
        ("{threshold: 0.3}", "threshold must hold names and values"),
    ],
)
def test_a_decision_that_cannot_be_read_is_refused_by_name(project: Path, text: str, message: str) -> None:
    path = project / "conf" / "params.yaml"
    path.write_text(f"{path.read_text(encoding='utf-8')}decision: {text}\n", encoding="utf-8")
    with pytest.raises(InputError, match=message):
        read_settings(path)


@pytest.mark.parametrize(("text", "name"), [("yes", "yes"), ("off", "off"), ("1", "1"), ("'true'", "true")])
def test_classes_are_written_plainly(project: Path, text: str, name: str) -> None:
    path = project / "conf" / "params.yaml"
    path.write_text(f"{path.read_text(encoding='utf-8')}decision: {{threshold: {{{text}: 0.3}}}}\n", encoding="utf-8")
    settings = read_settings(path)
    assert settings.decision is not None
    assert settings.decision.classes == (name,)
    path.write_text(yaml.safe_dump(settings.model_dump(mode="json")), encoding="utf-8")
    assert read_settings(path) == settings


def changed(root: Path, target: str, decision: dict[str, Any] | None, **gate: Any) -> Settings:
    values = read_settings(root / "conf" / "params.yaml").model_dump()
    values["data"]["target"] = target
    return checked(Settings, values | {"decision": decision, "gate": values["gate"] | gate}, "here")


@pytest.mark.parametrize(
    ("target", "decision", "gate", "message"),
    [
        ("fruit", {"threshold": {"pear": 0.3}}, {}, "decision names pear, which is no class of fruit.*: apple, cherry"),
        ("fruit", {"costs": {"apple": {"pear": 3}}}, {}, "decision names pear"),
        ("fruit", {"target": {"recall": {"pear": 0.3}}}, {}, "decision names pear"),
        ("fruit", {"costs": {"apple": {}}}, {}, r"holds no cost.*as in \{cherry: \{apple: 10\}\}"),
        ("fruit", {"costs": {"apple": {"cherry": 0}}}, {}, "every row would get cherry"),
        ("fruit", None, {"min_recall": {"pear": 0.3}}, r"gate\.min_recall names pear"),
        ("price", {"threshold": {"apple": 0.3}}, {}, "decision is about classes, and price is a number"),
        ("price", None, {"min_recall": {"apple": 0.3}}, r"gate\.min_recall is about classes"),
    ],
)
def test_classes_are_checked_against_the_contract(
    root: Path, target: str, decision: dict[str, Any] | None, gate: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        check_classes(changed(root, target, decision, **gate), read_contract(root / "expectations"))


def test_a_threshold_takes_two_classes(root: Path) -> None:
    contract = read_contract(root / "expectations")
    expectations = json.loads(json.dumps(contract.dataset).replace('"cherry"', '"cherry", "pear"'))
    contract.dataset.update(expectations)
    with pytest.raises(InputError, match=r"decision\.threshold is for two classes, and fruit has 3.*decision\.costs"):
        check_classes(changed(root, "fruit", {"threshold": {"apple": 0.3}}), contract)
    check_classes(changed(root, "fruit", {"costs": {"apple": {"pear": 3}}}), contract)


@pytest.mark.parametrize(
    ("gate", "message"),
    [
        ({"min_scores": {"roc_auc": 0.8}}, "roc_auc, which is no metric of this project.*accuracy, macro_f1, log_loss"),
        ({"min_scores": {"log_loss": 0.8}}, "log_loss, which is better the smaller it is. Move it to gate.max_scores"),
        ({"max_scores": {"accuracy": 0.8}}, "accuracy, which is better the greater it is. Move it to gate.min_scores"),
        ({"max_scores": {"expected_cost": 2}}, "expected_cost, which is no metric"),
    ],
)
def test_limits_of_unknown_metrics_are_refused(root: Path, gate: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        check_gate_scores(changed(root, "fruit", None, **gate), METRICS)


def test_a_limit_of_the_expected_cost_needs_costs(root: Path) -> None:
    check_gate_scores(changed(root, "fruit", {"costs": COSTS}, max_scores={"expected_cost": 2}), METRICS)


@st.composite
def probabilities(draw: st.DrawFn, classes: int) -> np.ndarray:
    weights = draw(st.lists(st.lists(st.floats(0.01, 1), min_size=classes, max_size=classes), min_size=1, max_size=20))
    outputs = np.array(weights, dtype=np.float64)
    return (outputs / outputs.sum(axis=1, keepdims=True)).astype(np.float32)


@given(data=st.data(), classes=st.integers(2, 5))
def test_the_class_with_the_least_expected_cost_is_decided_on(data: st.DataObject, classes: int) -> None:
    names = tuple(f"class {number}" for number in range(classes))
    costs = {
        actual: {decided: data.draw(st.floats(0, 50)) for decided in names if data.draw(st.booleans())}
        for actual in names
    }
    outputs = data.draw(probabilities(classes))
    decided = decided_positions(outputs, decision_of({"costs": costs}, names))
    for row, position in zip(outputs.astype(float), decided, strict=True):
        expected = [
            sum(
                share * costs[actual].get(name, float(name != actual)) for actual, share in zip(names, row, strict=True)
            )
            for name in names
        ]
        assert expected[position] == pytest.approx(min(expected), abs=1e-9)


def test_of_equal_costs_the_first_class_is_decided_on() -> None:
    assert decided_positions(np.array([[0.5, 0.5]]), decision_of({"costs": {}})).tolist() == [0]
    assert decided_positions(np.array([[0.5, 0.5]]), None).tolist() == [0]


@given(outputs=probabilities(2), threshold=st.floats(0.001, 0.999), name=st.sampled_from(CHURN))
def test_a_threshold_is_the_costs_t_and_1_minus_t(outputs: np.ndarray, threshold: float, name: str) -> None:
    position = CHURN.index(name)
    share = outputs[:, position]
    far = abs(share - threshold) > 1e-5
    by_threshold = decided_positions(outputs, decision_of({"threshold": {name: threshold}}))
    other = CHURN[1 - position]
    by_costs = decided_positions(
        outputs, decision_of({"costs": {other: {name: threshold}, name: {other: 1 - threshold}}})
    )
    assert ((by_threshold == position) == (share >= threshold))[far].all()
    assert (by_threshold == by_costs)[far].all()


@pytest.mark.parametrize("name", CHURN)
@pytest.mark.parametrize("threshold", [0.1, 0.3, 0.7])
def test_a_probability_of_the_threshold_reaches_it(name: str, threshold: float) -> None:
    position = CHURN.index(name)
    outputs = np.array([[1 - threshold, threshold]], dtype=np.float32)[:, :: 1 if position else -1]
    assert decided_positions(outputs, decision_of({"threshold": {name: threshold}})).tolist() == [position]


def scores_at(threshold: float, share: np.ndarray, is_class: np.ndarray) -> tuple[float, float]:
    decided = share >= threshold
    hits = (decided & is_class).sum()
    return hits / is_class.sum(), hits / max(decided.sum(), 1)


@given(outputs=probabilities(2), data=st.data(), metric=st.sampled_from(METRICS_OF_A_TARGET), goal=st.floats(0.1, 1))
def test_a_target_is_reached_on_the_validation_rows_and_the_other_metric_is_the_best(
    outputs: np.ndarray, data: st.DataObject, metric: str, goal: float
) -> None:
    y_true = np.array(data.draw(st.lists(st.sampled_from([0, 1]), min_size=len(outputs), max_size=len(outputs))))
    assume(y_true.any())
    share = outputs[:, 1].astype(float) / outputs.sum(axis=1, dtype=float)
    assume(len(share) < 2 or np.diff(np.unique(share)).min(initial=1) > 1e-5)
    candidates = [scores_at(value, share, y_true == 1) for value in np.unique(share)]
    place = METRICS_OF_A_TARGET.index(metric)
    reaching = [scores[1 - place] for scores in candidates if scores[place] >= goal]
    config = checked(DecisionConfig, {"target": {metric: {"yes": goal}}}, "here")
    if not reaching:
        with pytest.raises(InputError, match=f"asks for a {metric} of .* which no threshold reaches on the"):
            choose_decision(config, CHURN, lambda: outputs, y_true)
        return
    decision = choose_decision(config, CHURN, lambda: outputs, y_true)
    decided = decided_positions(outputs, decision) == 1
    recall, precision = (decided & (y_true == 1)).sum() / np.array([y_true.sum(), decided.sum()])
    values = (recall, precision)
    assert values[place] >= goal
    if metric == "precision":
        assert recall == pytest.approx(max(reaching))
    else:
        highest = max(value for value in np.unique(share) if scores_at(value, share, y_true == 1)[0] >= goal)
        assert (recall, precision) == pytest.approx(scores_at(highest, share, y_true == 1))


def test_a_target_without_validation_rows_of_its_class_is_refused() -> None:
    config = checked(DecisionConfig, {"target": {"recall": {"yes": 0.5}}}, "here")
    with pytest.raises(InputError, match="on the 2 validation rows; none of them is yes"):
        choose_decision(config, CHURN, lambda: np.full((2, 2), 0.5), np.zeros(2, dtype=int))


def requested(table: pd.DataFrame, predictor: Predictor) -> list[dict[str, Any]]:
    names = [column.name for column in predictor.contract.columns]
    return [
        {name: None if value != value else value for name, value in row.items()}
        for row in table[names].to_dict("records")
    ]


def test_file_request_monitor_and_graph_decide_alike(costly: Decided, tmp_path: Path) -> None:
    predictor = costly.predictor
    outputs = predictor.predict(costly.table)
    decided = predict_file(predictor, costly.root / "data" / "fruit.csv", tmp_path / "out.csv")["predicted_fruit"]
    likeliest = np.array(predictor.output_names)[outputs.argmax(axis=1)]
    assert (decided != likeliest).sum() > 0
    assert set(decided[decided != likeliest]) == {"cherry"}

    positions = predictor.graph.run_batches(predictor.encoder.batches(costly.table), "decision")
    assert positions.dtype == np.int64
    assert np.array(predictor.output_names)[positions].tolist() == decided.tolist()

    folder = tmp_path / "served"
    shutil.copytree(costly.root / "artifacts", folder / "artifacts")
    shutil.copy(costly.root / "pyproject.toml", folder)
    app, _ = build(folder, read_server_config({"API_STORE": STORE}))
    with TestClient(app) as client:
        response = client.post("/predict", json=requested(costly.table, predictor))
        one = client.post("/predict", json=requested(costly.table, predictor)[0])
        truths = [
            {"request_id": response.headers["x-request-id"], "row": number, "truth": truth}
            for number, truth in enumerate(costly.table["fruit"], start=1)
        ]
        assert client.post("/feedback", json=truths).status_code == 202
    assert [row["predicted"] for row in response.json()] == decided.tolist()
    assert one.json() == response.json()[0]

    window = of_file(costly.root / "data" / "fruit.csv", predictor)
    assert window.table["predicted_fruit"].tolist() == decided.tolist()
    right = float((decided == costly.table["fruit"]).mean())
    for root, query in ((folder, WindowQuery()), (costly.root, WindowQuery(costly.root / "data" / "fruit.csv"))):
        document = monitor(root, query, STORE)
        assert document["reason"] is None
        assert document["quality"]["live"]["accuracy"] == pytest.approx(right)
        assert document["quality"]["live"]["expected_cost"] > 0
        assert document["columns"]["predicted_fruit"]["divergence"] < 0.2


def test_metrics_card_and_evaluation_tell_of_the_decision(costly: Decided) -> None:
    metrics = MetricsFile.read(costly.version)
    _, judged = reevaluate(KIND.project, costly.predictor, read_settings(costly.version / "params.yaml"), costly.root)
    evaluation = judged.evaluation
    assert "the least expected cost (10 where cherry is taken for apple)" in str(metrics.decision)
    assert evaluation.decision is not None
    assert evaluation.decision.sentence == metrics.decision
    assert evaluation.model.model_dump() == pytest.approx(metrics.model.model_dump())
    assert metrics.classes == evaluation.classes
    assert metrics.model["expected_cost"] <= metrics.baseline["expected_cost"]
    card = (costly.version / "MODEL_CARD.md").read_text(encoding="utf-8")
    cherry = metrics.classes["cherry"]
    assert f"| cherry | {cherry.rows} | {cherry['recall']:.3f} | {cherry['precision']:.3f} |" in card
    assert "expected cost" in card
    assert "the least expected cost" in card


def test_a_version_is_evaluated_with_its_own_decision(costly: Decided) -> None:
    settings = changed(costly.root, "fruit", {"threshold": {"cherry": 0.9}})
    _, judged = reevaluate(KIND.project, costly.predictor, settings, costly.root)
    assert judged.evaluation.decision is not None
    assert judged.evaluation.decision.sentence == MetricsFile.read(costly.version).decision


def test_the_report_decides_as_the_version(costly: Decided) -> None:
    report = collect(KIND.project, costly.root, "off")
    assert isinstance(report.model_review, ModelReview)
    scores = report.model_review.evaluation.model.model_dump()
    assert scores == pytest.approx(report.metrics_file.model.model_dump())
    assert "expected_cost" in [metric.name for metric in report.metrics]
    notes = [chart.note for chart in report.model_review.charts if "A dot is where the version decides" in chart.note]
    assert len(notes) == 2
    (confusion,) = [chart for chart in report.model_review.charts if chart.description.startswith("Confusion matrix")]
    missed = sum(count for true, decided, count in confusion.rows if (true, decided) == ("cherry", "apple"))
    cherry = report.metrics_file.classes["cherry"]
    assert missed == pytest.approx((1 - cherry["recall"]) * cherry.rows)
    decision = report.metrics_file.decision
    html = str(model_section(report))
    assert f"{decision}." in html
    assert f"{cherry['recall']:.3f}" in html


def test_behavior_cases_ask_for_the_decided_class(costly: Decided) -> None:
    predictor = costly.predictor
    outputs = predictor.predict(costly.table)
    decided = np.array(predictor.output_names)[decided_positions(outputs, predictor.decision)]
    differs = int(np.flatnonzero(decided != np.array(predictor.output_names)[outputs.argmax(axis=1)])[0])
    row = {**requested(costly.table, predictor)[differs]}
    assert failure("minimum_functionality", {"row": row, "expect": "cherry"}, predictor, costly.table) is None
    assert "cherry" in str(failure("minimum_functionality", {"row": row, "expect": "apple"}, predictor, costly.table))


def test_the_graph_for_other_runtimes_decides_too(costly: Decided) -> None:
    predictor = costly.predictor
    graph = onnx.load_from_string(with_named_inputs(predictor.encoder)).graph
    assert [output.name for output in graph.output][:3] == ["answers", "features", "decision"]


def test_an_older_version_keeps_its_decision(costly: Decided, tmp_path: Path) -> None:
    root = Path(shutil.copytree(costly.root, tmp_path / "orchard"))
    threshold = {"threshold": {"cherry": 0.9}}
    newer = train(KIND.project, configured(root, decision=threshold, gate={"max_regression": 1.0})).folder
    settings = read_settings(root / "conf" / "params.yaml")
    assert settings.decision is not None
    before = costly.predictor.decided(costly.predictor.predict(costly.table))
    newest = Predictor.load(newer)
    assert newest.decision is not None
    assert "probability of 0.9" in newest.decision.sentence
    assert (newest.decided(newest.predict(costly.table)) != before).any()
    promote(root, costly.version.name)
    again = Predictor.load(current(root / "artifacts"))
    assert (again.decided(again.predict(costly.table)) == before).all()
    _, judged = reevaluate(KIND.project, again, read_settings(current(root / "artifacts") / "params.yaml"), root)
    scores = judged.evaluation.model.model_dump()
    assert scores == pytest.approx(MetricsFile.read(costly.version).model.model_dump())


def test_a_decision_that_cannot_be_read_back_is_an_error(costly: Decided, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(costly.version, tmp_path / "v1"))
    model = onnx.load(folder / "model.onnx")
    for entry in model.metadata_props:
        if entry.key == "mlkeel.decision":
            entry.value = "{}"
    onnx.save(model, folder / "model.onnx")
    with pytest.raises(ArtifactError, match="does not say how it decides"):
        Predictor.load(folder)


def test_without_a_decision_the_graph_has_none(fruit_predictor: Predictor, trained_project: Path) -> None:
    model = onnx.load_from_string(fruit_predictor.graph.content)
    assert [output.name for output in model.graph.output] == ["answers", "features"]
    assert "mlkeel.decision" not in fruit_predictor.graph.metadata
    outputs = fruit_predictor.predict(load(trained_project / "data" / "fruit.csv", fruit_predictor.contract))
    assert fruit_predictor.decided(outputs).tolist() == outputs.argmax(axis=1).tolist()
    card = (current(trained_project / "artifacts") / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "It decides on the most likely class." in card


def test_a_target_is_chosen_on_the_validation_rows(unsure_project: Path, tmp_path: Path) -> None:
    root = Path(shutil.copytree(unsure_project, tmp_path / "orchard"))
    configured(root, decision={"target": {"recall": {"cherry": 0.95}}}, gate={"min_recall": {"cherry": 0.2}})
    metrics = MetricsFile.read(train(KIND.project, root).folder)
    assert "chosen for a recall of 0.95: on " in str(metrics.decision)
    assert metrics.classes["cherry"]["recall"] > 0.5


def churn(found: int, rows: int = 21, others: int = 300) -> tuple[np.ndarray, np.ndarray]:
    """Outputs that find so many of the rows of "yes", and the true classes."""
    y_true = np.array([1] * rows + [0] * others)
    share = np.where(np.arange(rows + others) < found, 0.8, np.where(y_true == 1, 0.3, 0.05))
    return np.column_stack([1 - share, share]), y_true


def evaluated(
    outputs: np.ndarray,
    y_true: np.ndarray,
    decision: Decision | None = None,
    metrics: tuple[Metric, ...] = METRICS,
    gate: Gate | None = None,
) -> Evaluation:
    table = pd.DataFrame({"side": ["left"] * len(y_true)})
    gate = gate or Gate(min_skill=0.1, min_slice_rows=1)
    return evaluate(Classification(), metrics, table, outputs, y_true, y_true, gate, CHURN, decision)


def test_a_model_that_finds_3_of_21_is_not_called_simply_good(
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    evaluation = evaluated(*churn(3))
    assert evaluation.failures(Gate(min_skill=0.1, min_slice_rows=1)) == []
    assert evaluation.classes["yes"] == Scores.model_validate({"rows": 21, "recall": 3 / 21, "precision": 1.0})
    assert evaluation.remarks == [
        "It finds only 3 of 21 rows of yes. With decision in conf/params.yaml it finds more, at more false alarms."
    ]
    show(evaluation)
    assert "It finds only 3 of 21 rows of yes" in caplog.text
    assert ["yes", "21", "0.143", "1.000"] in [line.split() for line in capsys.readouterr().out.splitlines()]


def test_who_has_decided_is_not_asked_to() -> None:
    outputs, y_true = churn(3)
    decided = evaluated(outputs, y_true, decision_of({"threshold": {"yes": 0.25}}))
    assert (decided.classes["yes"]["recall"], decided.model["accuracy"]) == (1, 1)
    assert decided.model["log_loss"] == evaluated(outputs, y_true).model["log_loss"]
    assert decided.remarks == []
    assert evaluated(outputs, y_true, decision_of({"threshold": {"yes": 0.9}})).remarks == []


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"min_recall": {"yes": 0.7}}, r"the recall of yes is 14\.3% \(3 of 21 rows\), under 70\.0%"),
        ({"min_recall": {"yes": 0.1, "no": 0.9}}, None),
        ({"min_scores": {"macro_f1": 0.9}}, r"the macro F1 is 0\.\d+, under 0\.9"),
        ({"min_scores": {"macro_f1": 0.5}}, None),
        ({"max_scores": {"log_loss": 0.01}}, r"the log loss is 0\.\d+, over 0\.01"),
        ({"max_scores": {"log_loss": 1}}, None),
        ({"min_scores": {"odd": 0.1}}, "the odd is not defined on these rows, and 0.1 is needed"),
    ],
)
def test_the_gate_limits_recalls_and_scores(limits: dict[str, Any], message: str | None) -> None:
    odd = Metric("odd", lambda *_: None, greater_is_better=True)
    gate = checked(Gate, {"min_skill": 0.1, "min_slice_rows": 1} | limits, "here")
    failures = evaluated(*churn(3), metrics=(*METRICS, odd)).failures(gate)
    if message is None:
        assert failures == []
    else:
        (sentence,) = failures
        assert pd.Series([sentence]).str.contains(message).all()


def test_a_recall_that_no_test_row_tells_of_is_a_failure() -> None:
    gate = checked(Gate, {"min_skill": 0, "min_slice_rows": 1, "min_recall": {"yes": 0.5}}, "here")
    outputs = np.array([[0.9, 0.1]] * 4)
    evaluation = evaluate(
        Classification(),
        METRICS,
        pd.DataFrame(index=range(4)),
        outputs,
        np.zeros(4, int),
        np.array([0, 1]),
        gate,
        CHURN,
    )
    assert evaluation.failures(gate) == ["no test row is yes, so its recall is not known, and 50.0% is needed"]


def test_a_model_must_not_cost_more_than_always_the_cheapest_class() -> None:
    outputs, y_true = churn(3)
    decision = decision_of({"costs": {"no": {"yes": 3}}})
    misled = np.where(y_true[:, None] == 1, outputs, outputs[:, ::-1])  # which calls those loyal that leave
    gate = Gate(min_skill=0, min_slice_rows=1)
    assert evaluated(outputs, y_true, decision).failures(gate) == []
    (*_, failure_of_cost) = evaluated(misled, y_true, decision).failures(gate)
    assert failure_of_cost == "a row costs 2.86 on average, and 0.06542 if all get the cheapest class"
    assert evaluated(outputs, y_true, decision).model["expected_cost"] == pytest.approx(18 / 321)
    limit = checked(Gate, {"min_skill": 0, "min_slice_rows": 1, "max_scores": {"expected_cost": 0.01}}, "here")
    assert evaluated(outputs, y_true, decision).failures(limit) == ["the expected cost is 0.056, over 0.01"]


def imbalanced(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A table of which about a tenth is of the class 1, which four numbers tell a little of."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(1500, 4))
    odds = features @ rng.normal(1, 0.3, size=4) * 0.8 - 3
    return features, (rng.random(1500) < 1 / (1 + np.exp(-odds))).astype(int)


def test_costs_of_10_to_1_cost_less_than_the_likeliest_class_on_8_of_10_tables() -> None:
    from sklearn.linear_model import LogisticRegression

    decision = decision_of({"costs": {"yes": {"no": 10}}})
    cheaper = 0
    for seed in range(10):
        features, y_true = imbalanced(seed)
        outputs = LogisticRegression().fit(features[:1000], y_true[:1000]).predict_proba(features[1000:])
        by_costs, by_likelihood = (
            decision.costs[y_true[1000:], decided_positions(outputs, rule)].mean() for rule in (decision, None)
        )
        assert evaluated(outputs, y_true[1000:], decision).model["expected_cost"] == by_costs
        cheaper += by_costs < by_likelihood
    assert cheaper >= 8


def test_another_table_has_no_use_for_the_decision(root: Path) -> None:
    settings = read_settings(root / "conf" / "params.yaml")
    ours = "decision:  # ours\n  costs: {yes: {no: 3}}\n"
    text = f"seed: 3\ndata:\n  path: x\n\n{ours}\n# model\nmodel: {{}}\ngate:\n  min_skill: 1\n"
    assert "costs" not in render_params(text, settings, {}, METRICS)
    kept = settings.model_copy(update={"decision": checked(DecisionConfig, {"costs": {}}, "here")})
    assert ours in render_params(text, kept, {}, METRICS)


def test_costs_travel_as_they_are() -> None:
    decision = Decision(costs_of_threshold(1, 0.3), "It says yes", scored=True)
    again = Decision.from_json(decision.to_json())
    assert (again.costs == decision.costs).all()
    assert (again.sentence, again.scored) == (decision.sentence, decision.scored)
