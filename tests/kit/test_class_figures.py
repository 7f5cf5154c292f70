import numpy as np
import pytest
from mlkeel.report.class_figures import compute_curve, draw_figures, remarks
from mlkeel.tasks.classification import METRICS
from mlkeel.tasks.metrics import losses

HOSTILE = "<script>alert(1)</script> $x^2$"
Y_TRUE = np.array([0, 0, 1, 1, 1])
OUTPUTS = np.array([[0.9, 0.1, 0], [0.4, 0.6, 0], [0.2, 0.8, 0], [0.3, 0.7, 0], [0.05, 0.95, 0]])
NAMES = ("apple", HOSTILE, "plum")


def numbers(title: str) -> list[tuple[object, ...]]:
    return next(list(chart.rows) for chart in draw_figures(OUTPUTS, Y_TRUE, NAMES, "fruit") if title in chart.title)


def test_the_confusion_matrix_counts_what_was_predicted() -> None:
    assert numbers("taken for") == [(HOSTILE, HOSTILE, 3), ("apple", "apple", 1), ("apple", HOSTILE, 1)]


def test_each_class_has_the_area_under_its_curve_and_a_missing_one_has_none() -> None:
    assert numbers("told apart") == [("apple", "1.000"), (HOSTILE, "1.000"), ("plum", "-")]
    assert numbers("pure") == [("apple", "1.000"), (HOSTILE, "1.000"), ("plum", "-")]


def test_curves_go_from_the_highest_score_to_the_lowest() -> None:
    curve = compute_curve("red", np.array([0.1, 0.4, 0.35, 0.8]), np.array([False, False, True, True]))
    assert (curve.roc_auc, curve.average_precision) == (pytest.approx(0.75), pytest.approx(5 / 6))
    assert curve.false_positive_rate.tolist() == [0, 0, 0.5, 0.5, 1]
    assert curve.true_positive_rate.tolist() == [0, 0.5, 0.5, 1, 1]
    assert curve.recall.tolist() == [0, 0.5, 0.5, 1, 1]
    assert curve.precision.tolist() == pytest.approx([1, 1, 0.5, 2 / 3, 0.5])


def test_calibration_says_how_often_it_is_right_where_it_is_that_sure() -> None:
    assert numbers("as often")[0] == ("60.0%", "0.0%", 1)
    assert sum(int(str(row[-1])) for row in numbers("as often")) == len(Y_TRUE)


def test_a_class_without_rows_in_the_test_split_is_remarked_on() -> None:
    assert "plum" in remarks(OUTPUTS, Y_TRUE, NAMES, "fruit")[0]
    assert remarks(OUTPUTS[:, :2], Y_TRUE, NAMES[:2], "fruit") == []


def test_the_loss_of_a_row_is_that_of_its_true_class() -> None:
    np.testing.assert_allclose(losses(METRICS, OUTPUTS, Y_TRUE), -np.log([0.9, 0.4, 0.8, 0.7, 0.95]))


def test_thirty_classes_can_be_drawn() -> None:
    rng = np.random.default_rng(7)
    outputs = rng.dirichlet(np.ones(30), 500)
    charts = draw_figures(outputs, rng.integers(0, 30, 500), tuple(f"class {number}" for number in range(30)), "fruit")
    assert all(len(chart.legend) <= 5 for chart in charts)
