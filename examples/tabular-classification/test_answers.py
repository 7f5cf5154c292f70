"""Outputs are probabilities of classes."""

import numpy as np
import pandas as pd
import pytest
from mlkeel.inference.batch import predict_table
from mlkeel.inference.predictor import Predictor
from mlkeel.project import Prepared, Trained


def test_outputs_are_valid(prepared: Prepared, trained: Trained) -> None:
    features = prepared.features["test"]
    probabilities = trained.model.predict(features)
    assert probabilities.shape == (len(features), len(prepared.output_names))
    assert ((probabilities >= 0) & (probabilities <= 1)).all()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-6)


def test_predictions_follow_from_the_outputs(predictor: Predictor, table: pd.DataFrame) -> None:
    predictions = predict_table(predictor, table)
    probabilities = predictor.predict(table)
    decided = [predictor.output_names[place] for place in predictor.decided(probabilities)]
    assert predictions[f"predicted_{predictor.target}"].tolist() == decided


def test_missing_and_unseen_values_get_valid_outputs(predictor: Predictor, table: pd.DataFrame) -> None:
    unseen = {column.name: "not seen before" for column in predictor.contract.columns if not column.numeric}
    for row in (dict.fromkeys(table, None), table.iloc[0].to_dict() | unseen):
        assert sum(predictor.predict_row(row).values()) == pytest.approx(1, abs=1e-6)
