"""A feature that the answers hang on is worth more than one that they do not look at."""

import numpy as np
import pandas as pd
import pytest
from mlkeel.contract.suites import Column, Contract
from mlkeel.features.derived import derived
from mlkeel.features.encoder import TABLES
from mlkeel.features.export import build_encoder
from mlkeel.features.functions import is_missing
from mlkeel.features.values import Values
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


@derived
def per_gram(weight_g: Values) -> Values:
    return 100 / weight_g


@derived
def no_colour(colour: Values) -> Values:
    return is_missing(colour)


def test_a_derived_column_is_permuted_alone_and_a_raw_one_with_what_is_derived_of_it(fruit_contract: Contract) -> None:
    encoder = build_encoder(fruit_contract, TABLES.derive(per_gram, no_colour))
    rng = np.random.default_rng(7)
    table = pd.DataFrame({"weight_g": rng.uniform(5, 300, 300), "colour": rng.choice(["green", "red", None], 300)})
    features = encoder.encode(table)
    y_true = features[:, 2].copy()

    def losses(encoded: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Errors of a model that reads what is derived of the weight, and the weight not."""
        return np.abs(encoded[:, 2] - y_true[rows])

    alone = table_importance.derived_importances(features, encoder, losses)
    assert [name for name, _, _ in alone] == ["per_gram", "no_colour"]
    assert alone[0][1] > 0
    assert alone[1][1:] == (0, 0)
    raw = table_importance.importances(
        table, fruit_contract.columns, lambda rows: losses(encoder.encode(rows), rows.index.to_numpy())
    )
    assert raw[0][0] == "weight_g"
    assert raw[0][1] == pytest.approx(alone[0][1], rel=0.2)
    assert raw[1][1:] == (0, 0)


def test_a_sample_of_encoded_rows_keeps_its_own_truth(
    fruit_contract: Contract, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = build_encoder(fruit_contract, TABLES.derive(per_gram))
    features = encoder.encode({"weight_g": np.linspace(5, 300, 300), "colour": ["red"] * 300})
    monkeypatch.setattr(table_importance, "MAX_ROWS", 120)

    def losses(encoded: np.ndarray, rows: np.ndarray) -> np.ndarray:
        assert len(encoded) == len(rows) == 120
        np.testing.assert_array_equal(encoded[:, 0], features[rows, 0])
        return np.abs(encoded[:, 2] - features[rows, 2])

    assert table_importance.derived_importances(features, encoder, losses)[0][1] > 0


def test_without_derived_columns_none_is_permuted(fruit_contract: Contract) -> None:
    encoder = build_encoder(fruit_contract, TABLES)
    assert table_importance.derived_importances(np.zeros((3, 2), np.float32), encoder, lambda *_: np.zeros(3)) == []
