"""Training works: it learns, it can be repeated, and it leaves a model that is good enough."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlkeel.config import Settings
from mlkeel.data.time_split import moments_of
from mlkeel.inference.predictor import Predictor
from mlkeel.models.model import Dataset, Model, Steps
from mlkeel.project import Prepared, Trained, TrainingResult
from mlkeel.registry.artifact import FILES, current
from mlkeel.registry.versions import promote, rollback
from mlkeel.tasks.evaluation import Evaluation
from mlkeel.training.gate import compare_with_champion

Skill = Callable[[Model, Dataset], float]


def test_the_loss_falls_after_one_step(stepping: Steps, train_data: Dataset) -> None:
    before = stepping.loss(*train_data)
    assert stepping.step(*train_data) < before


def test_it_overfits_one_small_batch(memorizing: Any, small_batch: Dataset, skill: Skill) -> None:
    for _ in range(200):
        memorizing.step(*small_batch)
    assert skill(memorizing, small_batch) > 0.8


def test_training_completes_and_leaves_every_artifact(outcome: TrainingResult) -> None:
    assert set(FILES) <= {path.name for path in outcome.folder.iterdir()}
    assert all((outcome.folder / name).stat().st_size for name in FILES)


def test_what_was_trained_is_in_use(outcome: TrainingResult) -> None:
    assert outcome.failures == []
    assert current(outcome.folder.parent) == outcome.folder


def test_the_version_before_can_be_made_current_again(outcome: TrainingResult, tmp_path: Path) -> None:
    version = outcome.folder.name
    for name in (version, f"{version}-later"):
        shutil.copytree(outcome.folder, tmp_path / "artifacts" / name)
        promote(tmp_path, name)
    rollback(tmp_path)
    assert current(tmp_path / "artifacts").name == version


def test_there_is_a_validation_loss_for_each_step(trained: Trained) -> None:
    assert trained.losses
    assert np.isfinite(trained.losses).all()


def test_it_does_not_stop_at_once(trained: Trained, new_model: Callable[[], Any]) -> None:
    if getattr(new_model(), "max_rounds", 1) > 1:
        assert len(trained.losses) > 1


def test_unseen_rows_are_told_better_in_the_end(trained: Trained, validation_data: Dataset, skill: Skill) -> None:
    assert skill(trained.model, validation_data) > 0


def test_the_same_seed_gives_the_same_model(
    new_model: Callable[[], Any], train_data: Dataset, validation_data: Dataset, fit_some: Callable[..., np.ndarray]
) -> None:
    first, second = (fit_some(new_model(), train_data, validation_data) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_it_beats_the_baseline_by_the_margin(judged: Evaluation, settings: Settings) -> None:
    assert judged.skill >= settings.gate.min_skill


def test_it_holds_on_slices(judged: Evaluation, settings: Settings) -> None:
    assert judged.failed_slices(settings.gate) == {}


def test_the_same_model_again_is_as_good_as_the_one_in_use(
    prepared: Prepared, trained: Trained, settings: Settings, outcome: TrainingResult, predictor: Predictor
) -> None:
    again = compare_with_champion(predictor, trained.evaluation, prepared, settings, outcome.folder.parents[1])
    assert again is not None
    assert again.skipped_because is None
    assert again.loss_increase == pytest.approx(0, abs=1e-3)


def test_no_record_group_or_time_stands_on_two_sides(prepared: Prepared, settings: Settings) -> None:
    split = settings.data.split
    by = [(name,) for name in (split.group, split.time) if name]
    for columns in [*prepared.table.disjoint, *by]:
        parts = [part[[*columns]].dropna(how="all").astype("object") for part in prepared.table.frames.values()]
        sides = [set(part.where(part.notna(), None).itertuples(index=False, name=None)) for part in parts]
        assert sum(len(side) for side in sides) == len(set.union(*sides))


def test_where_time_counts_the_model_is_judged_on_later_rows_than_it_learnt_from(
    prepared: Prepared, settings: Settings
) -> None:
    if time := settings.data.split.time:
        times = [moments_of(part[time]) for part in prepared.table.frames.values()]
        assert times[0].max() < times[1].min()
        assert times[1].max() < times[2].min()


def test_each_row_of_the_table_is_in_one_part(prepared: Prepared, table: Any) -> None:
    assert sorted(row for part in prepared.table.all_frames.values() for row in part.index) == list(table.index)
