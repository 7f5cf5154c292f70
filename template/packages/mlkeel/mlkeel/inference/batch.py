"""Answer the rows of a whole table."""

from pathlib import Path
from typing import TYPE_CHECKING

from mlkeel.contract.validate import enforce
from mlkeel.data.tables import load
from mlkeel.errors import DataError, Hint
from mlkeel.files import whole_file
from mlkeel.inference.frames import told
from mlkeel.inference.predictor import Predictor

if TYPE_CHECKING:
    import pandas as pd


def predict_table(predictor: Predictor, table: "pd.DataFrame") -> "pd.DataFrame":
    """What is predicted for each row of `table`, shape (n, columns), under its index."""
    return told(predictor.kind, predictor.predict(table), predictor.answers, predictor.target, table.index)


def predict_file(predictor: Predictor, source: Path, goal: Path) -> "pd.DataFrame":
    """Predict each row of the table at `source` and write the answers to `goal`, whole or not at all.

    All columns are kept as they were written; those that the training table has besides the features are not looked at.

    Raises:
        DataError: `source` cannot be read or has a column that the contract does not know; `goal` is the same file, is
            no CSV file or cannot be written.
        ContractError: a row breaks the contract.
    """
    import pandas as pd

    if goal.suffix != ".csv":
        raise DataError(f"{goal}: the answers are written as CSV, so its name must end in .csv.", Hint.OTHER_GOAL)
    if goal.resolve() == source.resolve():
        raise DataError(f"{goal}: the answers would overwrite the rows that they are for.", Hint.OTHER_GOAL)
    table = load(source, predictor.contract)
    known = set(predictor.contract.all_columns)
    if unknown := [name for name in table.columns if name not in known]:
        names = ", ".join(f'"{name}"' for name in unknown)
        raise DataError(
            f"{source}: the column {names} is not in the contract. Remove it, or correct its name; "
            f"known are: {', '.join(sorted(known))}."
        )
    enforce(table, predictor.contract.features, source)
    written = pd.read_csv(source, dtype="str", keep_default_na=False, encoding="utf-8-sig")
    answer = pd.concat([written, predict_table(predictor, table)], axis=1)
    try:
        goal.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(goal) as file:
            answer.to_csv(file, index=False, lineterminator="\n")
    except OSError as error:
        raise DataError(f"{goal}: cannot be written ({error.strerror}).", Hint.OTHER_GOAL) from error
    return answer
