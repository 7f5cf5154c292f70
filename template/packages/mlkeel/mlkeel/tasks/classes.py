"""What is predicted: one of the classes that the contract lists for the target.

A model answers with the probability of each class.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from mlkeel.contract.suites import Contract, Expectation
from mlkeel.errors import DataError
from mlkeel.tasks.answers import Answers, Truth

if TYPE_CHECKING:
    import pandas as pd

TYPE = "str"  # of the column, in the contract


def answers(contract: Contract, target: str) -> tuple[str, ...]:
    """The names of what a model answers, in the order of its columns: the classes."""
    return contract.categories(target)


def encode(values: "pd.Series[str]", contract: Contract) -> Truth:
    """The classes of n rows as their positions in the contract, shape (n,)."""
    codes = {name: code for code, name in enumerate(contract.categories(str(values.name)))}
    return np.array([codes[value] for value in values], dtype=np.int64)


def truths(contract: Contract, target: str) -> list[Expectation]:
    """What a truth told about an answer must be: one of the classes, since no other has a probability."""
    classes = list(contract.categories(target))
    return [{"type": "expect_column_values_to_be_in_set", "kwargs": {"column": target, "value_set": classes}}]


def size(_truth: Truth) -> float:
    """What a difference of two answers is measured by: probabilities need no measure."""
    return 1.0


def loss_without_features(truth: Truth) -> float:
    """The loss, in nats, of the answer that only knows how often each class occurs among n rows."""
    shares = np.unique(truth, return_counts=True)[1] / len(truth)
    return float(-(shares * np.log(shares)).sum())


def titles(names: tuple[str, ...], target: str) -> list[str]:
    """What the columns are called that a prediction adds to a table."""
    return [f"predicted_{target}", *(f"probability_{name}" for name in names)]


def columns(found: Answers, names: tuple[str, ...], target: str) -> dict[str, npt.NDArray[Any]]:
    """What a model `found` for n rows, shape (n, classes): the likeliest class, and all probabilities, by column."""
    likeliest = np.array(names, dtype=object)[found.argmax(axis=1)]
    return dict(zip(titles(names, target), (likeliest, *found.T), strict=True))


def answered(probabilities: list[float], names: tuple[str, ...]) -> dict[str, Any]:
    """What a model found for one row, as the API says it: the likeliest class, and the probability of each."""
    likeliest = names[probabilities.index(max(probabilities))]
    return {"predicted": likeliest, "probabilities": dict(zip(names, probabilities, strict=True))}


def heard(said: Sequence[Mapping[str, Any]], names: tuple[str, ...]) -> Answers:
    """What a model found for n rows, shape (n, classes), from what `answered` made of it."""
    found = [np.fromiter((one["probabilities"][name] for one in said), np.float64, len(said)) for name in names]
    return np.column_stack(found)


def answer_schema(names: tuple[str, ...]) -> dict[str, Any]:
    """The JSON schema of the answer for one row."""
    share = {"type": "number", "minimum": 0, "maximum": 1}
    return {
        "title": "Answer",
        "type": "object",
        "properties": {
            "predicted": {"enum": list(names), "description": "The likeliest class."},
            "probabilities": {
                "type": "object",
                "properties": dict.fromkeys(names, share),
                "required": list(names),
                "additionalProperties": False,
            },
        },
        "required": ["predicted", "probabilities"],
    }


def sound(found: Answers) -> bool:
    """Whether answers of shape (n, classes) are probabilities that sum to one."""
    return bool((found >= 0).all() and np.allclose(found.sum(axis=1), 1, atol=1e-3))


def described(contract: Contract, target: str) -> str:
    """What the model card says of the answer."""
    return f"as one of {', '.join(contract.categories(target))}"


def promised(contract: Contract, target: str, shown: Callable[[str], str]) -> str:
    """What the README says that the project does; `shown` writes a name so that it cannot end a piece of code."""
    classes = [shown(name) for name in contract.categories(target)]
    said = ", ".join(classes[:6]) + (", …" if len(classes) > 6 else "")
    return f"tells `{shown(target)}` ({said})"


def refuse_what_cannot_be_learnt(table: "pd.DataFrame", target: str, source: Path) -> None:
    """Look at the target column of `table` before the contract does, since its faults have remedies of their own.

    Raises:
        DataError: it has one class only.
    """
    if table[target].nunique() == 1:
        only = table[target].iloc[0]
        raise DataError(
            f'{source}: the target column "{target}" has one class only ("{only}", {len(table):,} rows). '
            "A classifier needs at least two. Check the filter that made this file, or choose another column as "
            "data.target in conf/params.yaml."
        )


def refuse_what_was_not_dealt(seen: Truth, contract: Contract, target: str, source: Path) -> None:
    """Look at the truth of the training part, shape (n,).

    Raises:
        DataError: it lacks a class.
    """
    present = set(np.unique(seen).tolist())
    if unseen := [name for code, name in enumerate(contract.categories(target)) if code not in present]:
        raise DataError(
            f"{source}: the training part has no row of the class {', '.join(unseen)}. Such a rare class cannot be "
            "learnt: add rows of it, or take it out of the table and of expectations/dataset.json."
        )
