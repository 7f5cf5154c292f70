"""Derived features from training to the answer: one graph, whatever the project's code has become since."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from mlkeel.adopt.adopt import adopt
from mlkeel.behavior.cases import complete_row, read_cases
from mlkeel.config import read_settings
from mlkeel.contract.dates import ISO_DATE, seconds
from mlkeel.contract.request import RowValidator
from mlkeel.contract.suites import Column, Contract, Suite, read_contract
from mlkeel.contract.validate import check
from mlkeel.errors import InputError
from mlkeel.features.agreement import check_agreement, evaluate
from mlkeel.features.derived import DerivedFeature, derived
from mlkeel.features.encoder import TABLES
from mlkeel.features.export import build_encoder
from mlkeel.features.functions import days_between, is_missing, weekday, where
from mlkeel.features.values import Values
from mlkeel.inference.predictor import Predictor
from mlkeel.project import Project
from mlkeel.registry.artifact import current
from mlkeel.registry.versions import promote, rollback
from mlkeel.testing.plugin import outdated_version
from mlkeel.training.training import train

from . import steps
from .conftest import expectation
from .kinds import KIND

ROWS = {"weight_g": [150.0, None, 0.0], "colour": ["red", "", "violet"]}


TIMES = [
    expectation("table_columns_to_match_set", column_set=["ordered", "delivered"]),
    *(expectation("column_type_to_be", column=name, type_="str") for name in ("ordered", "delivered")),
    *(expectation("column_values_to_match_regex", column=name, regex=ISO_DATE) for name in ("ordered", "delivered")),
]


@derived
def per_gram(weight_g: Values) -> Values:
    return 1 / weight_g


@derived
def half_of_that(per_gram: Values) -> Values:
    return per_gram / 2


@derived
def looks(colour: Values, weight_g: Values) -> dict[str, Values]:
    return {"is_red": colour == "red", "no colour": is_missing(colour), "is light": where(weight_g < 20, 1, 0)}


def with_features(*features: DerivedFeature) -> Project:
    return replace(KIND.project, features=TABLES.derive(*features))


def test_derived_columns_come_last_under_their_names(fruit_contract: Contract) -> None:
    encoder = build_encoder(fruit_contract, TABLES.derive(per_gram, half_of_that, looks))
    assert encoder.derived == ("per_gram", "half_of_that", "is_red", "no colour", "is light")
    assert tuple(column.name for column in encoder.columns[-5:]) == encoder.derived
    nan = np.nan
    expected = [[1 / 150, 1 / 300, 1, 0, 0], [nan, nan, 0, 1, 0], [nan, nan, 0, 0, 1]]  # 1 / 0 counts as missing
    np.testing.assert_array_equal(encoder.encode(ROWS)[:, -5:], np.array(expected, dtype=np.float32))
    np.testing.assert_array_equal(
        encoder.encode(ROWS)[:, :2], build_encoder(fruit_contract, TABLES).encode(ROWS), strict=True
    )


def test_numpy_gives_the_same_as_the_graph(fruit_contract: Contract) -> None:
    features = TABLES.derive(per_gram, half_of_that, looks)
    encoder = build_encoder(fruit_contract, features)
    check_agreement(features.derived, encoder, ROWS)
    values = np.column_stack(list(evaluate(features.derived, encoder, ROWS).values())).astype(np.float32)
    np.testing.assert_array_equal(np.where(np.isinf(values), np.nan, values), encoder.encode(ROWS)[:, -5:])


def test_what_is_not_the_same_each_time_is_refused(fruit_contract: Contract) -> None:
    draws = iter(range(2, 100))
    features = TABLES.derive(derived(lambda weight_g: weight_g * next(draws)))
    with pytest.raises(InputError, match="random numbers"):
        check_agreement(features.derived, build_encoder(fruit_contract, features), ROWS)


def test_a_plain_function_will_do(fruit_contract: Contract) -> None:
    def doubled(weight_g: Values) -> Values:
        return weight_g * 2

    assert build_encoder(fruit_contract, TABLES.derive(doubled)).derived == ("doubled",)


@pytest.mark.parametrize("name", ["note", "id", KIND.target])
def test_a_column_that_is_no_feature_is_told_from_one_that_is_not_there(fruit_contract: Contract, name: str) -> None:
    feature = derived(columns=(name,))(lambda values: values + 1)
    with pytest.raises(InputError, match=rf"test_derived_columns.py:\d+, in .*: {name} .*no feature"):
        build_encoder(fruit_contract, TABLES.derive(feature))


@pytest.mark.parametrize("text", ["2026-02-30", "2026-13-01", "2026-01-01T25:00:00Z"])
def test_a_date_that_is_not_in_the_calendar_is_refused(text: str) -> None:
    suite: Suite = {"name": "features", "expectations": TIMES}
    contract = Contract(suite, suite)
    row = {"ordered": "2026-01-01", "delivered": text}
    (violation,) = RowValidator(contract).violations([row])
    assert (violation.column, violation.value) == ("delivered", text)
    failed = [each for each in check(pd.DataFrame([row]), contract.features) if not each.passed]
    assert any(each.column == "delivered" and text in each.sentence for each in failed)


@pytest.mark.parametrize(
    ("columns", "name", "reason"),
    [
        (("weight",), "heavy", "weight"),
        (("weight_g",), "colour", "there is already|of that name"),
        (("weight_g",), KIND.target, "there is already|of that name"),
    ],
)
def test_a_column_that_is_not_there_and_a_name_that_is_are_refused(
    fruit_contract: Contract, columns: tuple[str, ...], name: str, reason: str
) -> None:
    feature = derived(columns=columns)(lambda values: {name: values + 1})
    with pytest.raises(InputError, match=reason):
        build_encoder(fruit_contract, TABLES.derive(feature))


@pytest.mark.skipif(KIND.text, reason="a model of texts reads words alone")
def test_a_version_answers_as_on_the_day_it_was_made(project: Path) -> None:
    first = train(with_features(per_gram), project).folder
    contract = read_contract(project / "expectations")
    rows: Any = KIND.project.load(project / "data" / "fruit.csv", contract)
    before = Predictor.load(first).predict(rows)
    opposite = derived(lambda weight_g: -1 / weight_g)
    second = train(with_features(opposite, looks), project).folder
    np.testing.assert_array_equal(Predictor.load(first).predict(rows), before)
    assert promote(project, first.name) == first.name
    assert rollback(project) == second.name


@pytest.mark.skipif(KIND.text, reason="a model of texts reads words alone")
def test_a_version_that_is_older_than_the_features_is_told_of(project: Path) -> None:
    outcome = train(with_features(per_gram), project)
    contract = read_contract(project / "expectations")
    settings = read_settings(project / "conf" / "params.yaml")
    same = steps.prepare(settings, contract, project, with_features(per_gram))
    other = steps.prepare(settings, contract, project, with_features(per_gram, half_of_that))
    assert outdated_version(project, same) == ""
    assert outcome.folder.name in outdated_version(project, other)


@derived
def on_the_way(delivered: Values, ordered: Values) -> dict[str, Values]:
    return {"days": days_between(delivered, ordered), "weekday": weekday(ordered)}


def test_dates_are_columns_to_derive_from_and_no_features_themselves(fruit_contract: Contract) -> None:
    contract = Contract({"name": "features", "expectations": TIMES}, fruit_contract.dataset)
    encoder = build_encoder(contract, TABLES.with_times().derive(on_the_way))
    rows = {"ordered": ["2024-06-22", "2024-06-24T12:00:00Z", None], "delivered": ["2024-06-23T12:00:00Z", "x", ""]}
    np.testing.assert_array_equal(encoder.encode(rows), np.array([[1.5, 5], [np.nan, 0], [np.nan] * 2], np.float32))
    requests = [dict(zip(rows, values, strict=True)) for values in zip(*rows.values(), strict=True)]
    np.testing.assert_array_equal(encoder.encode_rows(requests), encoder.encode(rows))


def test_a_case_of_behaviour_may_name_any_date(tmp_path: Path) -> None:
    columns = (Column("ordered", time=True), Column("price"))
    table = pd.DataFrame({"ordered": ["2026-01-01", "2026-01-01", "2026-02-01"], "price": [1.0, 2.0, 3.0]})
    (tmp_path / "behavior.yaml").write_text("invariance:\n  - row: {ordered: 2026-12-24}\n", encoding="utf-8")
    (case,) = read_cases(tmp_path / "behavior.yaml")["invariance"]
    assert complete_row(case["row"], table, columns) == {"ordered": "2026-12-24", "price": 2.0}
    assert complete_row({}, table, columns)["ordered"] == "2026-01-01"


def test_as_many_dates_may_be_wrong_as_the_rule_allows() -> None:
    (rule,) = [item for item in TIMES if item["kwargs"].get("column") == "ordered" and "regex" in item["kwargs"]]
    lenient = {"name": "features", "expectations": [rule | {"kwargs": rule["kwargs"] | {"mostly": 0.9}}]}
    for wrong, passes in ((1, True), (3, False)):
        dates = pd.DataFrame({"ordered": ["2026-02-30"] * wrong + ["2026-02-27"] * (20 - wrong)})
        assert [each.passed for each in check(dates, lenient)] == [passes]


def test_dates_alone_are_nothing_to_learn_from(fruit_contract: Contract) -> None:
    contract = Contract({"name": "features", "expectations": TIMES}, fruit_contract.dataset)
    with pytest.raises(InputError, match="all columns are dates"):
        build_encoder(contract, TABLES.with_times())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1970-01-01", 0.0),
        ("1970-01-02T00:00:01Z", 86_401.0),
        ("0001-01-01", -62_135_596_800.0),
        ("9999-12-31T23:59:59.5Z", 253_402_300_799.5),
        ("2024-02-30", np.nan),
        ("22.6.2024", np.nan),
        (None, np.nan),
        (float("nan"), np.nan),
    ],
)
def test_a_date_is_seconds_since_1970(text: object, expected: float) -> None:
    np.testing.assert_equal(seconds(text), expected)


@pytest.mark.skipif(KIND.task_name != "tabular-classification", reason="the table is about classes, and has no text")
def test_by_adopting_a_table_its_dates_become_columns_to_derive_from(project: Path) -> None:
    rng = np.random.default_rng(7)
    lines = ["order,ordered,delivered,price,late"]
    for number in range(300):
        ordered = np.datetime64("2025-01-01") + int(rng.integers(0, 365))
        days = int(rng.integers(1, 15))
        late = "yes" if days > 7 else "no"
        lines.append(f"B-{number},{ordered},{ordered + days},{rng.normal(50, 10):.2f},{late}")
    (project / "orders.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    dated = replace(KIND.project, features=TABLES.with_times().derive(on_the_way))
    adopt(dated, str(project / "orders.csv"), "late", {}, project, lambda _plan: True)
    contract = read_contract(project / "expectations")
    assert [column.name for column in contract.columns if column.time] == ["ordered", "delivered"]
    assert contract.derived is not None
    predictor = Predictor.load(current(project / "artifacts"))
    answers = predictor.predict_row({"ordered": "2025-03-01", "delivered": "2025-03-13", "price": 50})
    assert answers["yes"] > 0.9
