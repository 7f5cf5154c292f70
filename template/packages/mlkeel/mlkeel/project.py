"""What a project is made of, and what one training of it is given and gives.

A project is handed over by whoever starts the command line or the tests: nothing is discovered or imported by name.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from mlkeel.config import Settings
from mlkeel.contract.suites import Contract
from mlkeel.data.split import Split
from mlkeel.features.encoder import Features, Matrix
from mlkeel.models.model import Model, Shape
from mlkeel.tasks.answers import Answers, Truth
from mlkeel.tasks.evaluation import Evaluation
from mlkeel.tasks.metrics import Metric
from mlkeel.tasks.task import Task

if TYPE_CHECKING:
    import pandas as pd

Load = Callable[[Path, Contract], "pd.DataFrame"]
Build = Callable[[dict[str, Any], Shape, int], Any]


@dataclass(frozen=True)
class Prepared:
    """A table that meets the contract, dealt into parts and encoded; features (n, width), truth (n,) per part.

    `answers` are the names of what a model answers, and `digest` is the SHA-256 of the file that the table is from.
    """

    table: Split
    features: dict[str, Matrix]
    truth: dict[str, Truth]
    contract: Contract
    answers: tuple[str, ...]
    digest: str


@dataclass(frozen=True)
class Trained:
    """A model, the validation loss of each step, and its evaluation on the test part."""

    model: Model
    losses: list[float]
    evaluation: Evaluation


@dataclass(frozen=True)
class Outcome:
    """The version's folder, its evaluation, why it was not put in use, if it was not, and how it did beside another."""

    folder: Path
    evaluation: Evaluation
    shortcomings: list[str]
    compared: str | None = None


class Publish(Protocol):
    """What becomes of a trained model: a version in use, a draft of a gate, or nothing but its scores."""

    def __call__(self, prepared: Prepared, trained: Trained) -> Outcome:
        """Take what was trained."""


def publish_nothing(prepared: Prepared, trained: Trained) -> Outcome:  # noqa: ARG001 - it has that form
    """Keep nothing of what was trained."""
    return Outcome(Path(), trained.evaluation, [])


@dataclass(frozen=True)
class Run:
    """One training: by which settings and contract, in which folder, and what becomes of it.

    A `model` that is trained already is evaluated only, on the rows that it would be evaluated on after a training. A
    training that dies goes on from its `checkpoint`.
    """

    root: Path
    settings: Settings
    contract: Contract
    publish: Publish = publish_nothing
    checkpoint: Path | None = None
    model: Model | None = None

    @property
    def path(self) -> Path:
        """The file that the table is from."""
        return self.root / self.settings.data.path

    @property
    def target(self) -> str:
        """The column to predict."""
        return self.settings.data.target


Train = Callable[["Project", Run], Outcome]


@dataclass(frozen=True)
class Project:
    """What a project is made of: its command line, its tests and its reports are built from it.

    Args:
        package: the name of its Python package.
        task: what it is asked to predict.
        load: gives the table, from the path in `conf/params.yaml` and the contract that says how to read it.
        features: which columns it learns from.
        build: makes an untrained model from its settings, the shape of its inputs and answers, and a seed.
        train: the flow of a training, and the only one.
        metrics: how good is good; slices are judged by the first, models by the primary one.
        figures: what the report draws besides: functions of answers (n, answers), truth (n,), their names, the target.
        commands: functions that become commands, as Typer has them.
        settings: what `conf/params.yaml` holds, with sections of its own.
    """

    package: str
    task: Task
    load: Load
    features: Features
    build: Build
    train: Train
    metrics: tuple[Metric, ...]
    figures: tuple[Callable[[Answers, Truth, tuple[str, ...], str], Any], ...] = ()
    commands: tuple[Callable[..., None], ...] = ()
    settings: type[Settings] = Settings
