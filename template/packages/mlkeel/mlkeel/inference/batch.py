"""Predict the rows of a table."""

from pathlib import Path
from typing import TYPE_CHECKING

from mlkeel.contract.validate import enforce
from mlkeel.data.tables import load
from mlkeel.errors import DataError, Hint
from mlkeel.files import atomic_write
from mlkeel.inference.frames import to_frame, with_derived
from mlkeel.inference.predictor import Predictor

if TYPE_CHECKING:
    import pandas as pd


def predict_table(predictor: Predictor, table: "pd.DataFrame") -> "pd.DataFrame":
    """Return the predictions for `table`, shape (n, columns), under its index."""
    outputs = predictor.predict(table)
    decided = predictor.decided(outputs)
    return to_frame(predictor.output_type, outputs, predictor.output_names, predictor.target, table.index, decided)


def predict_file(predictor: Predictor, source: Path, goal: Path) -> "pd.DataFrame":
    """Predict the table at `source`, and write its rows with the predictions to `goal`, whole or not at all.

    All columns are written unchanged. Columns of the training table that are no features are allowed and ignored.

    Raises:
        DataError: `source` cannot be read or has a column that is not in the contract; `goal` is the same file, is no
            CSV file or cannot be written.
        ContractError: a row violates the contract.
    """
    import pandas as pd

    if goal.suffix != ".csv":
        raise DataError(f"{goal}: the answers are written as CSV, so its name must end in .csv.", Hint.OTHER_GOAL)
    if goal.resolve() == source.resolve():
        raise DataError(f"{goal}: the answers would overwrite the rows that they are for.", Hint.OTHER_GOAL)
    table = load(source, predictor.contract)
    known_columns = set(predictor.contract.all_columns)
    if unknown := [name for name in table.columns if name not in known_columns]:
        names = ", ".join(f'"{name}"' for name in unknown)
        raise DataError(
            f"{source}: the column {names} is not in the contract. Remove it, or correct its name; "
            f"known are: {', '.join(sorted(known_columns))}."
        )
    enforce(table, predictor.contract.features, source)
    if predictor.contract.derived:
        enforce(with_derived(table, predictor.encoder), predictor.contract.derived, source)
    unparsed = pd.read_csv(source, dtype="str", keep_default_na=False, encoding="utf-8-sig")
    result = pd.concat([unparsed, predict_table(predictor, table)], axis=1)
    try:
        goal.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(goal) as file:
            result.to_csv(file, index=False, lineterminator="\n")
    except OSError as error:
        raise DataError(f"{goal}: cannot be written ({error.strerror}).", Hint.OTHER_GOAL) from error
    return result
