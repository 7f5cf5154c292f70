import numpy as np
import pandas as pd
import pytest
from mlkeel.config import Gate
from mlkeel.data.split_description import SplitDescription
from mlkeel.report.tables import evaluation_table
from mlkeel.tasks import evaluation
from mlkeel.tasks.evaluation import Evaluation, draft_gate
from mlkeel.tasks.metrics import Scores, score
from mlkeel.tasks.outputs import Outputs, Targets
from mlkeel.tasks.regression import METRICS, Regression
from rich.console import Console

Y_TRUE = np.array([10.0, 20.0, 30.0, 40.0])
EXACT = np.column_stack([Y_TRUE, Y_TRUE - 1, Y_TRUE + 1])
TASK = Regression()


def gate(min_skill: float = 0.2, max_slice_error: float = 5, min_slice_rows: int = 2) -> Gate:
    return Gate(min_skill=min_skill, slices=("side",), min_slice_rows=min_slice_rows, max_slice_error=max_slice_error)


def scored(rows: int, mae: float, rmse: float, bias: float, r2: float | None, coverage: float) -> Scores:
    return Scores(rows=rows, mae=mae, rmse=rmse, bias=bias, r2=r2, coverage=coverage)


def scores(mae: float, rows: int = 100) -> Scores:
    return scored(rows, mae, mae, 0, 0.5, 0.9)


def evaluated(model: Scores, baseline: Scores, slices: dict[str, Scores], skill_se: float = 0.0) -> Evaluation:
    return Evaluation(TASK, METRICS, model, baseline, slices, skill_se)


def evaluate(table: pd.DataFrame, outputs: Outputs, y_true: Targets, y_train: Targets, gate: Gate) -> Evaluation:
    return evaluation.evaluate(TASK, METRICS, table, outputs, y_true, y_train, gate)


def baseline(y_train: Targets, y_true: Targets) -> Scores:
    return score(METRICS, TASK.baseline(y_train, len(y_true), 3), y_true)


def test_a_perfect_answer_scores_one() -> None:
    result = score(METRICS, EXACT, Y_TRUE)
    assert [result[name] for name in ("mae", "rmse", "bias", "r2", "coverage")] == [0, 0, 0, 1, 1]


def test_a_score_that_cannot_be_told_is_left_out() -> None:
    assert score(METRICS, EXACT[[0, 0]], Y_TRUE[[0, 0]]).get("r2") is None


def test_answers_in_between_score_in_between() -> None:
    result = score(METRICS, EXACT + np.array([[3.0], [3.0], [3.0], [-1.0]]), Y_TRUE)
    assert (result["mae"], result["bias"]) == (2.5, 2)
    assert result["rmse"] == pytest.approx(np.sqrt(7))
    assert result["coverage"] == 0.25


def test_rows_of_one_group_are_no_more_evidence_than_one_row() -> None:
    groups = pd.DataFrame({"unit": ["a", "b", "c", "d"]})
    outputs = EXACT + np.array([[1.0], [5.0], [2.0], [9.0]])
    without_slices = Gate(min_skill=0, min_slice_rows=30)
    split = SplitDescription(by="group", columns=("unit",), sentence="by group: unit")

    def skill_se(copies: int, split: SplitDescription | None) -> float:
        table = pd.concat([groups] * copies, ignore_index=True)
        y_true = np.tile(Y_TRUE, copies)
        answers = np.tile(outputs, (copies, 1))
        return evaluation.evaluate(TASK, METRICS, table, answers, y_true, Y_TRUE, without_slices, split=split).skill_se

    assert skill_se(9, split) == pytest.approx(skill_se(1, split))
    assert skill_se(9, None) < skill_se(1, None) / 2


def test_the_baseline_answers_with_what_was_seen_in_training() -> None:
    result = baseline(y_train=np.array([0.0, 20.0, 1000.0]), y_true=Y_TRUE)
    assert result["mae"] == 10


def test_slices_are_judged_alone_and_missing_values_are_one() -> None:
    table = pd.DataFrame({"side": ["left", "left", None, None]})
    result = evaluate(table, EXACT + np.array([[0.0], [0.0], [4.0], [4.0]]), Y_TRUE, Y_TRUE, gate())
    assert {name: slice_scores["mae"] for name, slice_scores in result.slices.items()} == {
        "side = left": 0,
        "side is missing": 4,
    }


def test_small_slices_are_left_out() -> None:
    table = pd.DataFrame({"side": ["left", "left", "left", "right"]})
    assert list(evaluate(table, EXACT, Y_TRUE, Y_TRUE, gate()).slices) == ["side = left"]


def test_a_drafted_gate_lets_its_own_evaluation_in_and_not_the_baseline() -> None:
    good = scores(3)
    poor = scores(9)
    drafted = draft_gate(evaluated(good, poor, {"side = left": good}), gate())
    assert evaluated(good, poor, {"side = left": good}).failures(drafted) == []
    assert len(evaluated(poor, poor, {"side = left": poor}).failures(drafted)) == 2


@pytest.mark.parametrize(
    ("mae", "of_slice", "expected"),
    [(2, 1, []), (9.5, 1, ["baseline"]), (2, 6, ["side = left"]), (11, 9, ["baseline", "side = left"])],
)
def test_a_failure_is_said(mae: float, of_slice: float, expected: list[str]) -> None:
    failures = evaluated(scores(mae), scores(10), {"side = left": scores(of_slice)}).failures(gate())
    assert len(failures) == len(expected)
    assert all(word in sentence for word, sentence in zip(expected, failures, strict=True))


def test_the_table_shows_model_baseline_and_slices(capsys: pytest.CaptureFixture[str]) -> None:
    good = scored(80, 123.4, 160, -1.5, 0.912, 0.9)
    poor = scored(80, 612, 790, 40, -0.01, 0.89)
    slice_scores = scored(9, 99, 99, 0, None, 1)
    Console(width=80).print(evaluation_table(evaluated(good, poor, {"colour = red": slice_scores})))
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["model", "80", "123.4", "160", "-1.5", "0.912", "0.900", "-"] in lines
    assert ["baseline", "80", "612", "790", "40", "-0.010", "0.890", "-"] in lines
    assert ["colour", "=", "red", "9", "99", "99", "0", "-", "1.000", "-"] in lines


def test_little_skill_on_few_rows_could_be_chance() -> None:
    assert evaluated(scores(9), scores(10), {}, skill_se=0.06).could_be_chance
    assert not evaluated(scores(9), scores(10), {}, skill_se=0.02).could_be_chance
    assert evaluated(scores(11), scores(10), {}, skill_se=0.02).could_be_chance


def test_a_model_as_good_as_the_baseline_could_be_chance() -> None:
    assert evaluated(scores(10), scores(10), {}).could_be_chance


def test_the_interval_of_the_baseline_holds_what_it_should() -> None:
    assert baseline(np.arange(101.0), np.arange(101.0))["coverage"] == pytest.approx(0.9, abs=0.02)


def test_a_drafted_gate_leaves_room() -> None:
    assert draft_gate(evaluated(scores(3), scores(10), {"side = left": scores(4)}, 0.05), gate()).max_slice_error == 6
    assert draft_gate(evaluated(scores(6), scores(10), {}, 0.12), gate()).min_skill == pytest.approx(0.04)


def test_the_error_is_that_of_a_mean_over_rows() -> None:
    y_true = np.random.default_rng(7).normal(size=400)
    rows = np.column_stack([y_true / 2, y_true - 1, y_true + 1])
    result = evaluate(pd.DataFrame({"side": ["left"] * 400}), rows, y_true, y_true, gate())
    gained = np.abs(y_true - np.median(y_true)) - np.abs(y_true / 2)
    assert result.skill_se == pytest.approx(gained.std(ddof=1) / 20 / result.baseline["mae"])


def test_a_baseline_that_is_never_wrong_leaves_nothing_to_save() -> None:
    table = pd.DataFrame({"side": ["left"] * 20})
    zeros = np.zeros(20)
    assert evaluate(table, np.tile([0.0, -1, 1], (20, 1)), zeros, np.array([0.0, 0, 5]), gate()).could_be_chance
