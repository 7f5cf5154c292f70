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

Fight = Callable[..., Any]  # gives a comparison, or None


@pytest.fixture(scope="module")
def orchard_settings(original: Path) -> Settings:
    return read_settings(original / "conf" / "params.yaml")


@pytest.fixture(scope="module")
def orchard(original: Path, orchard_settings: Settings) -> Prepared:
    return prepare(orchard_settings, read_contract(original / "expectations"), original)


@pytest.fixture
def ruled(trained_project: Path, tmp_path: Path) -> Path:
    """A project with a champion, to be changed at will."""
    shutil.copytree(trained_project / "artifacts", tmp_path / "artifacts")
    return tmp_path


def spoilt(predictor: Predictor, rows: int) -> Predictor:
    """A model that answers the first `rows` rows worse."""

    def run(features: np.ndarray) -> np.ndarray:
        answers = predictor.graph.run(features).copy()
        answers[:rows] = 0.6 * answers[:rows] + 0.2 if KIND.classification else answers[:rows] + 30
        return answers

    graph: Any = SimpleNamespace(run=run)
    return Predictor(graph, predictor.contract, predictor.target)


@pytest.fixture
def fight(orchard: Prepared, orchard_settings: Settings, ruled: Path, fruit_predictor: Predictor) -> Fight:
    """Let a spoilt copy of the champion meet it."""

    def meet(rows: int = 1000, prepared: Prepared = orchard, baseline: float = 1.0) -> ChampionComparison | None:
        evaluation = judged(fruit_predictor, orchard)
        loss = "log_loss" if KIND.classification else "mae"
        evaluation = replace(evaluation, baseline=evaluation.baseline.model_copy(update={loss: baseline}))
        return compare_with_champion(spoilt(fruit_predictor, rows), evaluation, prepared, orchard_settings, ruled)

    return meet


def judged(predictor: Predictor, prepared: Prepared) -> Evaluation:
    gate: Any = SimpleNamespace(slices=())
    test = prepared.table.test
    truth = prepared.targets
    answers = predictor.graph.run(prepared.features["test"])
    return evaluate(KIND.task, KIND.project.metrics, test, answers, truth["test"], truth["train"], gate)


def test_a_model_that_is_worse_than_the_one_in_use_falls_short_of_it(
    fight: Fight, ruled: Path, orchard_settings: Settings
) -> None:
    met = fight()
    assert met.loss_increase > 0.1
    (said,) = met.failures(orchard_settings.gate)
    assert current(ruled / "artifacts").name in said
    assert f"{met.loss_increase:.1%} more than" in said
    assert "2.0% more is accepted" in said
    assert "may have learnt" not in said


def test_a_share_that_a_person_accepts_is_no_shortcoming(fight: Fight, orchard_settings: Settings) -> None:
    met = fight()
    assert met.failures(orchard_settings.gate.model_copy(update={"max_regression": met.loss_increase + 0.01})) == []


def test_what_one_row_does_can_be_chance(fight: Fight, orchard_settings: Settings) -> None:
    met = fight(rows=1)
    assert met.loss_increase > orchard_settings.gate.max_regression
    assert met.failures(orchard_settings.gate) == []


def test_an_equal_model_is_let_in_even_where_nothing_is_accepted(fight: Fight, orchard_settings: Settings) -> None:
    met = fight(rows=0)
    assert met.failures(orchard_settings.gate.model_copy(update={"max_regression": 0.0})) == []
    assert "the same as" in met.sentence


def test_beside_a_champion_that_hardly_errs_little_is_not_called_much(fight: Fight, orchard_settings: Settings) -> None:
    assert fight(baseline=1e6).failures(orchard_settings.gate) == []


def test_a_champion_that_answers_nothing_is_left_out(fight: Fight, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = 2 if KIND.classification else 3
    monkeypatch.setattr(Predictor, "predict", lambda _, rows: np.full((len(rows), answers), np.nan))
    assert "its answers to these rows are no answers" in fight().sentence


def test_a_champion_that_may_have_seen_the_rows_is_told_of(fight: Fight, ruled: Path) -> None:
    params = current(ruled / "artifacts") / "params.yaml"
    values = yaml.safe_load(params.read_text(encoding="utf-8"))
    values["data"]["split"] = {"train": 0.5, "validation": 0.2, "test": 0.3}
    params.write_text(yaml.safe_dump(values), encoding="utf-8")
    assert "may have learnt from some of these rows" in fight().sentence


def test_where_nothing_is_in_use_there_is_no_champion(fight: Fight, ruled: Path) -> None:
    (ruled / "artifacts" / "current").unlink()
    assert fight() is None


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        ("params.yaml", f"target: {KIND.target}", f"target: {OTHER_TARGET}", "it predicts"),
        ("features.json", f'"{FEATURE}"', '"size"', "it learnt from size"),
        ("features.json", "expectations", "expectation", "features.json"),
        ("dataset.json", '"apple"', '"pear"', "it answers other classes (pear, cherry)")
        if KIND.classification
        else ("params.yaml", "min_skill", "morgin", "gate.morgin is not a setting"),
    ],
)
def test_a_champion_that_cannot_be_judged_is_left_out_and_it_is_said_why(
    fight: Fight, ruled: Path, orchard_settings: Settings, file: str, old: str, new: str, said: str
) -> None:
    path = current(ruled / "artifacts") / file
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    met = fight()
    assert said in met.sentence
    assert "was not compared" in met.sentence
    assert met.failures(orchard_settings.gate) == []


def test_a_feature_that_changed_its_type_leaves_the_champion_out(fight: Fight, orchard: Prepared) -> None:
    test = orchard.table.test.assign(**{FEATURE: 1.0 if KIND.text else "heavy"})
    met = fight(prepared=replace(orchard, table=Split(orchard.table.train, orchard.table.validation, test)))
    assert f"it learnt from {FEATURE} as another type" in met.sentence


RIGHT: Case = {"name": "an apple", "row": APPLE} | (
    {"expect": "apple"} if KIND.classification else {"expect": 85, "within": 40}
)
WRONG: Case = RIGHT | {"name": "a cherry", "expect": "cherry" if KIND.classification else 5}


def test_behaviour_that_fails_is_named(fruit_predictor: Predictor, orchard: Prepared) -> None:
    (said,) = behavior_failures({"minimum_functionality": [RIGHT, WRONG]}, fruit_predictor, orchard)
    found = "answers apple" if KIND.classification else "estimates"
    assert said.startswith(f'behaviour "a cherry": it {found}')


@pytest.mark.parametrize(
    ("kind", "case"),
    [
        ("minimum", RIGHT),
        ("minimum_functionality", {"name": "an apple", "row": APPLE}),
        ("minimum_functionality", RIGHT | {"row": {"colour": "blue"}}),
        ("minimum_functionality", RIGHT | {"row": {"length": 3}}),
    ],
)
def test_behaviour_that_cannot_be_asked_is_no_behaviour(
    fruit_predictor: Predictor, orchard: Prepared, kind: str, case: Case
) -> None:
    assert len(behavior_failures({kind: [case]}, fruit_predictor, orchard)) == 1


def test_where_no_behaviour_is_written_none_is_asked(fruit_predictor: Predictor, orchard: Prepared) -> None:
    assert behavior_failures({}, fruit_predictor, orchard) == []
    assert behavior_failures({"invariance": []}, fruit_predictor, orchard) == []
