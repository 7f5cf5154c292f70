"""What a model answers: the probability of each class, or a number with its interval.

The contract of the target says which: a set of texts are classes, anything else is a number. What stands here needs
neither pandas nor scikit-learn, so that a request does not either.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from mlkeel.contract.suites import Contract, Expectation

if TYPE_CHECKING:
    import pandas as pd

Answers = npt.NDArray[np.floating]  # shape (n, answers): what a model says of n rows
Truth = npt.NDArray[Any]  # shape (n,): classes as their positions in the contract, or numbers


class AnswerKind(Protocol):
    """What has to be known of answers to give, write, read and check them; a module can be one."""

    TYPE: str  # of the target's column, in the contract

    def answers(self, contract: Contract, target: str, /) -> tuple[str, ...]:
        """The names of what a model answers, in the order of its columns."""

    def encode(self, values: "pd.Series[Any]", contract: Contract, /) -> Truth:
        """The truth of n rows, shape (n,)."""

    def truths(self, contract: Contract, target: str, /) -> list[Expectation]:
        """What a truth told about an answer must be, besides its type."""

    def size(self, truth: Truth, /) -> float:
        """What a difference of two answers is measured by."""

    def titles(self, names: tuple[str, ...], target: str, /) -> list[str]:
        """What the columns are called that a prediction adds to a table."""

    def columns(self, found: Answers, names: tuple[str, ...], target: str, /) -> dict[str, npt.NDArray[Any]]:
        """What a model `found` for n rows, as the columns of a table."""

    def answered(self, numbers: list[float], names: tuple[str, ...], /) -> dict[str, Any]:
        """What a model found for one row, as the API says it."""

    def heard(self, said: Sequence[Mapping[str, Any]], names: tuple[str, ...], /) -> Answers:
        """What a model found for n rows, from what `answered` made of it."""

    def answer_schema(self, names: tuple[str, ...], /) -> dict[str, Any]:
        """The JSON schema of the answer for one row."""

    def sound(self, found: Answers, /) -> bool:
        """Whether answers are possible ones."""

    def described(self, contract: Contract, target: str, /) -> str:
        """What the model card says of the answer."""

    def promised(self, contract: Contract, target: str, shown: Callable[[str], str], /) -> str:
        """What the README says that the project does; `shown` writes a name so that it cannot end a piece of code."""

    def refuse_what_cannot_be_learnt(self, table: "pd.DataFrame", target: str, source: Path, /) -> None:
        """Refuse a table whose target is the same in all rows.

        Raises:
            DataError: it is.
        """

    def refuse_what_was_not_dealt(self, seen: Truth, contract: Contract, target: str, source: Path, /) -> None:
        """Refuse a training part that lacks what cannot be learnt without.

        Raises:
            DataError: it does.
        """
