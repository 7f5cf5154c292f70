from typing import Any

import numpy as np
import pytest
from mlkeel.contract.suites import Column
from mlkeel.errors import InputError
from mlkeel.features.graph import Graph, Matrix
from mlkeel.models.boosting import Boosting
from mlkeel.models.model import Shape
from mlkeel.progress import Callbacks
from mlkeel.tasks.outputs import Targets

from .kinds import KIND

N_OUTPUTS = 2 if KIND.classification else 3
SHAPE = Shape((Column("size"),), N_OUTPUTS)


def untrained(**changes: object) -> Boosting:
    model: Any = KIND.project.build(KIND.parameters | changes, SHAPE, 7)
    return model


def make_targets(rows: int) -> Targets:
    return np.arange(rows) // 2 % 2 if KIND.classification else np.arange(rows) // 2 % 2 * 1000.0


def test_a_value_between_two_seen_ones_takes_the_same_branch_in_onnx() -> None:
    """Thresholds lie midway between values that were seen, here on tenths, as measurements often are."""
    features = np.arange(20, 60, 0.2, dtype=np.float32)[:, None]
    model = untrained(min_samples_leaf=1)
    for _ in range(30):
        model.step(features, make_targets(len(features)))
    between = np.arange(20, 60, 0.1, dtype=np.float32)[:, None]
    before = model.predict(between)
    graph = Graph(model.to_onnx(), "the graph")
    np.testing.assert_allclose(graph.run({"features": between}, "answers"), before, rtol=1e-5, atol=1e-6)


def test_an_untrained_model_knows_nothing() -> None:
    model = untrained()
    nothing = np.full((2, N_OUTPUTS), 1 / N_OUTPUTS) if KIND.classification else np.zeros((2, N_OUTPUTS))
    np.testing.assert_array_equal(model.predict(np.zeros((2, 1), dtype=np.float32)), nothing)


def test_a_batch_of_one_value_teaches_that_value() -> None:
    rows = np.arange(4, dtype=np.float32)[:, None]
    model = untrained(min_samples_leaf=1)
    model.step(rows, make_targets(len(rows))[2:3].repeat(len(rows)))
    place, value = (1, 1) if KIND.classification else (0, 1000.0)
    assert model.predict(rows)[:, place] == pytest.approx(value)


def fitted(**changes: object) -> tuple[Boosting, list[float], list[int], Matrix, Targets]:
    """A model of a line under much noise, its losses, the rounds it reported, and the rows that said when to stop."""
    rng = np.random.default_rng(7)
    rounds = list[int]()
    features = rng.normal(size=(400, 1)).astype(np.float32)
    noisy = features[:, 0] * 100 + rng.normal(0, 80, 400)
    targets = (noisy > 0).astype(np.int64) if KIND.classification else noisy
    model = untrained(**({"min_samples_leaf": 1, "improvement": 0.0, "rounds": 200} | changes))
    train = (features[:200], targets[:200])
    validation = (features[200:], targets[200:])
    return model, model.fit(train, validation, Callbacks(lambda done, _loss: rounds.append(done))), rounds, *validation


def test_it_stops_and_goes_back_to_the_best_round() -> None:
    model, losses, rounds, *validation = fitted(patience=5)
    assert len(losses) == model.rounds < rounds[-1] <= 60
    assert model.loss(*validation) == pytest.approx(min(losses)) == losses[-1]


def test_less_than_an_improvement_does_not_count() -> None:
    assert fitted(patience=3, improvement=1.0)[2][-1] <= 11


def test_a_misspelt_hyperparameter_is_refused_by_name() -> None:
    with pytest.raises(InputError, match=r"conf/params\.yaml, model: depth is not a setting"):
        untrained(depth=3)
