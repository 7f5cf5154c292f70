from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from mlkeel.config import read_settings
from mlkeel.drift import KL
from mlkeel.inference.predictor import Predictor
from mlkeel.monitor import checks
from mlkeel.monitor.window import Window, of_file
from mlkeel.registry.artifact import current
from mlkeel.registry.metrics_file import MetricsFile
from mlkeel.store.store import RejectedRows
from mlkeel.tasks.metrics import Scores

from .kinds import KIND

CHANCE = 0.001
TARGET = KIND.target
FEATURE = KIND.feature
PROMISED = 0.05 if KIND.classification else 5.0


@pytest.fixture(scope="module")
def window(trained_project: Path, fruit_predictor: Predictor) -> Window:
    return of_file(trained_project / "data" / "fruit.csv", fruit_predictor)


def scores(error: float, rows: int) -> Scores:
    return Scores.model_validate(
        {"rows": rows, "accuracy": 1 - error, "macro_f1": None, "log_loss": 0.1}
        if KIND.classification
        else {"rows": rows, "mae": error, "rmse": error, "bias": 0.0, "r2": None, "coverage": 0.9}
    )


def test_a_rule_that_lets_some_rows_off_lets_chance_off_too(window: Window) -> None:
    rule = {"type": "expect_column_values_to_not_be_null", "kwargs": {"column": TARGET, "mostly": 0.95}}
    suite = {"name": "features", "expectations": [rule], "meta": {}}
    for missing, broken in ((0, False), (10, False), (40, True)):
        table = window.table.copy()
        table.loc[: missing - 1, TARGET] = None
        violations = checks.contract(replace(window, table=table, contract=suite), CHANCE)
        assert bool(violations) is broken


def test_a_refused_column_is_named_with_its_rule(window: Window) -> None:
    few = RejectedRows(1, {(FEATURE, "lengths"): 1})
    many = RejectedRows(30, {(FEATURE, "lengths"): 30, ("", "row"): 1})
    assert checks.rejected(window, 0.01, CHANCE) == []
    assert checks.rejected(replace(window, rejected=few), 0.01, CHANCE) == []
    (violation,) = checks.rejected(replace(window, rejected=many), 0.01, CHANCE)
    assert (violation.check, violation.column) == ("rejected", FEATURE)
    assert "20.0% were refused under the rule lengths" in violation.sentence


def test_a_model_that_is_worse_than_promised_is_told_from_bad_luck(
    window: Window, fruit_predictor: Predictor, trained_project: Path
) -> None:
    gate = read_settings(current(trained_project / "artifacts") / "params.yaml").gate
    gate = gate.model_copy(update={"slices": ()})
    metrics_file = MetricsFile.read(current(trained_project / "artifacts"))
    baseline = scores(0.5 if KIND.classification else 40.0, 200)
    promise = metrics_file.model_copy(update={"model": scores(PROMISED, 200), "baseline": baseline, "slices": {}})
    as_promised, figures = checks.quality(window, fruit_predictor, promise, gate, CHANCE)
    assert as_promised == []
    assert figures is not None
    assert figures["live"]["rows"] == len(window.table)
    mixed_up = window.table.copy()
    mixed_up[TARGET] = mixed_up[TARGET].to_numpy()[::-1]
    (violation,), _ = checks.quality(replace(window, table=mixed_up), fruit_predictor, promise, gate, CHANCE)
    assert violation.check == "quality"
    assert violation.value > violation.limit > PROMISED
    odd = window.table.copy()
    odd[TARGET] = odd[TARGET].astype(object)
    odd.loc[:1, TARGET] = ["stone", float("inf")]
    nothing, figures = checks.quality(replace(window, table=odd), fruit_predictor, promise, gate, CHANCE)
    assert nothing == []
    assert figures is not None
    assert figures["live"]["rows"] == len(window.table) - 2
    barely = promise.model_copy(update={"model": scores(0.004 if KIND.classification else 3.0, 10**6)})
    assert checks.quality(window, fruit_predictor, barely, gate, CHANCE)[0] == []  # worse by less than what matters
    unlabeled = window.table.drop(columns=TARGET)
    assert checks.quality(replace(window, table=unlabeled), fruit_predictor, promise, gate, CHANCE) == ([], None)


def test_rows_that_a_table_answers_otherwise_are_noticed(window: Window, fruit_predictor: Predictor) -> None:
    recorded = replace(window, milliseconds=np.ones(len(window.table)))
    assert checks.skew(recorded, fruit_predictor, set()) == []
    assert recorded.outputs is not None
    one_off = recorded.outputs.copy()
    one_off[77] = one_off[76 if one_off[76][0] != one_off[77][0] else 75]
    (violation,) = checks.skew(replace(recorded, outputs=one_off), fruit_predictor, set())
    assert violation.sentence.startswith("1 of 120 recorded rows")
    assert checks.skew(replace(recorded, outputs=recorded.outputs[::-1]), fruit_predictor, {FEATURE}) == []


def test_an_old_model_is_a_warning_and_no_alarm() -> None:
    (violation,) = checks.staleness("2020-01-01T00:00:00Z", 90)
    assert violation.severity == "warning"
    assert checks.staleness("2020-01-01T00:00:00Z", 1e6) == []


def test_one_slow_answer_in_a_hundred_is_allowed(window: Window) -> None:
    for slow, broken in ((0, False), (2, False), (20, True)):
        milliseconds = np.array([90.0] * slow + [1.0] * (200 - slow))
        assert bool(checks.latency(replace(window, milliseconds=milliseconds), 50, CHANCE)) is broken


def test_a_column_of_another_type_is_the_contracts_to_name(window: Window, fruit_predictor: Predictor) -> None:
    number = {"column": "weight_g", "partition_object": {"bins": [1, 2], "weights": [0.5], "tail_weights": [0.2, 0.3]}}
    item = {"type": KL, "kwargs": number | {"threshold": 1}, "meta": {"rows": 9}}
    suite = {"name": "drift", "expectations": [item], "meta": {}}
    texts = replace(window, table=pd.DataFrame({"weight_g": ["heavy"] * 20}))
    assert checks.drift(texts, fruit_predictor, suite, CHANCE, 0) == ([], {})
