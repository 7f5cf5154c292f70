"""Pieces of the flow of a training, for tests that need less than all of it."""

from pathlib import Path
from typing import Any

import numpy as np
from mlkeel.behavior.cases import Case
from mlkeel.config import Settings
from mlkeel.contract.suites import Contract
from mlkeel.features.texts import LONGEST
from mlkeel.progress import Callbacks
from mlkeel.project import Prepared, Project, Run, Trained, TrainingResult
from mlkeel.training.publish import PublishVersion
from mlkeel.training.steps import check, encode, evaluate, split
from mlkeel.training.steps import fit as fit_model

from .kinds import KIND


def prepare(settings: Settings, contract: Contract, root: Path, project: Project = KIND.project) -> Prepared:
    """Load, check, split and encode the table of the project in `root`."""
    run = Run(root, settings, contract)
    table = project.load(run.path, contract)
    check(table, run)
    return encode(split(table, run), project, run)


def fit(prepared: Prepared, settings: Settings, checkpoint: Path | None = None) -> Trained:
    """Fit a model of this kind, and evaluate it."""
    run = Run(Path(), settings, prepared.contract, checkpoint=checkpoint)
    model, losses = fit_model(KIND.project.build, prepared, run)
    return Trained(model, losses, evaluate(model, prepared, KIND.project, run))


def keep(
    prepared: Prepared,
    trained: Trained,
    settings: Settings,
    root: Path,
    cases: dict[str, list[Case]] | None = None,
) -> TrainingResult:
    """Make a version of what was trained."""
    return PublishVersion(root, settings, cases or {})(prepared, trained)


def recall_of_rare(model: Any, class_weight: float) -> float:
    """Fit a model to tables of tokens or numbers where one class of two is rare, and return how much of it it finds."""
    rng = np.random.default_rng(7)
    y_true = (np.arange(600) % 12 == 0).astype(np.int64)
    if KIND.text:
        features = np.full((600, LONGEST), np.nan, dtype=np.float32)
        features[:, :6] = np.where(rng.random((600, 6)) < 0.3 + 0.3 * y_true[:, None], rng.integers(0, 9), 20)
    else:
        features = (rng.normal(size=(600, 1)) + 1.2 * y_true[:, None]).astype(np.float32)
    weight = np.where(y_true == 1, class_weight, 1.0)
    options = {} if class_weight == 1 else {"sample_weight": (weight[:300], weight[300:])}
    datasets = ((features[rows], y_true[rows]) for rows in (slice(300), slice(300, None)))
    model.fit(*datasets, Callbacks(lambda *_: None), **options)
    return float((model.predict(features[y_true == 1]).argmax(axis=1) == 1).mean())
