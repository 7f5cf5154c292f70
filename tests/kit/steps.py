"""Pieces of the flow of a training, for tests that need less than all of it."""

from pathlib import Path

from mlkeel.behavior.cases import Case
from mlkeel.config import Settings
from mlkeel.contract.suites import Contract
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
