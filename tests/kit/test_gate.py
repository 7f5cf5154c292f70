import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import yaml
from mlkeel.behavior.cases import Case
from mlkeel.config import Settings, read_settings
from mlkeel.contract.suites import read_contract
from mlkeel.data.split import Split
from mlkeel.inference.predictor import Predictor
from mlkeel.project import Prepared
from mlkeel.registry.artifact import current
from mlkeel.tasks.evaluation import Evaluation, evaluate
from mlkeel.training.gate import ChampionComparison, behavior_failures, compare_with_champion

from .kinds import KIND
from .steps import prepare

FEATURE = KIND.feature
OTHER_TARGET = "colour" if KIND.classification else "weight_g"
APPLE: Case = {"note": "crisp and sour"} if KIND.text else {"weight_g": 150}

Compare = Callable[..., Any]  # gives a comparison, or None


@pytest.fixture(scope="module")
def orchard_settings(original: Path) -> Settings:
    return read_settings(original / "conf" / "params.yaml")


@pytest.fixture(scope="module")
def orchard(original: Path, orchard_settings: Settings) -> Prepared:
    return prepare(orchard_settings, read_contract(original / "expectations"), original)


@pytest.fixture
def champion_project(trained_project: Path, tmp_path: Path) -> Path:
    """A project with a champion, to be changed at will."""
    shutil.copytree(trained_project / "artifacts", tmp_path / "artifacts")
    return tmp_path


def spoilt(predictor: Predictor, rows: int) -> Predictor:
    """A model that answers the first `rows` rows worse."""

    class Spoilt(Predictor):
        def predict(self, table: Any) -> np.ndarray:
            outputs = super().predict(table).copy()
            outputs[:rows] = 0.6 * outputs[:rows] + 0.2 if KIND.classification else outputs[:rows] + 30
            return outputs

    return Spoilt(predictor.graph, predictor.contract, predictor.target)


@pytest.fixture
def compare(
    orchard: Prepared, orchard_settings: Settings, champion_project: Path, fruit_predictor: Predictor
) -> Compare:
    """Compare a spoilt copy of the champion with it."""
    judged = evaluation_of(fruit_predictor, orchard)

    def compare_copy(
        rows: int = 1000, prepared: Prepared = orchard, baseline: float = 1.0
    ) -> ChampionComparison | None:
        loss = "log_loss" if KIND.classification else "mae"
        evaluation = replace(judged, baseline=judged.baseline.model_copy(update={loss: baseline}))
        return compare_with_champion(
            spoilt(fruit_predictor, rows), evaluation, prepared, orchard_settings, champion_project
        )

    return compare_copy


def evaluation_of(predictor: Predictor, prepared: Prepared) -> Evaluation:
    gate: Any = SimpleNamespace(slices=())
    test = prepared.table.test
    targets = prepared.targets
    outputs = predictor.predict(test)
    return evaluate(KIND.task, KIND.project.metrics, test, outputs, targets["test"], targets["train"], gate)


def test_a_model_that_is_worse_than_the_current_one_falls_short_of_it(
    compare: Compare, champion_project: Path, orchard_settings: Settings
) -> None:
    comparison = compare()
    assert comparison.loss_increase > 0.1
    (failure,) = comparison.failures(orchard_settings.gate)
    assert current(champion_project / "artifacts").name in failure
    assert f"{comparison.loss_increase:.1%} ± {2 * comparison.loss_increase_se:.1%} more than" in failure
    assert "2.0% more is accepted" in failure
    assert not comparison.refitted


def test_a_share_that_a_person_accepts_is_no_failure(compare: Compare, orchard_settings: Settings) -> None:
    comparison = compare()
    assert (
        comparison.failures(
            orchard_settings.gate.model_copy(update={"max_regression": comparison.loss_increase + 0.01})
        )
        == []
    )


def test_what_one_row_does_can_be_chance(compare: Compare, orchard_settings: Settings) -> None:
    comparison = compare(rows=1)
    assert comparison.loss_increase > orchard_settings.gate.max_regression
    assert comparison.failures(orchard_settings.gate) == []
    assert "more than" in comparison.sentence
    assert "which chance explains" in comparison.sentence


def test_an_equal_model_is_let_in_even_where_nothing_is_accepted(compare: Compare, orchard_settings: Settings) -> None:
    comparison = compare(rows=0)
    assert comparison.failures(orchard_settings.gate.model_copy(update={"max_regression": 0.0})) == []
    assert "the same as" in comparison.sentence


def test_beside_a_champion_that_hardly_errs_little_is_not_called_much(
    compare: Compare, orchard_settings: Settings
) -> None:
    assert compare(baseline=1e6).failures(orchard_settings.gate) == []


def test_a_champion_that_answers_nothing_is_left_out(compare: Compare, monkeypatch: pytest.MonkeyPatch) -> None:
    n_outputs = 2 if KIND.classification else 3
    monkeypatch.setattr(Predictor, "predict", lambda _, rows: np.full((len(rows), n_outputs), np.nan))
    assert "its answers to these rows are no answers" in compare().sentence


def test_a_champion_that_may_have_learnt_from_the_rows_decides_nothing(
    compare: Compare, champion_project: Path, orchard_settings: Settings
) -> None:
    params = current(champion_project / "artifacts") / "params.yaml"
    values = yaml.safe_load(params.read_text(encoding="utf-8"))
    values["data"]["split"] = {"train": 0.5, "validation": 0.2, "test": 0.3}
    params.write_text(yaml.safe_dump(values), encoding="utf-8")
    comparison = compare()
    assert "no fair comparison" in comparison.sentence
    assert comparison.failures(orchard_settings.gate) == []


def test_where_nothing_is_current_there_is_no_champion(compare: Compare, champion_project: Path) -> None:
    (champion_project / "artifacts" / "current").unlink()
    assert compare() is None


@pytest.mark.parametrize(
    ("file", "old", "new", "reason"),
    [
        ("params.yaml", f"target: {KIND.target}", f"target: {OTHER_TARGET}", "it predicts"),
        ("features.json", f'"{FEATURE}"', '"size"', "takes other columns than the contract beside it"),
        ("features.json", "expectations", "expectation", "features.json"),
        ("dataset.json", '"apple"', '"pear"', "it answers other classes (pear, cherry)")
        if KIND.classification
        else ("params.yaml", "min_skill", "morgin", "gate.morgin is not a setting"),
    ],
)
def test_a_champion_that_cannot_be_judged_is_left_out_and_it_is_said_why(
    compare: Compare, champion_project: Path, orchard_settings: Settings, file: str, old: str, new: str, reason: str
) -> None:
    path = current(champion_project / "artifacts") / file
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    comparison = compare()
    assert reason in comparison.sentence
    assert "was not compared" in comparison.sentence
    assert comparison.failures(orchard_settings.gate) == []


def test_a_feature_that_is_gone_leaves_the_champion_out(compare: Compare, orchard: Prepared) -> None:
    test = orchard.table.test.drop(columns=FEATURE)
    comparison = compare(prepared=replace(orchard, table=Split(orchard.table.train, orchard.table.validation, test)))
    assert f"it learnt from {FEATURE}, which the table does not have any more" in comparison.sentence


def test_a_feature_that_changed_its_type_leaves_the_champion_out(compare: Compare, orchard: Prepared) -> None:
    test = orchard.table.test.assign(**{FEATURE: 1.0 if KIND.text else "heavy"})
    comparison = compare(prepared=replace(orchard, table=Split(orchard.table.train, orchard.table.validation, test)))
    assert f"it learnt from {FEATURE} as another type" in comparison.sentence


RIGHT: Case = {"name": "an apple", "row": APPLE} | (
    {"expect": "apple"} if KIND.classification else {"expect": 85, "within": 40}
)
WRONG: Case = RIGHT | {"name": "a cherry", "expect": "cherry" if KIND.classification else 5}


def test_behavior_that_fails_is_named(fruit_predictor: Predictor, orchard: Prepared) -> None:
    (failure,) = behavior_failures({"minimum_functionality": [RIGHT, WRONG]}, fruit_predictor, orchard)
    verb = "answers apple" if KIND.classification else "estimates"
    assert failure.startswith(f'behaviour "a cherry": it {verb}')


@pytest.mark.parametrize(
    ("kind", "case"),
    [
        ("minimum", RIGHT),
        ("minimum_functionality", {"name": "an apple", "row": APPLE}),
        ("minimum_functionality", RIGHT | {"row": {"colour": "blue"}}),
        ("minimum_functionality", RIGHT | {"row": {"length": 3}}),
    ],
)
def test_behavior_that_cannot_be_checked_is_no_behavior(
    fruit_predictor: Predictor, orchard: Prepared, kind: str, case: Case
) -> None:
    assert len(behavior_failures({kind: [case]}, fruit_predictor, orchard)) == 1


def test_where_no_behavior_is_written_none_is_checked(fruit_predictor: Predictor, orchard: Prepared) -> None:
    assert behavior_failures({}, fruit_predictor, orchard) == []
    assert behavior_failures({"invariance": []}, fruit_predictor, orchard) == []
