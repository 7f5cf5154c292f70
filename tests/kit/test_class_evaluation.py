import numpy as np
import pandas as pd
import pytest
from mlkeel.config import Gate
from mlkeel.report.tables import evaluation_table
from mlkeel.tasks import evaluation
from mlkeel.tasks.classification import METRICS, Classification
from mlkeel.tasks.evaluation import Evaluation, draft_gate
from mlkeel.tasks.metrics import Scores, score
from mlkeel.tasks.outputs import Outputs, Targets
from rich.console import Console

Y_TRUE = np.array([0, 0, 1, 1])
CERTAIN = np.eye(2)[Y_TRUE]
TASK = Classification()


def gate(min_skill: float = 0.2, min_slice_score: float = 0.5, min_slice_rows: int = 2) -> Gate:
    return Gate(min_skill=min_skill, slices=("side",), min_slice_rows=min_slice_rows, min_slice_score=min_slice_score)


def scored(rows: int, accuracy: float, macro_f1: float | None, log_loss: float) -> Scores:
    return Scores(rows=rows, accuracy=accuracy, macro_f1=macro_f1, log_loss=log_loss)


def evaluated(model: Scores, baseline: Scores, slices: dict[str, Scores]) -> Evaluation:
    return Evaluation(TASK, METRICS, model, baseline, slices)


def evaluate(table: pd.DataFrame, outputs: Outputs, y_true: Targets, y_train: Targets, gate: Gate) -> Evaluation:
    return evaluation.evaluate(TASK, METRICS, table, outputs, y_true, y_train, gate)


def test_a_perfect_answer_scores_one() -> None:
    scores = score(METRICS, CERTAIN, Y_TRUE)
    assert (scores["accuracy"], scores["macro_f1"]) == (1, 1)
    assert scores["log_loss"] == pytest.approx(0, abs=1e-9)


def test_a_score_that_cannot_be_told_is_left_out() -> None:
    assert score(METRICS, CERTAIN[[0, 2]], Y_TRUE[[0, 1]]).get("macro_f1") is None


def test_answers_in_between_score_in_between() -> None:
    assert score(METRICS, CERTAIN[[0, 2, 2, 0]], Y_TRUE)["accuracy"] == 0.5


def test_the_baseline_answers_with_what_was_seen_in_training() -> None:
    outputs = TASK.baseline(y_train=np.array([0, 1, 1, 1]), rows=len(Y_TRUE), width=2)
    scores = score(METRICS, outputs, Y_TRUE)
    assert scores["accuracy"] == 0.5
    assert scores["log_loss"] == pytest.approx(-(np.log(0.25) + np.log(0.75)) / 2)


def test_slices_are_judged_alone_and_missing_values_are_one() -> None:
    table = pd.DataFrame({"side": ["left", "left", None, None]})
    result = evaluate(table, CERTAIN[[0, 0, 0, 0]], Y_TRUE, Y_TRUE, gate())
    assert {name: scores["accuracy"] for name, scores in result.slices.items()} == {
        "side = left": 1,
        "side is missing": 0,
    }


def test_small_slices_are_left_out() -> None:
    table = pd.DataFrame({"side": ["left", "left", "left", "right"]})
    assert list(evaluate(table, CERTAIN, Y_TRUE, Y_TRUE, gate()).slices) == ["side = left"]


def test_a_drafted_gate_lets_its_own_evaluation_in_and_not_the_baseline() -> None:
    good = scored(9, 0.9, 0.9, 0.3)
    poor = scored(9, 0.5, 0.3, 0.7)
    drafted = draft_gate(evaluated(good, poor, {"side = left": good}), gate())
    assert evaluated(good, poor, {"side = left": good}).failures(drafted) == []
    assert len(evaluated(poor, poor, {"side = left": poor}).failures(drafted)) == 2


@pytest.mark.parametrize(
    ("loss", "slice_accuracy", "expected"),
    [(0.2, 0.9, []), (0.9, 0.9, ["baseline"]), (0.2, 0.4, ["side = left"]), (1.1, 0.1, ["baseline", "side = left"])],
)
def test_a_failure_is_said(loss: float, slice_accuracy: float, expected: list[str]) -> None:
    def scores(loss: float, accuracy: float = 0.9) -> Scores:
        return scored(4, accuracy, accuracy, loss)

    slices = {"side = left": scores(0.1, slice_accuracy)}
    failures = evaluated(scores(loss), scores(1.0), slices).failures(gate())
    assert len(failures) == len(expected)
    assert all(word in sentence for word, sentence in zip(expected, failures, strict=True))


GOOD = scored(80, 0.987, 0.98, 0.03)
POOR = scored(80, 0.41, 0.2, 1.05)
ONE_CLASS = scored(9, 1.0, None, 0.01)


def test_the_table_shows_model_baseline_and_slices(capsys: pytest.CaptureFixture[str]) -> None:
    Console(width=80).print(evaluation_table(evaluated(GOOD, POOR, {"colour = red": ONE_CLASS})))
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["model", "80", "0.987", "0.980", "0.030"] in lines
    assert ["baseline", "80", "0.410", "0.200", "1.050"] in lines
    assert ["colour", "=", "red", "9", "1.000", "-", "0.010"] in lines


def test_little_skill_on_few_rows_could_be_chance() -> None:
    few = scored(10, 0.9, 0.9, 0.6)
    many = scored(100, 0.9, 0.9, 0.6)
    poor = scored(10, 0.5, 0.5, 0.7)
    assert evaluated(few, poor, {}).could_be_chance
    assert not evaluated(many, poor, {}).could_be_chance
