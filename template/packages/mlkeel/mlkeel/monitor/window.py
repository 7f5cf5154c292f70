"""The rows that a run of the monitor looks at: what was recorded of late, or a table in a file."""

import gc
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from pydantic_core import from_json

from mlkeel.contract.suites import COLUMNS, Contract, Suite
from mlkeel.contract.validate import check
from mlkeel.data.tables import conform, load, text_type, with_columns
from mlkeel.inference.frames import told
from mlkeel.inference.predictor import Predictor
from mlkeel.tasks.answers import Answers

if TYPE_CHECKING:
    import pandas as pd

    from mlkeel.store.store import Recorded, Refused


@dataclass(frozen=True)
class Window:
    """Rows of late: `table`, shape (n, columns), holds their features, what was predicted and, if known, the truth.

    `answers`, shape (n, answers), are those of the model in use; there are none where a table breaks its contract.
    `milliseconds`, `since` and `until` (epoch), and what was `refused` meanwhile, are known of records only.
    """

    source: str
    table: "pd.DataFrame"
    contract: Suite  # what it is held against
    answers: Answers | None = None
    milliseconds: npt.NDArray[np.float64] | None = None
    since: float | None = None
    until: float | None = None
    refused: "Refused | None" = None


def of_file(path: Path, predictor: Predictor) -> Window:
    """The rows of a CSV file, answered by `predictor` if they meet its contract.

    Raises:
        DataError: it cannot be read.
    """
    table, suite = load(path, predictor.contract), predictor.contract.features
    if any(finding.critical and not finding.passed for finding in check(table, suite)):
        return Window(str(path), table, suite)
    answers = predictor.predict(table)
    return Window(str(path), _with_predictions(table, answers, predictor), suite, answers)


def of_records(records: "Iterable[Recorded]", predictor: Predictor, private: set[str]) -> Window:
    """What the API recorded, a piece at a time; columns in `private` were not recorded as they were."""
    import pandas as pd

    contract, parts, said, given = predictor.contract, list["pd.DataFrame"](), list[Answers](), list[Any]()
    names = [column.name for column in contract.columns if column.name not in private]
    times, milliseconds = list[float](), list[float]()
    gc.disable()  # of so many rows none refers to itself, and to look for it takes a seventh of the time
    try:
        for record in records:
            rows = _parsed(record.features)
            parts.append(_table({name: [row.get(name) for row in rows] for name in names}, contract))
            said.append(predictor.kind.heard(_parsed(record.output), predictor.answers))
            given += [None if truth is None else json.loads(truth) for truth in record.truth]
            times += record.time
            milliseconds += record.milliseconds
    finally:
        gc.enable()
    table = pd.concat(parts, ignore_index=True) if parts else _table({name: [] for name in names}, contract)
    if any(truth is not None for truth in given):
        truth = _table({predictor.target: given}, contract)
        table = with_columns(table, {predictor.target: truth[predictor.target]})
    answers = np.concatenate(said) if said else predictor.kind.heard([], predictor.answers)
    known = _with_predictions(table, answers, predictor)
    since, until, suite = min(times, default=None), max(times, default=None), _without(contract.features, private)
    return Window("records", known, suite, answers, np.array(milliseconds), since, until)


def _parsed(objects: list[str]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = from_json(f"[{','.join(objects)}]")
    return found


def _table(columns: dict[str, list[Any]], contract: Contract) -> "pd.DataFrame":
    """Columns of JSON's values, in the types of `contract`."""
    import pandas as pd

    types: dict[str, Any] = {name: text_type() if contract.types[name] == "str" else None for name in columns}
    return conform(pd.DataFrame({name: pd.Series(columns[name], dtype=types[name]) for name in columns}), contract)


def _with_predictions(table: "pd.DataFrame", answers: Answers, predictor: Predictor) -> "pd.DataFrame":
    """`table` with what was predicted; a file that `make predict` wrote has such columns already."""
    predicted = told(predictor.kind, answers, predictor.answers, predictor.target, table.index)
    return with_columns(table, {str(predicted.columns[0]): predicted.iloc[:, 0]})


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
