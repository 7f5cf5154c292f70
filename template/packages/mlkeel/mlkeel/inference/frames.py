"""Answers as a table."""

import pandas as pd

from mlkeel.tasks.answers import AnswerKind, Answers


def told(kind: AnswerKind, found: Answers, names: tuple[str, ...], target: str, index: "pd.Index[int]") -> pd.DataFrame:
    """What a model `found` for n rows, shape (n, answers), as a table under `index`."""
    columns = kind.columns(found, names, target)
    table = pd.DataFrame({name: pd.Series(values, index=index) for name, values in columns.items()}, index=index)
    return table.astype({name: "str" for name, values in columns.items() if values.dtype == object})
