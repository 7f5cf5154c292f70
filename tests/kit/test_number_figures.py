import numpy as np
import numpy.typing as npt
from mlkeel.report.number_figures import draw_figures, remarks
from mlkeel.tasks.metrics import losses
from mlkeel.tasks.regression import METRICS

HOSTILE = "<script>alert(1)</script> $x^2$"
Y_TRUE = np.linspace(0, 100, 1000)
OUTPUTS = np.column_stack([Y_TRUE + 1, Y_TRUE - 9, Y_TRUE + 11])


def numbers(title: str, outputs: npt.NDArray[np.float64] = OUTPUTS) -> list[tuple[object, ...]]:
    return next(list(chart.rows) for chart in draw_figures(outputs, Y_TRUE, (), HOSTILE) if title in chart.title)


def test_estimates_stand_beside_the_truth_in_groups_that_hold_all_rows() -> None:
    rows = numbers("truth")
    assert sum(int(str(row[1])) for row in rows) == len(Y_TRUE)
    assert rows[0][2:] == ("9.96", "10.96")


def test_residuals_say_to_which_side_estimates_lean() -> None:
    assert {row[-1] for row in numbers("far off")} == {"1"}
    assert "too high by 1" in remarks(OUTPUTS, Y_TRUE, (), "price")[0]
    assert remarks(OUTPUTS - 1, Y_TRUE, (), "price") == []


def test_coverage_is_that_of_each_group_and_what_is_too_low_is_remarked_on() -> None:
    missed = OUTPUTS.copy()
    missed[:500, 1:] = 1000
    assert [row[-1] for row in numbers("intervals", missed)] == ["0.0%", "0.0%", "50.0%", "100.0%", "100.0%"]
    assert any("Intervals hold price in 50.0%" in remark for remark in remarks(missed, Y_TRUE, (), "price"))


def test_many_rows_are_sampled_and_the_chart_says_so() -> None:
    assert "500 of 1,000 rows" in draw_figures(OUTPUTS, Y_TRUE, (), "price")[0].note


def test_the_loss_of_a_row_is_how_far_it_is_off() -> None:
    np.testing.assert_allclose(losses(METRICS, OUTPUTS, Y_TRUE), 1)


def test_rows_that_are_all_alike_can_be_drawn() -> None:
    assert len(draw_figures(np.full((9, 3), 5.0), np.full(9, 5.0), (), "price")) == 3
