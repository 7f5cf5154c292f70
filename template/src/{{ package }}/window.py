"""The rows that a run of the monitor looks at: what was recorded of late, or a table in a file."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from pydantic_core import from_json

from .contract import COLUMNS, Contract, Suite
from .data import conform, load, text_type, with_columns
from .predict import Predictor
from .target import Answers, heard, told
from .validate import check

if TYPE_CHECKING:
    import pandas as pd

    from .store import Recorded, Refused


@dataclass(frozen=True)
class Window:
    """Rows of late: `table`, shape (n, columns), holds their features and, if it is known, the truth.

    `answers`, shape (k, answers), are those of the k rows in `answered` (positions) that the model in use gave; there
    are none where a table breaks its contract. `milliseconds`, `since` and `until` (epoch) are known of records only.
    """

    source: str
    table: "pd.DataFrame"
    contract: Suite  # what it is held against
    answers: Answers | None = None
    answered: npt.NDArray[np.intp] | None = None
    milliseconds: npt.NDArray[np.float64] | None = None
    since: float | None = None
    until: float | None = None
    refused: "Refused | None" = None

    def with_refused(self, refused: "Refused") -> "Window":
        """The same window, with what the contract kept out of it."""
        return replace(self, refused=refused)


def of_file(path: Path, predictor: Predictor) -> Window:
    """The rows of a CSV file, answered by `predictor` if they meet its contract.

    Raises:
        DataError: it cannot be read.
    """
    table, suite = load(path, predictor.contract), predictor.contract.features
    if any(finding.critical and not finding.passed for finding in check(table, suite)):
        return Window(str(path), table, suite)
    answers, every = predictor.predict(table), np.arange(len(table))
    return Window(str(path), _with_predictions(table, answers, every, predictor), suite, answers, every)


def of_records(records: "Iterable[Recorded]", predictor: Predictor, version: str, private: set[str]) -> Window:
    """What the API recorded, a piece at a time; columns in `private` were not recorded as they were."""
    contract, parts, said, given = predictor.contract, list["pd.DataFrame"](), list[Answers](), list[Any]()
    names = [column.name for column in contract.columns if column.name not in private]
    times, milliseconds, versions = list[float](), list[float](), list[str]()
    for record in records:
        rows, outputs = _parsed(record.features), _parsed(record.output)
        parts.append(_table({name: [row.get(name) for row in rows] for name in names}, contract))
        mine = [one for one, by in zip(outputs, record.version, strict=True) if by == version]
        said.append(heard(mine, predictor.answers))
        given += [None if truth is None else json.loads(truth) for truth in record.truth]
        times += record.time
        milliseconds += record.milliseconds
        versions += record.version
    import pandas as pd

    table = pd.concat(parts, ignore_index=True) if parts else _table({name: [] for name in names}, contract)
    if any(truth is not None for truth in given):
        truth = _table({predictor.target: given}, contract)
        table = with_columns(table, {predictor.target: truth[predictor.target]})
    answered = np.flatnonzero(np.array(versions, dtype=object) == version)
    answers = np.concatenate(said) if said else heard([], predictor.answers)
    return Window(
        "records",
        _with_predictions(table, answers, answered, predictor),
        _without(contract.features, private),
        answers,
        answered,
        np.array(milliseconds),
        min(times, default=None),
        max(times, default=None),
    )


def _parsed(objects: list[str]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = from_json(f"[{','.join(objects)}]")
    return found


def _table(columns: dict[str, list[Any]], contract: Contract) -> "pd.DataFrame":
    """Columns of JSON's values, in the types of `contract`."""
    import pandas as pd

    types: dict[str, Any] = {name: text_type() if contract.types[name] == "str" else None for name in columns}
    return conform(pd.DataFrame({name: pd.Series(columns[name], dtype=types[name]) for name in columns}), contract)


def _with_predictions(
    table: "pd.DataFrame", answers: Answers, answered: npt.NDArray[np.intp], predictor: Predictor
) -> "pd.DataFrame":
    predicted = told(answers, predictor.answers, predictor.target, table.index[answered])
    return table.join(predicted.iloc[:, :1])


def _without(suite: Suite, private: set[str]) -> Suite:
    """The rules of a suite that can be asked without the columns in `private`."""
    items = []
    for item in suite["expectations"]:
        if item["type"] == COLUMNS:
            left = [name for name in item["kwargs"]["column_set"] if name not in private]
            items.append(item | {"kwargs": item["kwargs"] | {"column_set": left}})
        elif item["kwargs"].get("column") not in private:
            items.append(item)
    return suite | {"expectations": items}
