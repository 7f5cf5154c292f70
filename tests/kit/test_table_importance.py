"""A feature that the answers hang on is worth more than one that they do not look at."""

import numpy as np
import pandas as pd
import pytest
from mlkeel.contract.suites import Column
from mlkeel.report import table_importance

COLUMNS = (Column("unused"), Column("weak"), Column("colour", ("green", "red")), Column("strong"))
NAMES = [column.name for column in COLUMNS]


@pytest.fixture
def rows() -> pd.DataFrame:
    rng = np.random.default_rng(7)
    table = pd.DataFrame({name: rng.normal(size=300) for name in ("unused", "weak", "strong")})
    table["colour"] = rng.choice(["green", "red"], 300)
    return table.assign(target=table["strong"] + 0.1 * table["weak"] + (table["colour"] == "red"))


def losses(table: pd.DataFrame) -> np.ndarray:
    """Errors of a model that knows the rule, and that needs all columns of the table."""
    return np.abs(table["strong"] + 0.1 * table["weak"] + (table["colour"] == "red") - table["target"]).to_numpy()


def test_what_matters_most_comes_first_and_what_is_unused_is_worth_nothing(rows: pd.DataFrame) -> None:
    importances = table_importance.importances(rows, COLUMNS, losses)
    assert [name for name, _, _ in importances] == ["strong", "colour", "weak", "unused"]
    assert importances[-1][1:] == (0, 0)
    assert all(increase > 10 * spread > 0 for _, increase, spread in importances[:2])


def test_the_table_stays_as_it_is_and_the_figures_are_the_same_once_more(rows: pd.DataFrame) -> None:
    before = rows.copy()
    assert table_importance.importances(rows, COLUMNS, losses) == table_importance.importances(rows, COLUMNS, losses)
    pd.testing.assert_frame_equal(rows, before)


def test_a_slow_model_is_asked_for_fewer_rows(rows: pd.DataFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    row_counts = []
    times = iter([0.0, 60.0])
    monkeypatch.setattr(table_importance.time, "perf_counter", lambda: next(times))

    def counted(table: pd.DataFrame) -> np.ndarray:
        row_counts.append(len(table))
        return losses(table)

    assert len(table_importance.importances(rows, COLUMNS, counted)) == len(COLUMNS)
    assert row_counts[0] == 300
    assert set(row_counts[1:]) == {table_importance.MIN_ROWS}
    assert len(row_counts[1:]) <= 1 + 2 * len(COLUMNS)
