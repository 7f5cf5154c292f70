from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlkeel.contract.suites import Column, read_contract
from mlkeel.errors import InputError
from mlkeel.features import encoder
from mlkeel.features.export import build_encoder
from mlkeel.features.graph import Graph, Matrix
from mlkeel.features.texts import LONGEST
from mlkeel.models.linear_text import LinearText
from mlkeel.models.model import Shape
from mlkeel.progress import Callbacks

from .kinds import KIND

TEXTS = [
    "a red apple",
    "a dark cherry",
    "one green pear",
    "где мой заказ?",
    "荷物はどこ 📦",
    "",
    None,
    "long " * 20_000,
]


@pytest.fixture(scope="module")
def features(original: Path) -> Matrix:
    return build_encoder(read_contract(original / "expectations"), encoder.TEXTS).encode({"note": TEXTS})


def untrained(n_outputs: int = 3, **changes: object) -> LinearText:
    model: Any = KIND.project.build(KIND.parameters | changes, Shape((Column("note", text=True),), n_outputs), 7)
    return model


@pytest.mark.parametrize("n_outputs", [2, 3])
def test_onnx_answers_as_the_model_does_for_any_script(features: Matrix, n_outputs: int) -> None:
    model = untrained(n_outputs)
    for _ in range(20):
        model.step(features, np.arange(len(TEXTS)) % n_outputs)
    answers = Graph(model.to_onnx(), "the graph").run({"features": features}, "answers")
    np.testing.assert_allclose(answers, model.predict(features), atol=1e-6)


def test_an_untrained_model_knows_nothing(features: Matrix) -> None:
    np.testing.assert_array_equal(untrained().predict(features[:2]), np.full((2, 3), 1 / 3))


def test_the_weights_are_those_of_the_best_epoch() -> None:
    rng = np.random.default_rng(7)
    epochs = list[int]()
    rows = np.full((60, LONGEST), np.nan, dtype=np.float32)
    rows[:, :5] = rng.integers(0, 50, (60, 5))
    targets = rng.integers(0, 3, 60)
    model = untrained(patience=5, learning_rate=0.3)
    losses = model.fit(
        (rows[:30], targets[:30]), (rows[30:], targets[30:]), Callbacks(lambda done, _loss: epochs.append(done))
    )
    assert len(losses) < len(epochs)
    assert model.loss(rows[30:], targets[30:]) == pytest.approx(losses[-1])


def test_a_misspelt_hyperparameter_is_refused_by_name() -> None:
    with pytest.raises(InputError, match=r"conf/params\.yaml, model: depth is not a setting"):
        untrained(depth=3)


def test_a_loss_that_is_no_number_in_the_last_epoch_is_refused(
    features: Matrix, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = untrained(epochs=1)
    monkeypatch.setattr(model, "loss", lambda *_: float("nan"))
    data = (features, np.arange(len(TEXTS)) % 3)
    with pytest.raises(InputError, match="after 1 epochs"):
        model.fit(data, data, Callbacks(lambda *_: None))
