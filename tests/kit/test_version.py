"""A version on disk answers as the model that was trained did, under its names, and is the current one."""

from pathlib import Path

import numpy as np
import pytest
from mlkeel.config import read_settings
from mlkeel.contract.suites import read_contract
from mlkeel.inference.batch import predict_table
from mlkeel.inference.predictor import Predictor
from mlkeel.project import Prepared, Trained, TrainingResult
from mlkeel.registry.artifact import current
from mlkeel.tasks.output_types import output_type_of

from . import steps
from .kinds import KIND


@pytest.fixture(scope="module")
def prepared(original: Path) -> Prepared:
    settings = read_settings(original / "conf" / "params.yaml")
    return steps.prepare(settings, read_contract(original / "expectations"), original)


@pytest.fixture(scope="module")
def trained(prepared: Prepared, original: Path) -> Trained:
    return steps.fit(prepared, read_settings(original / "conf" / "params.yaml"))


@pytest.fixture(scope="module")
def outcome(
    prepared: Prepared, trained: Trained, original: Path, tmp_path_factory: pytest.TempPathFactory
) -> TrainingResult:
    settings = read_settings(original / "conf" / "params.yaml")
    return steps.keep(prepared, trained, settings, tmp_path_factory.mktemp("kept"))


def test_it_answers_a_table_as_the_model_does(outcome: TrainingResult, prepared: Prepared, trained: Trained) -> None:
    scale = output_type_of(prepared.contract, KIND.target).target_scale(prepared.targets["train"])
    outputs = Predictor.load(outcome.folder).predict(prepared.table.test)
    assert np.abs(outputs - trained.model.predict(prepared.features["test"])).max() <= 1e-4 * scale


def test_its_answers_stand_under_their_names(outcome: TrainingResult, prepared: Prepared, trained: Trained) -> None:
    predictor = Predictor.load(outcome.folder)
    row = prepared.table.test.iloc[0].to_dict()
    expected = trained.model.predict(prepared.features["test"])[0]
    output = predictor.predict_row({column.name: row[column.name] for column in prepared.contract.columns})
    assert [output[name] for name in prepared.output_names] == pytest.approx(expected.tolist(), rel=1e-3, abs=1e-3)


def test_what_is_predicted_is_what_the_table_holds(outcome: TrainingResult, prepared: Prepared) -> None:
    test = prepared.table.test
    predicted = predict_table(Predictor.load(outcome.folder), test)[f"predicted_{KIND.target}"]
    if KIND.classification:
        assert (predicted == test[KIND.target]).mean() > 0.8
    else:
        assert np.corrcoef(predicted, test[KIND.target])[0, 1] > 0.8


def test_it_is_the_current_one(outcome: TrainingResult) -> None:
    assert current(outcome.folder.parent) == outcome.folder
