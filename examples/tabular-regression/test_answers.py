"""What is answered can be read as an estimate within its interval."""

import numpy as np
import pandas as pd
from mlkeel.inference.batch import predict_table
from mlkeel.inference.predictor import Predictor
from mlkeel.project import Prepared, Trained
from mlkeel.tasks.numbers import COVERAGE


def test_answers_stand_a_row_each_and_are_possible(prepared: Prepared, trained: Trained) -> None:
    features = prepared.features["test"]
    answers = trained.model.predict(features)
    assert answers.shape == (len(features), len(prepared.answers))
    assert np.isfinite(answers).all()
    estimate, low, high = answers.T
    assert ((low <= estimate) & (estimate <= high)).all()


def test_what_is_predicted_follows_from_the_answers(predictor: Predictor, table: pd.DataFrame) -> None:
    told, found = predict_table(predictor, table), predictor.predict(table)
    np.testing.assert_array_equal(told[f"predicted_{predictor.target}"], found[:, 0])
    assert (told[f"low_{predictor.target}"] <= told[f"high_{predictor.target}"]).all()


def test_missing_and_unseen_values_get_answers_that_are_possible(predictor: Predictor, table: pd.DataFrame) -> None:
    unseen = {column.name: "not seen before" for column in predictor.contract.columns if not column.numeric}
    for row in (dict.fromkeys(table, None), table.iloc[0].to_dict() | unseen):
        answer = predictor.predict_row(row)
        assert answer["low"] <= answer["estimate"] <= answer["high"]


def test_intervals_hold_the_truth_about_as_often_as_they_should(prepared: Prepared, trained: Trained) -> None:
    """Both the rows that set their width and those that judge them are a sample, hence the room."""
    rows = (len(prepared.truth["validation"]), len(prepared.truth["test"]))
    room = 4 * np.sqrt(COVERAGE * (1 - COVERAGE) * sum(1 / number for number in rows))
    _, low, high = trained.model.predict(prepared.features["test"]).T
    held = ((low <= prepared.truth["test"]) & (prepared.truth["test"] <= high)).mean()
    assert abs(held - COVERAGE) <= room
