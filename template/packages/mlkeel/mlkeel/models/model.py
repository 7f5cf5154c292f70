"""What a model has to do to be trained, evaluated and exported."""

from dataclasses import dataclass
from typing import Protocol, TypeGuard

from mlkeel.contract.suites import Column
from mlkeel.features.encoder import Matrix
from mlkeel.progress import Watch
from mlkeel.tasks.answers import Answers, Truth

Part = tuple[Matrix, Truth]


@dataclass(frozen=True)
class Shape:
    """What goes into a model and what comes out: the columns of a matrix, and how many numbers answer a row."""

    columns: tuple[Column, ...]
    answers: int


class Model(Protocol):
    """Anything that learns from matrices of shape (n, width), and answers with matrices of shape (n, answers)."""

    def fit(self, train: Part, validation: Part, watch: Watch) -> list[float]:
        """Learn from the training part, stop by the validation part, and give the validation loss of each step."""

    def predict(self, features: Matrix) -> Answers:
        """Answers of shape (n, answers)."""

    def to_onnx(self) -> bytes:
        """Export as an ONNX graph: `features` (n, width) to `answers` (n, answers)."""


class Steps(Protocol):
    """A model that learns step by step, so that one can watch it learn."""

    @property
    def longest(self) -> int:
        """How many steps `fit` takes at most."""

    def step(self, features: Matrix, truth: Truth) -> float:
        """Take one step on a batch and return the loss after it."""

    def loss(self, features: Matrix, truth: Truth) -> float:
        """How far the answers are from the truth."""


def has_steps(model: object) -> TypeGuard[Steps]:
    """Whether a model learns step by step; one that passes on to another counts as that one."""
    return all(hasattr(model, name) for name in ("longest", "step", "loss"))
