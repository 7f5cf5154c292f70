"""The interface of a model that can be trained, evaluated and exported to ONNX."""

import inspect
from dataclasses import dataclass
from typing import Protocol, TypeGuard

import numpy as np
import numpy.typing as npt

from mlkeel.contract.suites import Column
from mlkeel.features.graph import Matrix
from mlkeel.progress import Callbacks
from mlkeel.tasks.outputs import Outputs, Targets

Dataset = tuple[Matrix, Targets]
Weights = npt.NDArray[np.float64]  # of rows, shape (n,), each greater than 0
SampleWeight = tuple[Weights, Weights]  # of the training and of the validation rows


@dataclass(frozen=True)
class Shape:
    """The inputs and outputs of a model: the columns of its matrix, and how many outputs a row has."""

    columns: tuple[Column, ...]
    n_outputs: int


class Model(Protocol):
    """Learns from matrices of shape (n, width), and predicts matrices of shape (n, outputs).

    `fit` may take two keywords, each of which is passed only where the settings need it. `sample_weight`, the weights
    of the training and of the validation rows, is for `class_weight` and for a column of the role `weight`. `rounds` is
    for `fit: train_validation`: a second call, to fit anew on all rows for so many steps. The validation rows are among
    these, so what they decided in the first call, such as the width of intervals, stays.
    """

    def fit(self, train: Dataset, validation: Dataset, callbacks: Callbacks) -> list[float]:
        """Fit to the training data, stop by the validation data, and return the validation loss after each step."""

    def predict(self, features: Matrix) -> Outputs:
        """Return outputs of shape (n, outputs)."""

    def to_onnx(self) -> bytes:
        """Export as an ONNX graph: `features` (n, width) to `answers` (n, outputs)."""


class Steps(Protocol):
    """A model that learns in steps, which tests take one by one."""

    @property
    def max_rounds(self) -> int:
        """The most steps that `fit` takes."""

    def step(self, features: Matrix, y_true: Targets) -> float:
        """Take one step on a batch and return the loss after it."""

    def loss(self, features: Matrix, y_true: Targets) -> float:
        """Return the loss on a batch."""


def takes(model: Model, keyword: str) -> bool:
    """Whether `fit` of a model takes this keyword."""
    parameters = inspect.signature(model.fit).parameters
    return keyword in parameters or any(each.kind is each.VAR_KEYWORD for each in parameters.values())


def has_steps(model: object) -> TypeGuard[Steps]:
    """Whether a model learns in steps; a wrapper counts as what it wraps."""
    return all(hasattr(model, name) for name in ("max_rounds", "step", "loss"))


def is_linear(model: object) -> bool:
    """Whether a model says that it is a linear one; of a wrapper, what it wraps does."""
    return bool(getattr(model, "is_linear", False))
