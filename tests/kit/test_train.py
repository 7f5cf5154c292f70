import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from mlkeel.config import read_settings
from mlkeel.registry.artifact import current
from mlkeel.registry.metrics_file import MetricsFile
from mlkeel.registry.versions import history
from mlkeel.tasks.metrics import primary
from mlkeel.training import gate
from mlkeel.training.batches import batch_to_overfit
from mlkeel.training.training import train

from .kinds import KIND


def test_an_artifact_keeps_the_settings_and_the_table_that_it_was_trained_with(project: Path) -> None:
    path = project / "conf" / "params.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("seed: 7", "seed: 99"), encoding="utf-8")
    settings = read_settings(path)
    folder = train(KIND.project, project).folder
    assert read_settings(folder / "params.yaml") == settings
    assert settings.seed == 99
    recorded = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))["data"]["sha256"]
    assert [(change.version, change.by) for change in history(project / "artifacts")] == [(folder.name, "train")]
    assert recorded == hashlib.sha256((project / "data" / "fruit.csv").read_bytes()).hexdigest()


def test_a_model_that_is_worse_than_the_current_one_is_kept_beside_it(
    project: Path, trained_project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(trained_project / "artifacts", project / "artifacts")
    champion = current(project / "artifacts")
    scores = MetricsFile.read(champion).model
    metric = primary(KIND.project.metrics)
    comparison = gate.ChampionComparison(champion.name, metric, scores, loss_increase=0.5, loss_increase_se=0.01)
    monkeypatch.setattr(gate, "compare_with_champion", lambda *_: comparison)
    outcome = train(KIND.project, project)
    assert current(project / "artifacts") == champion != outcome.folder
    (failure,) = outcome.failures
    assert "50.0% ± 2.0% more than" in failure
    assert outcome.champion_comparison is not None
    assert "50.0% ± 2.0% more than" in outcome.champion_comparison
    metrics = json.loads((outcome.folder / "metrics.json").read_text(encoding="utf-8"))
    assert (metrics["champion"]["version"], metrics["champion"]["loss_increase"]) == (champion.name, 0.5)
    assert "commit" in metrics
    assert f"It does not pass the gate: {failure}." in (outcome.folder / "MODEL_CARD.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("rare", ["first", "last"])
def test_a_batch_of_few_distinct_rows_holds_each_class(rare: str) -> None:
    """As in a table of passengers, of whom only age and sex are known: the same rows survived and did not."""
    kinds = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], dtype=np.float32)
    features = np.tile(kinds, (100, 1))
    targets = np.zeros(400, dtype=np.int64)
    targets[:3] = targets[200:208] = 1
    if rare == "last":
        features = features[::-1]
        targets = targets[::-1]
    batch, classes = batch_to_overfit(features, targets, 16)
    assert len(np.unique(batch, axis=0)) == len(batch) == len(kinds)
    assert set(classes) == {0, 1}


def test_a_class_with_one_distinct_row_is_in_the_batch_though_a_rarer_one_has_that_row_too() -> None:
    features = np.array([[0], [1], *[[0]] * 10], dtype=np.float32)
    targets = np.array([1, 1, *[0] * 10])
    assert set(batch_to_overfit(features, targets, 16)[1]) == {0, 1}


def test_a_batch_to_overfit_spans_the_range_of_the_target() -> None:
    targets = np.arange(1000)
    _, sampled = batch_to_overfit(np.arange(1000, dtype=np.float32)[:, None], targets, 16)
    assert (len(sampled), sampled.min(), sampled.max()) == (16, 0, 999)
