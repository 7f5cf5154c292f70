"""What is served answers as the model that was trained, one row or many."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from mlkeel.inference.batch import predict_table
from mlkeel.inference.predictor import Predictor
from mlkeel.project import Prepared, Trained


def test_onnx_answers_as_the_model_does(
    predictor: Predictor, prepared: Prepared, trained: Trained, odd_rows: dict[str, Any], tolerance: float
) -> None:
    expected = trained.model.predict(prepared.encoder.encode(odd_rows))
    assert np.abs(predictor.predict(odd_rows) - expected).max() <= tolerance


def test_a_table_is_answered_as_in_training(
    predictor: Predictor, prepared: Prepared, trained: Trained, tolerance: float
) -> None:
    expected = trained.model.predict(prepared.features["test"])
    assert np.abs(predictor.predict(prepared.table.test) - expected).max() <= tolerance


def test_answers_to_a_table_stand_under_its_index(predictor: Predictor, prepared: Prepared) -> None:
    assert predict_table(predictor, prepared.table.test).index.equals(prepared.table.test.index)


def test_one_row_gets_each_answer_by_its_name(predictor: Predictor, table: pd.DataFrame, tolerance: float) -> None:
    answer = predictor.predict_row(table.iloc[0].to_dict())
    assert tuple(answer) == predictor.output_names
    assert list(answer.values()) == pytest.approx(predictor.predict(table.head(1))[0], rel=1e-5, abs=tolerance)


def test_a_row_is_answered_alone_as_in_a_batch(predictor: Predictor, table: pd.DataFrame, tolerance: float) -> None:
    some = table.head(20)
    alone = [list(predictor.predict_row(row).values()) for row in some.to_dict(orient="records")]
    np.testing.assert_allclose(alone, predictor.predict(some), rtol=1e-5, atol=tolerance)


def test_missing_values_are_answered(predictor: Predictor) -> None:
    answer = predictor.predict_row({column.name: None for column in predictor.contract.columns})
    assert all(np.isfinite(list(answer.values())))


def test_unseen_categories_are_answered(predictor: Predictor, table: pd.DataFrame) -> None:
    unseen = {column.name: "not seen before" for column in predictor.contract.columns if not column.numeric}
    answer = predictor.predict_row(table.iloc[0].to_dict() | unseen)
    assert all(np.isfinite(list(answer.values())))
