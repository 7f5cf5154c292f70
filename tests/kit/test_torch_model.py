from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from mlkeel.config import Settings, read_settings
from mlkeel.contract.suites import Column, read_contract
from mlkeel.errors import InputError
from mlkeel.features.export import mean_model
from mlkeel.features.graph import Graph, Matrix
from mlkeel.models.model import Dataset, Shape
from mlkeel.models.torch_model import TorchModel
from mlkeel.progress import Callbacks
from mlkeel.project import Prepared, Run
from mlkeel.training import steps
from mlkeel.training.training import train

from .kinds import KIND
from .steps import prepare, recall_of_rare


class KilledError(Exception):
    """Instead of a signal, which would end the tests as well."""


@pytest.fixture(scope="module")
def fruit(original: Path) -> tuple[Prepared, Settings]:
    settings = read_settings(original / "conf" / "params.yaml")
    settings = settings.model_copy(update={"model": settings.model | {"epochs": 12}})
    return prepare(settings, read_contract(original / "expectations"), original), settings


def new_model(prepared: Prepared, settings: Settings) -> TorchModel:
    model: Any = steps.new_model(KIND.project.build, prepared, Run(Path(), settings, prepared.contract))
    return model


def fitted(fruit: tuple[Prepared, Settings], callbacks: Callbacks) -> tuple[Matrix, list[float]]:
    prepared, settings = fruit
    model = new_model(prepared, settings)
    splits = [(prepared.features[split], prepared.targets[split]) for split in ("train", "validation")]
    losses = model.fit(splits[0], splits[1], callbacks)
    return model.predict(prepared.features["test"]), losses


def test_a_killed_training_goes_on_and_ends_as_if_nothing_had_happened(
    fruit: tuple[Prepared, Settings], tmp_path: Path
) -> None:
    epochs: list[int] = []

    def die(done: int, _loss: float | None) -> None:
        epochs.append(done)
        if len(epochs) == 5:
            raise KilledError

    checkpoint = tmp_path / "artifacts" / "checkpoint"
    with pytest.raises(KilledError):
        fitted(fruit, Callbacks(die, checkpoint, checkpoint_every_s=0))
    outputs, losses = fitted(fruit, Callbacks(lambda done, _: epochs.append(done), checkpoint, checkpoint_every_s=0))
    assert epochs[:6] == [1, 2, 3, 4, 5, 6]
    expected, expected_losses = fitted(fruit, Callbacks(lambda *_: None))
    assert losses == expected_losses
    np.testing.assert_array_equal(outputs, expected)


def test_a_checkpoint_is_gone_after_training_and_belongs_to_its_settings(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoints: list[Path] = []
    fit = TorchModel.fit

    def fit_from_checkpoint(
        model: TorchModel, train_set: Dataset, validation_set: Dataset, callbacks: Callbacks
    ) -> list[float]:
        if callbacks.checkpoint is None:  # in a fold of the cross-validation
            return fit(model, train_set, validation_set, callbacks)
        checkpoints.append(callbacks.checkpoint)
        callbacks.checkpoint.write_bytes(b"left by a kill")
        return fit(model, train_set, validation_set, Callbacks(callbacks.advance))

    monkeypatch.setattr(TorchModel, "fit", fit_from_checkpoint)
    (project / "artifacts").mkdir()
    path = project / "conf" / "params.yaml"
    values = yaml.safe_load(path.read_text(encoding="utf-8"))
    short = values["model"] | {"epochs": 2}
    for seed in (1, 1, 2):
        path.write_text(yaml.safe_dump(values | {"seed": seed, "model": short}), encoding="utf-8")
        train(KIND.project, project)
    assert checkpoints[0] == checkpoints[1] != checkpoints[2]
    assert not any(path.exists() for path in checkpoints)


def test_the_seed_decides_and_nothing_else_is_drawn_from(fruit: tuple[Prepared, Settings]) -> None:
    prepared, settings = fruit
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = new_model(prepared, settings).predict(prepared.features["test"])
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    np.testing.assert_array_equal(new_model(prepared, settings).predict(prepared.features["test"]), first)
    other = new_model(prepared, settings.model_copy(update={"seed": 99})).predict(prepared.features["test"])
    assert not np.array_equal(other, first)


def test_the_machine_says_on_which_device(fruit: tuple[Prepared, Settings], monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[bool] = []

    def none_here(check_available: bool = False) -> None:
        calls.append(check_available)

    monkeypatch.setattr(torch.accelerator, "current_accelerator", none_here)
    assert new_model(*fruit).device == torch.device("cpu")
    assert True in calls


def test_training_stops_when_it_gets_no_better(fruit: tuple[Prepared, Settings]) -> None:
    prepared, settings = fruit
    patient = settings.model_copy(update={"model": settings.model | {"epochs": 300, "patience": 2, "improvement": 1e9}})
    epochs: list[int] = []
    fitted((prepared, patient), Callbacks(lambda done, _loss: epochs.append(done)))
    assert epochs == [1, 2, 3]


def test_the_weights_are_those_of_the_best_epoch(fruit: tuple[Prepared, Settings]) -> None:
    prepared, settings = fruit
    wild = {"epochs": 30, "learning_rate": 0.5, "patience": 30}
    model = new_model(prepared, settings.model_copy(update={"model": settings.model | wild}))
    epochs: list[int] = []
    splits = [(prepared.features[split], prepared.targets[split]) for split in ("train", "validation")]
    losses = model.fit(splits[0], splits[1], Callbacks(lambda done, _loss: epochs.append(done)))
    assert len(losses) < len(epochs)
    assert model.loss(*splits[1]) == pytest.approx(losses[-1])


@pytest.mark.parametrize("content", [b"", b"junk", b"PK\x03\x04"])
def test_a_checkpoint_that_cannot_be_used_is_told_and_left(
    fruit: tuple[Prepared, Settings], tmp_path: Path, caplog: pytest.LogCaptureFixture, content: bytes
) -> None:
    (tmp_path / "checkpoint").write_bytes(content)
    outputs, _ = fitted(fruit, Callbacks(lambda *_: None, tmp_path / "checkpoint"))
    assert "this checkpoint cannot be used" in caplog.text
    np.testing.assert_array_equal(outputs, fitted(fruit, Callbacks(lambda *_: None))[0])


def test_a_loss_that_is_no_number_ends_in_a_sentence(
    fruit: tuple[Prepared, Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(TorchModel, "loss", lambda *_: float("nan"))
    with pytest.raises(InputError, match="after 1 epochs the loss is no number any more"):
        fitted(fruit, Callbacks(lambda *_: None))


def test_a_misspelt_hyperparameter_is_refused_by_name() -> None:
    with pytest.raises(InputError, match=r"conf/params\.yaml, model: depth is not a setting"):
        KIND.project.build(KIND.parameters | {"depth": 3}, Shape((Column("size"),), 3), 7)


def test_a_loss_that_is_no_number_in_the_last_epoch_is_refused(
    fruit: tuple[Prepared, Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared, settings = fruit
    model = new_model(prepared, settings.model_copy(update={"model": settings.model | {"epochs": 1}}))
    monkeypatch.setattr(model, "loss", lambda *_: float("nan"))
    data = (prepared.features["train"], prepared.targets["train"])
    with pytest.raises(InputError, match="after 1 epochs"):
        model.fit(data, data, Callbacks(lambda *_: None))


@pytest.mark.parametrize("way", ["train_validation", "bag"])
def test_a_killed_training_of_several_fits_goes_on_too(
    fruit: tuple[Prepared, Settings], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    prepared, settings = fruit
    monkeypatch.setattr(steps, "Callbacks", partial(Callbacks, checkpoint_every_s=0))
    settings = settings.model_copy(update={"fit": way})
    epochs: list[int] = []
    total = -1

    def advance(done: int, _loss: float | None) -> None:
        epochs.append(done)
        if len(epochs) == total * 2 // 3:
            raise KilledError

    monkeypatch.setattr(steps, "progress", lambda *_: nullcontext(advance))
    run = Run(Path(), settings, prepared.contract, checkpoint=tmp_path / "checkpoint")
    expected, _ = steps.fit(KIND.project.build, prepared, Run(Path(), settings, prepared.contract))
    total = len(epochs)
    epochs.clear()
    with pytest.raises(KilledError):
        steps.fit(KIND.project.build, prepared, run)
    model, _ = steps.fit(KIND.project.build, prepared, run)
    assert len(epochs) < 1.3 * total
    features = prepared.features["test"]
    np.testing.assert_array_equal(model.predict(features), expected.predict(features))


def test_the_graph_of_a_network_has_a_place_in_that_of_a_bag(fruit: tuple[Prepared, Settings]) -> None:
    model = new_model(*fruit)
    features = fruit[0].features["test"]
    graph = model.to_onnx()
    answers = Graph(mean_model([graph, graph]), "the graph").run({"features": features}, "answers")
    np.testing.assert_allclose(answers, model.predict(features), rtol=1e-4, atol=1e-5)


def test_rows_are_weighted_in_training(fruit: tuple[Prepared, Settings]) -> None:
    """What weighs next to nothing teaches next to nothing, and weights that are equal change nothing."""
    prepared, settings = fruit
    train_set, validation_set = ((prepared.features[name], prepared.targets[name]) for name in ("train", "validation"))
    callbacks = Callbacks(lambda *_: None)
    ones = (np.ones(len(train_set[1])), np.ones(len(validation_set[1])))
    model = new_model(prepared, settings)
    model.fit(train_set, validation_set, callbacks)
    equal = new_model(prepared, settings)
    equal.fit(train_set, validation_set, callbacks, sample_weight=ones)
    expected = model.predict(prepared.features["test"])
    np.testing.assert_allclose(equal.predict(prepared.features["test"]), expected, rtol=1e-4, atol=1e-4)
    if KIND.classification:

        def build() -> Any:
            return KIND.project.build(KIND.parameters, Shape((Column("size", text=KIND.text),), 2), 7)

        assert recall_of_rare(build(), 1) + 0.2 < recall_of_rare(build(), 11)
