"""Fairness: gaps between the groups of a protected column, which is not learnt from, and the features that tell it."""

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from mlkeel.adopt.column_names import may_be_protected
from mlkeel.config import Gate, Settings, read_settings
from mlkeel.contract.request import RowValidator
from mlkeel.contract.suites import Column, Contract, read_contract
from mlkeel.errors import DataError, InputError
from mlkeel.inference.predictor import Predictor
from mlkeel.project import Run, TrainingResult
from mlkeel.registry.metrics_file import MetricsFile
from mlkeel.tasks.fairness import GroupFairness, RowMetric, class_metrics, group_fairness, group_names, number_metrics
from mlkeel.training.checks import check, check_settings
from mlkeel.training.proxies import proxies
from mlkeel.training.training import train

from .kinds import KIND

ROWS = 400
CLASSES = ("no", "yes")
EARS = {"column": "ears", "value_set": ["long", "short"]}
LIMIT = {"recall": 0.1} if KIND.classification else {"mae": 5}


def classes_of(rng: np.random.Generator, sex: pd.Series, wrong_yes_of_women: float) -> list[RowMetric]:
    """Metrics of a classifier that errs in a tenth of the rows, and more often where women are a yes."""
    y_true = rng.integers(0, 2, len(sex))
    wrong = np.where((sex == "female") & (y_true == 1), wrong_yes_of_women, 0.1)
    decided = np.where(rng.random(len(sex)) < wrong, 1 - y_true, y_true)
    return class_metrics(decided, y_true, CLASSES, "yes")


def numbers_of(rng: np.random.Generator, sex: pd.Series, error_of_women: float) -> list[RowMetric]:
    """Metrics of estimates that are off by 1, and by another amount for women."""
    errors = rng.normal(0, np.where(sex == "female", error_of_women, 1.0))
    return number_metrics(np.column_stack([errors] * 3), np.zeros(len(sex)))


def sexes(rng: np.random.Generator) -> pd.Series:
    return pd.Series(rng.choice(["female", "male"], ROWS))


def named(fairness: GroupFairness) -> set[tuple[str, str | None]]:
    return {(gap.metric, gap.of) for gap in fairness.gaps_beyond_chance}


def test_planted_unfairness_is_named_with_its_groups() -> None:
    rng = np.random.default_rng(7)
    sex = sexes(rng)
    of_classes = group_fairness("sex", sex, classes_of(rng, sex, 0.4), 10)
    of_numbers = group_fairness("sex", sex, numbers_of(rng, sex, 2.0), 10)
    assert ("recall", "yes") in named(of_classes)
    assert ("recall", "no") not in named(of_classes)
    assert named(of_numbers) == {("mae", None)}
    recall = next(gap for gap in of_classes.gaps if (gap.metric, gap.of) == ("recall", "yes"))
    assert (recall.higher, recall.lower) == ("male", "female")
    assert recall.low <= 0.3 <= recall.high
    assert "female" in of_classes.remark
    assert "female" in of_numbers.remark


def test_chance_is_named_in_few_tables_only() -> None:
    """All intervals of a column hold together at 95 %, so at most about 5 of 100 tables have a gap by chance."""
    false_alarms = {"classes": 0, "numbers": 0}
    for seed in range(100):
        rng = np.random.default_rng(seed)
        sex = sexes(rng)
        false_alarms["classes"] += bool(group_fairness("sex", sex, classes_of(rng, sex, 0.1), 10).remark)
        false_alarms["numbers"] += bool(group_fairness("sex", sex, numbers_of(rng, sex, 1.0), 10).remark)
    assert max(false_alarms.values()) <= 8, false_alarms


def test_many_rows_of_few_patients_say_little() -> None:
    """Ten patients with forty rows each: whoever is wrong is wrong in all of them."""
    patients = np.repeat(np.arange(10), 40)
    sex = pd.Series(np.where(patients < 5, "female", "male"))
    is_wrong = np.isin(patients, [0, 1, 5])
    y_true = np.zeros(len(sex), dtype=np.int64)
    metrics = class_metrics(is_wrong.astype(np.int64), y_true, CLASSES, "yes")
    assert named(group_fairness("sex", sex, metrics, 10))
    assert not named(group_fairness("sex", sex, metrics, 10, patients))


def test_groups_with_few_rows_are_named_and_not_judged() -> None:
    rng = np.random.default_rng(7)
    sex = pd.Series(["female", "male", None, "other"]).repeat([50, 50, 4, 3]).reset_index(drop=True)
    fairness = group_fairness("sex", sex, classes_of(rng, sex, 0.1), 10)
    assert fairness.too_small == ("missing", "other")
    assert all(set(gap.groups) == {"female", "male"} for gap in fairness.gaps)
    assert "other (3)" in fairness.small_groups_sentence
    alone = group_fairness("sex", sex, classes_of(rng, sex, 0.1), 51)
    assert alone.gaps == ()


def test_many_numbers_are_cut_into_quarters_and_few_are_groups() -> None:
    ages = pd.Series([*range(20, 60), np.nan])
    assert list(dict.fromkeys(group_names(ages))) == ["20 to 29", "30 to 39", "40 to 49", "50 to 59", "missing"]
    assert list(group_names(pd.Series([1.0, 2.0, 1.0]))) == ["1", "2", "1"]


def test_features_that_tell_it_are_named_and_no_others() -> None:
    rng = np.random.default_rng(7)
    sex = sexes(rng)
    rows = pd.DataFrame(
        {
            "height": 170 + 8 * (sex == "male") + rng.normal(0, 6, ROWS),
            "title": np.where(rng.random(ROWS) < 0.8, np.where(sex == "male", "Mr", "Ms"), "Dr"),
            "income": rng.normal(3000, 500, ROWS),
            "town": rng.choice(["a", "b", "c"], ROWS),
        }
    )
    rows.loc[:20, "height"] = np.nan
    features = [
        Column("height"),
        Column("income"),
        Column("town", ("a", "b", "c")),
        Column("title", ("Dr", "Mr", "Ms")),
    ]
    skills, together = proxies(rows, features, sex.to_numpy(), np.arange(len(sex)))
    assert list(skills) == ["title", "height"]
    assert together is not None
    assert proxies(rows, features[1:3], sex.to_numpy(), np.arange(len(sex))) == ({}, None)


def test_words_that_tell_it_are_named() -> None:
    rng = np.random.default_rng(7)
    sex = sexes(rng)
    texts = [f"{'she' if each == 'female' else 'he'} came {rng.integers(30)} times" for each in sex]
    skills, _ = proxies(pd.DataFrame({"note": texts}), [Column("note", text=True)], sex.to_numpy(), np.arange(len(sex)))
    assert list(skills) == ["note"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        *((name, True) for name in ("Sex", "patient_age", "Staatsangehörigkeit", "raça", "性别")),
        *((name, False) for name in ("race_time", "houseAge", "message", "mileage")),
    ],
)
def test_names_of_protected_attributes_in_several_languages(name: str, expected: bool) -> None:
    assert may_be_protected(name) is expected


@pytest.fixture(scope="module")
def rabbits(original: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The made-up project with the ears of whoever picked the fruit: that with short ears was written down wrongly."""
    project = Path(shutil.copytree(original, tmp_path_factory.mktemp("burrow") / "orchard"))
    path = project / "data" / "fruit.csv"
    with path.open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    place = header.index(KIND.target)
    others = {"apple": "cherry", "cherry": "apple"}
    written = []
    for number, row in enumerate(rows * 2):
        ears = "long" if number // 2 % 2 else "short"
        target = row[place]
        if ears == "short" and number % 7 < 3:
            target = others[target] if KIND.classification else f"{float(target) + 60:.1f}"
        written.append([f"f{number}", *row[1:place], target, *row[place + 1 :], ears])
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([[*header, "ears"], *written])
    suite_path = project / "expectations" / "dataset.json"
    suite = json.loads(suite_path.read_text(encoding="utf-8"))
    suite["expectations"][0]["kwargs"]["column_set"].append("ears")
    suite["expectations"].append({"type": "expect_column_values_to_be_in_set", "kwargs": EARS})
    suite_path.write_text(json.dumps(suite), encoding="utf-8")
    params_path = project / "conf" / "params.yaml"
    params = yaml.safe_load(params_path.read_text(encoding="utf-8"))
    params["columns"] = {"ears": "protected"}
    params["data"]["split"] |= {"train": 0.4, "validation": 0.2, "test": 0.4, "key": ["id"]}
    params["gate"]["max_group_gap"] = LIMIT
    params_path.write_text(yaml.safe_dump(params), encoding="utf-8")
    return project


@pytest.fixture(scope="module")
def outcome(rabbits: Path) -> TrainingResult:
    return train(KIND.project, rabbits)


def test_the_gate_refuses_a_gap_that_is_too_wide(outcome: TrainingResult) -> None:
    assert any("where ears is" in failure and "short" in failure for failure in outcome.failures)


def test_a_gate_that_allows_the_gap_does_not(outcome: TrainingResult) -> None:
    gate = Gate(min_skill=0, min_slice_rows=5, max_group_gap=dict.fromkeys(LIMIT, 100))
    assert outcome.evaluation.fairness
    assert not any("ears" in failure for failure in outcome.evaluation.failures(gate))


def test_it_is_no_feature_and_a_request_does_not_need_it(outcome: TrainingResult) -> None:
    predictor = Predictor.load(outcome.folder)
    assert "ears" not in [column.name for column in predictor.contract.columns]
    assert "ears" not in [column.name for column in predictor.encoder.columns]
    assert RowValidator(predictor.contract).violations([KIND.row]) == []
    assert predictor.predict_rows([KIND.row]).shape[0] == 1


def test_gaps_are_kept_with_the_version_and_stand_on_its_card(outcome: TrainingResult) -> None:
    (fairness,) = MetricsFile.read(outcome.folder).fairness
    assert (fairness.column, fairness.learnt_from) == ("ears", False)
    assert fairness.gaps_beyond_chance
    card = (outcome.folder / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "more than chance explains" in card
    assert fairness.gaps[0].title in card


@pytest.fixture
def burrow(rabbits: Path) -> tuple[Settings, Contract]:
    return read_settings(rabbits / "conf" / "params.yaml"), read_contract(rabbits / "expectations")


def test_a_table_without_the_protected_column_is_refused(burrow: tuple[Settings, Contract], rabbits: Path) -> None:
    settings, contract = burrow
    table = KIND.project.load(rabbits / "data" / "fruit.csv", contract)
    with pytest.raises(DataError, match='protected column "ears" is not there'):
        check(table.drop(columns="ears"), Run(rabbits, settings, contract))
    with pytest.raises(DataError, match='protected column "ears" has no value'):
        check(table.assign(ears=None), Run(rabbits, settings, contract))


def changed(settings: Settings, **values: Any) -> Settings:
    return Settings.model_validate(settings.model_dump() | values)


def test_a_protected_column_must_not_be_a_feature_unless_that_is_meant(burrow: tuple[Settings, Contract]) -> None:
    settings, contract = burrow
    with pytest.raises(InputError, match="protected_feature"):
        check_settings(changed(settings, columns={KIND.feature: "protected"}), contract)
    check_settings(changed(settings, columns={KIND.feature: "protected_feature"}), contract)


def test_a_limit_on_gaps_needs_groups_and_a_metric_of_the_task(burrow: tuple[Settings, Contract]) -> None:
    settings, contract = burrow
    with pytest.raises(InputError, match="no column is protected"):
        check_settings(changed(settings, columns={}), contract)
    other = {"mae": 0.1} if KIND.classification else {"recall": 0.1}
    gate = settings.gate.model_copy(update={"max_group_gap": other})
    with pytest.raises(InputError, match="does not fit"):
        check_settings(settings.model_copy(update={"gate": gate}), contract)


def test_rows_without_a_true_class_leave_its_recall_out() -> None:
    metrics = class_metrics(np.array([0, 0, 0, 0]), np.array([0, 0, 0, 0]), CLASSES, "yes")
    fairness = group_fairness("sex", pd.Series(["f", "f", "m", "m"]), metrics, 1)
    assert {(gap.metric, gap.of) for gap in fairness.gaps} == {
        ("error_rate", None),
        ("selection_rate", "yes"),
        ("recall", "no"),
    }
