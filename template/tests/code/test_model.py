"""A model is built from its settings, and is what training, evaluation and export need."""

from collections.abc import Callable
from typing import Any

import numpy as np
from mlkeel.models.model import Dataset, Model
from mlkeel.project import Prepared


def test_it_can_be_trained_asked_and_exported(new_model: Callable[[], Model]) -> None:
    assert all(callable(getattr(new_model(), name)) for name in ("fit", "predict", "to_onnx"))


def test_it_answers_each_row_with_as_many_numbers_as_there_are_answers(
    new_model: Callable[[], Any],
    train_data: Dataset,
    validation_data: Dataset,
    prepared: Prepared,
    fit_some: Callable[..., Any],
) -> None:
    answers = fit_some(new_model(), train_data, validation_data)
    assert answers.shape == (len(validation_data[0]), len(prepared.output_names))
    assert np.isfinite(answers).all()


def test_asking_changes_nothing(trained: Any, validation_data: Dataset) -> None:
    first, second = (trained.model.predict(validation_data[0]) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_one_row_is_answered_as_among_others(trained: Any, validation_data: Dataset, tolerance: float) -> None:
    alone = trained.model.predict(validation_data[0][:1])
    np.testing.assert_allclose(alone, trained.model.predict(validation_data[0])[:1], rtol=1e-4, atol=tolerance)
