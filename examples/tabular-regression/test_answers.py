"""Outputs are estimates within their intervals."""

import numpy as np
import pandas as pd
from mlkeel.inference.batch import predict_table
from mlkeel.inference.predictor import Predictor
from mlkeel.project import Prepared, Trained
from mlkeel.tasks.number_outputs import COVERAGE


def test_outputs_are_valid(prepared: Prepared, trained: Trained) -> None:
    features = prepared.features["test"]
    outputs = trained.model.predict(features)
    assert outputs.shape == (len(features), len(prepared.output_names))
    assert np.isfinite(outputs).all()
    estimate, low, high = outputs.T
    assert ((low <= estimate) & (estimate <= high)).all()


def test_predictions_follow_from_the_outputs(predictor: Predictor, table: pd.DataFrame) -> None:
    predictions = predict_table(predictor, table)
    np.testing.assert_array_equal(predictions[f"predicted_{predictor.target}"], predictor.predict(table)[:, 0])
    assert (predictions[f"low_{predictor.target}"] <= predictions[f"high_{predictor.target}"]).all()


def test_missing_and_unseen_values_get_valid_outputs(predictor: Predictor, table: pd.DataFrame) -> None:
    unseen = {column.name: "not seen before" for column in predictor.contract.columns if not column.numeric}
    for row in (dict.fromkeys(table, None), table.iloc[0].to_dict() | unseen):
        answer = predictor.predict_row(row)
        assert answer["low"] <= answer["estimate"] <= answer["high"]


def test_intervals_cover_about_as_many_targets_as_they_should(prepared: Prepared, trained: Trained) -> None:
    """Both the rows that set their width and those that judge them are a sample, hence the tolerance."""
    rows = (len(prepared.targets["validation"]), len(prepared.targets["test"]))
    tolerance = 4 * np.sqrt(COVERAGE * (1 - COVERAGE) * sum(1 / number for number in rows))
    _, low, high = trained.model.predict(prepared.features["test"]).T
    covered = ((low <= prepared.targets["test"]) & (prepared.targets["test"] <= high)).mean()
    assert abs(covered - COVERAGE) <= tolerance
