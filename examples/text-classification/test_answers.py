"""What is answered can be read as probabilities of classes."""

import numpy as np
import pandas as pd
import pytest
from mlkeel.inference.batch import predict_table
from mlkeel.inference.predictor import Predictor
from mlkeel.project import Prepared, Trained


def test_answers_stand_a_row_each_and_are_possible(prepared: Prepared, trained: Trained) -> None:
    features = prepared.features["test"]
    probabilities = trained.model.predict(features)
    assert probabilities.shape == (len(features), len(prepared.answers))
    assert ((probabilities >= 0) & (probabilities <= 1)).all()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-6)


def test_what_is_predicted_follows_from_the_answers(predictor: Predictor, table: pd.DataFrame) -> None:
    told, found = predict_table(predictor, table), predictor.predict(table)
    likeliest = [predictor.answers[place] for place in found.argmax(axis=1)]
    assert told[f"predicted_{predictor.target}"].tolist() == likeliest


def test_missing_and_unseen_values_get_answers_that_are_possible(predictor: Predictor, table: pd.DataFrame) -> None:
    unseen = {column.name: "not seen before" for column in predictor.contract.columns if not column.numeric}
    for row in (dict.fromkeys(table, None), table.iloc[0].to_dict() | unseen):
        assert sum(predictor.predict_row(row).values()) == pytest.approx(1, abs=1e-6)
