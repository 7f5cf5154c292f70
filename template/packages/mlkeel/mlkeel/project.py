"""What a project is made of, and the inputs and results of a training.

A project is passed to the command line and the tests: nothing is discovered or imported by name.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from mlkeel.config import Settings
from mlkeel.contract.suites import Contract
from mlkeel.data.folds import Fold
from mlkeel.data.split import Split
from mlkeel.features.encoder import Encoder, Features
from mlkeel.features.graph import Matrix
from mlkeel.models.model import Model, Shape
from mlkeel.tasks.comparison import RivalComparison
from mlkeel.tasks.cross_validation import CrossValidation
from mlkeel.tasks.decision import Decision
from mlkeel.tasks.evaluation import Evaluation
from mlkeel.tasks.metrics import Metric
from mlkeel.tasks.outputs import Outputs, Targets
from mlkeel.tasks.task import Task

if TYPE_CHECKING:
    import pandas as pd

Load = Callable[[Path, Contract], "pd.DataFrame"]
Build = Callable[[dict[str, Any], Shape, int], Any]


@dataclass(frozen=True)
class Prepared:
    """A checked table, split and encoded.

    Attributes:
        table: its rows by split.
        encoder: encoded the rows, and stands at the front of the version's graph.
        features: matrices of shape (n, width), by the name of the split.
        targets: of shape (n,), by the name of the split.
        contract: the contract that the table satisfies.
        output_names: the names of the columns of outputs.
        digest: SHA-256 of the file that the table is from.
    """

    table: Split
    encoder: Encoder
    features: dict[str, Matrix]
    targets: dict[str, Targets]
    contract: Contract
    output_names: tuple[str, ...]
    digest: str


@dataclass(frozen=True)
class Trained:
    """A trained model.

    Attributes:
        model: as it will answer.
        losses: its validation loss after each step.
        evaluation: on the test split.
        cross_validation: of models that were trained like it, if there was one.
    """

    model: Model
    losses: list[float]
    evaluation: Evaluation
    cross_validation: CrossValidation | None = None

    @property
    def judged(self) -> Evaluation:
        """The evaluation by which the gate judges: on the rows of all folds if there are any, as they are more."""
        return self.cross_validation.evaluation if self.cross_validation else self.evaluation


@dataclass(frozen=True)
class TrainingResult:
    """The result of a training.

    Attributes:
        folder: the folder of the version.
        evaluation: its evaluation on the test split.
        failures: why it did not become current; empty if it did.
        champion_comparison: how it compares with the version that was current, in a sentence.
        cross_validation: of models that were trained like it, if there was one.
        rival: how it compares with a simpler model.
    """

    folder: Path
    evaluation: Evaluation
    failures: list[str]
    champion_comparison: str | None = None
    cross_validation: CrossValidation | None = None
    rival: RivalComparison | None = None


class Publish(Protocol):
    """What is done with a trained model: make it a version, draft a gate from it, or nothing."""

    def __call__(self, prepared: Prepared, trained: Trained) -> TrainingResult:
        """Publish a trained model."""


def skip_publishing(prepared: Prepared, trained: Trained) -> TrainingResult:  # noqa: ARG001 - the signature of Publish
    """Keep nothing but the evaluation."""
    return TrainingResult(Path(), trained.evaluation, [])


@dataclass(frozen=True)
class Run:
    """The inputs of one training.

    Attributes:
        root: the folder of the project.
        settings: of `conf/params.yaml`.
        contract: what the table must satisfy.
        publish: what is done with the trained model.
        checkpoint: a file from which an interrupted training is resumed.
        model: a trained model, to evaluate without training again.
        encoder: the encoder that this model was trained with.
        fold: of a cross-validation, if this training is one of its.
        decision: how this model decides on a class; None for the most likely one.
        splits: the table as another training has checked and split it, instead of by the settings.
    """

    root: Path
    settings: Settings
    contract: Contract
    publish: Publish = skip_publishing
    checkpoint: Path | None = None
    model: Model | None = None
    encoder: Encoder | None = None
    fold: Fold | None = None
    decision: Decision | None = None
    splits: Split | None = None

    @property
    def path(self) -> Path:
        """The file that the table is from."""
        return self.root / self.settings.data.path

    @property
    def target(self) -> str:
        """The column to predict."""
        return self.settings.data.target


Train = Callable[["Project", Run], TrainingResult]


@dataclass(frozen=True)
class Project:
    """What a project is made of: its command line, its tests and its reports are built from it.

    Args:
        package: the name of its Python package.
        task: classification or regression.
        load: reads the table at the path in `conf/params.yaml`, in the types of the contract.
        features: the roles of the columns that a model learns from.
        build: makes an untrained model from its hyperparameters, its shape and a seed.
        train: the flow of a training; every training of the project runs it.
        metrics: the gate judges slices by the first one, and models by the primary one.
        figures: more figures for the report: functions of outputs (n, outputs), targets (n,), output names and target.
        commands: more commands, as functions that Typer takes.
        settings: the model of `conf/params.yaml`, perhaps with sections of its own.
    """

    package: str
    task: Task
    load: Load
    features: Features
    build: Build
    train: Train
    metrics: tuple[Metric, ...]
    figures: tuple[Callable[[Outputs, Targets, tuple[str, ...], str], Any], ...] = ()
    commands: tuple[Callable[..., None], ...] = ()
    settings: type[Settings] = Settings
