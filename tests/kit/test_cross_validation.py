"""Cross-validation: each row is tested by a model that did not learn from it, by the rule of the split."""

import json
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st
from mlkeel.config import SplitSettings, read_settings
from mlkeel.contract.suites import read_contract
from mlkeel.data.folds import Fold
from mlkeel.data.split import Split, split
from mlkeel.errors import DataError
from mlkeel.project import Project, Run, TrainingResult
from mlkeel.registry.metrics_file import MetricsFile
from mlkeel.tasks.cross_validation import fold_scores
from mlkeel.tasks.metrics import Scores
from mlkeel.training.cross_validation import cross_validated
from mlkeel.training.reevaluate import run_flow
from mlkeel.training.training import train

from .kinds import KIND

SHARES = {"train": 0.6, "validation": 0.2, "test": 0.2}


def folds_of(table: pd.DataFrame, count: int, classes: str | None = None, **settings: Any) -> list[Split]:
    by = SplitSettings.model_validate(SHARES | settings)
    return [split(table, by, ["value"], classes, Fold(number, count)) for number in range(count)]


def table_of(rows: int) -> pd.DataFrame:
    numbers = np.arange(rows)
    return pd.DataFrame(
        {
            "value": numbers * 0.5,
            "kind": np.where(numbers % 3 == 0, "rare", "common"),
            "unit": [f"u{number % 23}" for number in numbers],
            "year": 1900 + numbers // 2,
        }
    )


@given(st.integers(60, 300), st.integers(2, 6), st.sampled_from(["random", "stratified", "group"]))
def test_each_row_is_tested_once_and_never_by_a_model_that_learnt_from_it(rows: int, count: int, by: str) -> None:
    table = table_of(rows)
    group = {"group": "unit"} if by == "group" else {}
    folds = folds_of(table, count, "kind" if by == "stratified" else None, by=by, **group)
    tested = pd.concat([fold.test for fold in folds])
    pd.testing.assert_frame_equal(tested.sort_index(), table)
    for fold in folds:
        assert sorted([*fold.train.index, *fold.validation.index, *fold.test.index]) == list(range(rows))
        if group:
            units = [set(frame["unit"]) for frame in fold.frames.values()]
            assert sum(map(len, units)) == len(set.union(*units))


@given(st.integers(60, 300), st.integers(2, 6))
@example(90, 6)  # where a boundary is as far from one row as from the next
def test_in_time_a_model_learns_from_what_lies_before_and_the_windows_follow_each_other(rows: int, count: int) -> None:
    folds = folds_of(table_of(rows), count, by="time", time="year")
    for fold in folds:
        assert fold.train["year"].max() < fold.validation["year"].min()
        assert fold.validation["year"].max() < fold.test["year"].min()
    for before, after in pairwise(folds):
        assert before.test["year"].max() < after.test["year"].min()
    tested = pd.concat([fold.test for fold in folds])["year"]
    assert tested.max() == table_of(rows)["year"].max()
    assert not tested.index.has_duplicates


def test_stratified_folds_keep_the_shares_of_classes() -> None:
    for fold in folds_of(table_of(300), 5, "kind", by="stratified"):
        assert (fold.test["kind"] == "rare").mean() == pytest.approx(1 / 3, abs=0.02)


def test_mean_and_spread_are_those_of_the_folds() -> None:
    scores = [Scores.model_validate({"rows": 10, "a": value, "b": other}) for value, other in ((1.0, 2.0), (3.0, None))]
    summary = fold_scores(scores, scores[::-1])
    assert (summary.folds, summary.mean.rows) == (2, 20)
    assert (summary.mean["a"], summary.spread["a"]) == (2.0, pytest.approx(2**0.5))
    assert summary.mean.get("b") is None
    assert summary.baseline is not None
    assert summary.baseline["a"] == 2.0


@pytest.fixture
def set_folds(project: Path) -> Callable[[int | None], Path]:
    """A function that sets how many folds the project's table is cross-validated in, None for the default."""

    def write(folds: int | None) -> Path:
        path = project / "conf" / "params.yaml"
        params = yaml.safe_load(path.read_text(encoding="utf-8"))
        params["data"]["split"]["folds"] = folds
        path.write_text(yaml.safe_dump(params), encoding="utf-8")
        return project

    return write


def test_a_small_table_is_cross_validated_and_a_version_keeps_the_scores(
    set_folds: Callable[[int | None], Path],
) -> None:
    folder = train(KIND.project, set_folds(None)).folder
    metrics = MetricsFile.read(folder)
    assert metrics.cross_validation
    assert metrics.cross_validation.folds == 5
    assert metrics.cross_validation.mean.rows == sum(metrics.rows.values())
    card = (folder / "MODEL_CARD.md").read_text(encoding="utf-8")
    of_folds = card.partition("## Results of the cross-validation")[2]
    assert all(f"| {name} |" in of_folds for name in metrics.cross_validation.rows())


def test_none_is_made_where_it_is_switched_off(set_folds: Callable[[int | None], Path]) -> None:
    folder = train(KIND.project, set_folds(0)).folder
    assert json.loads((folder / "metrics.json").read_text(encoding="utf-8"))["cross_validation"] is None


def test_the_gate_judges_by_all_rows_of_the_folds(set_folds: Callable[[int | None], Path]) -> None:
    root = set_folds(3)
    outcome = train(KIND.project, root)
    assert outcome.cross_validation
    judged = outcome.cross_validation.evaluation
    table = KIND.project.load(root / "data" / "fruit.csv", read_contract(root / "expectations"))
    assert judged.model.rows == len(table) > outcome.evaluation.model.rows
    assert judged.split
    assert "3 folds" in judged.split.sentence
    path = root / "conf" / "params.yaml"
    params = yaml.safe_load(path.read_text(encoding="utf-8"))
    params["gate"]["min_skill"] = judged.skill + 0.001
    path.write_text(yaml.safe_dump(params), encoding="utf-8")
    assert any("needed" in failure for failure in train(KIND.project, root).failures)


def test_a_fold_that_cannot_be_trained_is_told_and_not_fatal(
    set_folds: Callable[[int | None], Path], caplog: pytest.LogCaptureFixture
) -> None:
    def no_folds(project: Project, run: Run) -> TrainingResult:
        if run.fold:
            raise DataError("The rare class is in no training row.")
        return KIND.project.train(project, run)

    outcome = train(replace(KIND.project, train=no_folds), set_folds(2))
    assert outcome.cross_validation is None
    assert "rare class" in caplog.text


def test_a_split_of_the_projects_own_is_not_cross_validated_by_another_rule(
    set_folds: Callable[[int | None], Path],
) -> None:
    def own(_project: Project, run: Run) -> TrainingResult:
        def publish(prepared: Any, trained: Any) -> TrainingResult:
            splits = prepared.table
            table = Split(splits.train, splits.validation, splits.test)
            return run.publish(replace(prepared, table=table), trained)

        return KIND.project.train(_project, replace(run, publish=publish))

    assert train(replace(KIND.project, train=own), set_folds(None)).cross_validation is None


def test_a_training_for_its_evaluation_alone_makes_no_folds(set_folds: Callable[[int | None], Path]) -> None:
    root = set_folds(2)
    run = Run(root, read_settings(root / "conf" / "params.yaml"), read_contract(root / "expectations"))
    prepared, trained = run_flow(KIND.project, run)
    assert trained.cross_validation is None
    assert trained.judged is trained.evaluation
    assert cross_validated(KIND.project, run, prepared, trained).judged is not trained.evaluation
