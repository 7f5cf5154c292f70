"""The rows that a run of the monitor checks: recent records of the API, or a table in a file."""

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
from mlkeel.data.tables import coerce_dtypes, load, string_dtype, with_columns
from mlkeel.inference.frames import to_frame, with_derived
from mlkeel.inference.predictor import Predictor
from mlkeel.tasks.outputs import Outputs

if TYPE_CHECKING:
    import pandas as pd

    from mlkeel.store.store import Recorded, RejectedRows


@dataclass(frozen=True)
class Window:
    """Rows to check: `table`, shape (n, columns), holds their features, the predictions and, if known, the target.

    `outputs`, shape (n, outputs), are the outputs of the current version, or None if the table violates the contract.
    `milliseconds`, shape (n,), `since` and `until`, in seconds since 1970, and `rejected` are known of records only.
    """

    source: str
    table: "pd.DataFrame"
    contract: Suite  # that the table is checked against
    outputs: Outputs | None = None
    milliseconds: npt.NDArray[np.float64] | None = None
    since: float | None = None
    until: float | None = None
    rejected: "RejectedRows | None" = None


def of_file(path: Path, predictor: Predictor) -> Window:
    """Return the rows of a CSV file, with the outputs of `predictor` if they meet its contract.

    Raises:
        DataError: it cannot be read.
    """
    table = load(path, predictor.contract)
    contract = predictor.contract
    if any(result.critical and not result.passed for result in check(table, contract.features)):
        return Window(str(path), table, contract.features)
    outputs = predictor.predict(table)
    table = with_derived(_with_predictions(table, outputs, predictor), predictor.encoder)
    return Window(str(path), table, contract.of_any_row, outputs)


def of_records(records: "Iterable[Recorded]", predictor: Predictor, private: set[str]) -> Window:
    """Return the rows that the API recorded, given in batches; columns in `private` were not recorded as they were."""
    import pandas as pd

    contract = predictor.contract
    names = [column.name for column in contract.columns if column.name not in private]
    tables = list["pd.DataFrame"]()
    output_batches = list[Outputs]()
    targets = list[Any]()
    times = list[float]()
    milliseconds = list[float]()
    gc.disable()  # no row is part of a reference cycle, and the search for cycles takes a seventh of the time
    try:
        for batch in records:
            rows = _parse(batch.features)
            tables.append(_table({name: [row.get(name) for row in rows] for name in names}, contract))
            output_batches.append(predictor.output_type.from_json(_parse(batch.output), predictor.output_names))
            targets += [None if target is None else json.loads(target) for target in batch.truth]
            times += batch.time
            milliseconds += batch.milliseconds
    finally:
        gc.enable()
    table = pd.concat(tables, ignore_index=True) if tables else _table({name: [] for name in names}, contract)
    if any(target is not None for target in targets):
        target_table = _table({predictor.target: targets}, contract)
        table = with_columns(table, {predictor.target: target_table[predictor.target]})
    outputs = (
        np.concatenate(output_batches)
        if output_batches
        else predictor.output_type.from_json([], predictor.output_names)
    )
    return Window(
        "records",
        with_derived(_with_predictions(table, outputs, predictor), predictor.encoder),
        _without_columns(contract.of_any_row, private | _derived_from(private, predictor)),
        outputs,
        np.array(milliseconds),
        min(times, default=None),
        max(times, default=None),
    )


def _derived_from(private: set[str], predictor: Predictor) -> set[str]:
    layout = predictor.encoder.layout
    return {name for name, raw in zip(layout.derived, layout.sources, strict=True) if private & set(raw)}


def _parse(objects: list[str]) -> list[dict[str, Any]]:
    parsed: list[dict[str, Any]] = from_json(f"[{','.join(objects)}]")
    return parsed


def _table(columns: dict[str, list[Any]], contract: Contract) -> "pd.DataFrame":
    """Return the table of columns of JSON values, with the types of `contract`."""
    import pandas as pd

    types: dict[str, Any] = {name: string_dtype() if contract.types[name] == "str" else None for name in columns}
    table = pd.DataFrame({name: pd.Series(columns[name], dtype=types[name]) for name in columns})
    return coerce_dtypes(table, contract)


def _with_predictions(table: "pd.DataFrame", outputs: Outputs, predictor: Predictor) -> "pd.DataFrame":
    """Return `table` with the column of predictions, which replaces that of a file written by `make predict`."""
    decided = predictor.decided(outputs)
    predicted = to_frame(predictor.output_type, outputs, predictor.output_names, predictor.target, table.index, decided)
    return with_columns(table, {str(predicted.columns[0]): predicted.iloc[:, 0]})


def _without_columns(suite: Suite, private: set[str]) -> Suite:
    """Return the expectations of `suite` that can be checked without the columns in `private`."""
    items = []
    for item in suite["expectations"]:
        if item["type"] == COLUMNS:
            public = [name for name in item["kwargs"]["column_set"] if name not in private]
            items.append(item | {"kwargs": item["kwargs"] | {"column_set": public}})
        elif item["kwargs"].get("column") not in private:
            items.append(item)
    return suite | {"expectations": items}
