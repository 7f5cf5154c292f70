"""Outputs of a model: the probability of each class, or a number with its interval.

The contract decides: a target with a set of values has classes, any other a number. The modules of outputs import
neither pandas nor scikit-learn, so that a request needs neither.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from mlkeel.contract.suites import Contract, Expectation

if TYPE_CHECKING:
    import pandas as pd

Outputs = npt.NDArray[np.floating]  # shape (n, outputs), of n rows
Targets = npt.NDArray[Any]  # shape (n,): classes as their positions in the contract, or numbers


class OutputType(Protocol):
    """How to name, encode, write, read and check outputs; implemented by modules."""

    TYPE: str  # of the target's column, in the contract

    def output_names(self, contract: Contract, target: str, /) -> tuple[str, ...]:
        """Return the names of the outputs, in the order of their columns."""

    def encode(self, values: "pd.Series[Any]", contract: Contract, /) -> Targets:
        """Encode the target of n rows, shape (n,)."""

    def target_expectations(self, contract: Contract, target: str, /) -> list[Expectation]:
        """Return the expectations on feedback, besides its type."""

    def target_scale(self, y_true: Targets, /) -> float:
        """Return the unit of differences of outputs."""

    def output_columns(self, names: tuple[str, ...], target: str, /) -> list[str]:
        """Return the names of the columns that predictions add to a table."""

    def to_columns(
        self, outputs: Outputs, names: tuple[str, ...], target: str, decided: Targets | None = None, /
    ) -> dict[str, npt.NDArray[Any]]:
        """Convert the outputs of n rows to columns of a table; `decided` are the positions of classes, shape (n,)."""

    def to_json(self, row: list[float], names: tuple[str, ...], decided: int | None = None, /) -> dict[str, Any]:
        """Return the prediction of one row in a response; `decided` is the position of a class."""

    def from_json(self, predictions: Sequence[Mapping[str, Any]], names: tuple[str, ...], /) -> Outputs:
        """Read the outputs of n rows, shape (n, outputs), from the predictions that `to_json` returned."""

    def output_schema(self, names: tuple[str, ...], /) -> dict[str, Any]:
        """Return the JSON schema of the prediction of one row."""

    def is_valid(self, outputs: Outputs, /) -> bool:
        """Return whether outputs are valid, such as probabilities that sum to 1."""

    def output_sentence(self, contract: Contract, target: str, /) -> str:
        """Describe the outputs in words, for the model card."""

    def task_sentence(self, contract: Contract, target: str, quote: Callable[[str], str], /) -> str:
        """Describe what the project predicts, the target as a code span; `quote` escapes the names of classes."""

    def check_target(self, table: "pd.DataFrame", target: str, source: Path, /) -> None:
        """Check that the target of a table varies.

        Raises:
            DataError: the target is the same in all rows.
        """

    def check_train_targets(self, y_true: Targets, contract: Contract, target: str, source: Path, /) -> None:
        """Check that the target of the training rows is enough to train on.

        Raises:
            DataError: a class has no training row, or the target is the same in all of them.
        """
