"""Outputs of a classifier: the probability of each class that the contract lists for the target."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from mlkeel.contract import markdown
from mlkeel.contract.suites import Contract, Expectation
from mlkeel.errors import DataError
from mlkeel.tasks.outputs import Outputs, Targets

if TYPE_CHECKING:
    import pandas as pd

TYPE = "str"  # of the target, in the contract


def output_names(contract: Contract, target: str) -> tuple[str, ...]:
    """Return the classes, in the order of the columns of the outputs."""
    return contract.categories(target)


def encode(values: "pd.Series[str]", contract: Contract) -> Targets:
    """Encode the classes of n rows as their positions in the contract, shape (n,)."""
    codes = {name: code for code, name in enumerate(contract.categories(str(values.name)))}
    return np.array([codes[value] for value in values], dtype=np.int64)


def target_expectations(contract: Contract, target: str) -> list[Expectation]:
    """Return the expectations on feedback: it must be one of the classes, since no other has a probability."""
    classes = list(contract.categories(target))
    return [{"type": "expect_column_values_to_be_in_set", "kwargs": {"column": target, "value_set": classes}}]


def target_scale(_y_true: Targets) -> float:
    """Return the unit of differences of outputs: 1, since probabilities have none."""
    return 1.0


def loss_without_features(y_true: Targets) -> float:
    """Return the log loss, in nats, of predicting the frequencies of the classes for each of n rows."""
    shares = np.unique(y_true, return_counts=True)[1] / len(y_true)
    return float(-(shares * np.log(shares)).sum())


def output_columns(names: tuple[str, ...], target: str) -> list[str]:
    """Return the names of the columns that predictions add to a table."""
    return [f"predicted_{target}", *(f"probability_{name}" for name in names)]


def to_columns(
    outputs: Outputs, names: tuple[str, ...], target: str, decided: Targets | None = None
) -> dict[str, npt.NDArray[Any]]:
    """Convert probabilities of n rows, shape (n, classes), to columns: the predicted class, then each probability.

    `decided` are the positions of the predicted classes, shape (n,); by default, of the likeliest ones.
    """
    predicted = np.array(names, dtype=object)[outputs.argmax(axis=1) if decided is None else decided]
    return dict(zip(output_columns(names, target), (predicted, *outputs.T), strict=True))


def to_json(probabilities: list[float], names: tuple[str, ...], decided: int | None = None) -> dict[str, Any]:
    """Return the prediction of one row in a response: the predicted class, and the probability of each.

    `decided` is the position of the predicted class; by default, of the likeliest one.
    """
    predicted = names[probabilities.index(max(probabilities)) if decided is None else decided]
    return {"predicted": predicted, "probabilities": dict(zip(names, probabilities, strict=True))}


def from_json(predictions: Sequence[Mapping[str, Any]], names: tuple[str, ...]) -> Outputs:
    """Read the probabilities of n rows, shape (n, classes), from the predictions that `to_json` returned."""
    rows = len(predictions)
    return np.column_stack(
        [np.fromiter((item["probabilities"][name] for item in predictions), np.float64, rows) for name in names]
    )


def output_schema(names: tuple[str, ...]) -> dict[str, Any]:
    """Return the JSON schema of the prediction of one row."""
    share = {"type": "number", "minimum": 0, "maximum": 1}
    return {
        "title": "Answer",
        "type": "object",
        "properties": {
            "predicted": {"enum": list(names), "description": "The class that is decided on."},
            "probabilities": {
                "type": "object",
                "properties": dict.fromkeys(names, share),
                "required": list(names),
                "additionalProperties": False,
            },
        },
        "required": ["predicted", "probabilities"],
    }


def is_valid(outputs: Outputs) -> bool:
    """Return whether outputs, shape (n, classes), are probabilities that sum to 1."""
    return bool((outputs >= 0).all() and np.allclose(outputs.sum(axis=1), 1, atol=1e-3))


def output_sentence(contract: Contract, target: str) -> str:
    """Describe the outputs in words, for the model card."""
    return f"as one of {', '.join(map(markdown.text, contract.categories(target)))}"


def task_sentence(contract: Contract, target: str, quote: Callable[[str], str]) -> str:
    """Describe what the project predicts, the target as a code span; `quote` escapes the names of classes."""
    classes = [quote(name) for name in contract.categories(target)]
    first = ", ".join(classes[:6]) + (", …" if len(classes) > 6 else "")
    return f"predicts {markdown.code(target)} ({first})"


def check_target(table: "pd.DataFrame", target: str, source: Path) -> None:
    """Check that the target has several classes, before the contract is checked, whose message would not help.

    Raises:
        DataError: the target has one class only.
    """
    if table[target].nunique() == 1:
        label = table[target].iloc[0]
        raise DataError(
            f'{source}: the target column "{target}" has one class only ("{label}", {len(table):,} rows). '
            "A classifier needs at least two. Check the filter that made this file, or choose another column as "
            "data.target in conf/params.yaml."
        )


def check_train_targets(y_true: Targets, contract: Contract, target: str, source: Path) -> None:
    """Check that each class has a training row; `y_true` is the target of these, shape (n,).

    Raises:
        DataError: a class has none.
    """
    present = set(np.unique(y_true).tolist())
    if missing := [name for code, name in enumerate(contract.categories(target)) if code not in present]:
        raise DataError(
            f"{source}: the training split has no row of the class {', '.join(missing)}. Such a rare class cannot be "
            "learnt: add rows of it, or take it out of the table and of expectations/dataset.json."
        )
