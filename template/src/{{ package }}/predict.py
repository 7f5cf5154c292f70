"""Predict from an artifact with onnxruntime: no training framework, and no pandas but for files."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from .artifact import ArtifactError, whole_file
from .contract import Contract, read_contract
from .data import DataError, load
from .features import Encoder, Matrix, Rows
from .settings import read_settings
from .target import answers, told
from .validate import enforce

if TYPE_CHECKING:
    import pandas as pd


AT_ONCE = 1024  # rows, so that a large table needs no large memory


class Graph:
    """An ONNX graph, opened; several threads may run it at once."""

    def __init__(self, content: bytes, source: str) -> None:
        """Open `content`, which came from `source`.

        Raises:
            ArtifactError: the graph is damaged.
        """
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime's own errors share no base but Exception
            reason = str(error).splitlines()[0]
            raise ArtifactError(f"{source} cannot be loaded ({reason}). Make a new one with: make train") from error

    @property
    def width(self) -> int:
        """How many features it takes."""
        return int(self._session.get_inputs()[0].shape[1])

    def run(self, features: Matrix) -> Matrix:
        """From encoded features, shape (n, width), to answers, shape (n, answers)."""
        parts = [features[start : start + AT_ONCE] for start in range(0, len(features), AT_ONCE)] or [features]
        answers: list[Matrix] = [self._session.run(["answers"], {"features": part})[0] for part in parts]
        return answers[0] if len(answers) == 1 else np.concatenate(answers)


class Predictor:
    """A loaded artifact. It takes rows that satisfy its contract; `predict_file` checks that, the rest trusts it."""

    def __init__(self, graph: Graph, contract: Contract, target: str) -> None:
        self.graph = graph
        self.contract = contract
        self.target = target
        self.answers = answers(contract, target)
        self._encoder = Encoder(contract)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Load the artifact in `folder`.

        Raises:
            ArtifactError: its graph cannot be loaded, or takes other features than its contract names.
        """
        path = folder / "model.onnx"
        graph, contract = Graph(path.read_bytes(), str(path)), read_contract(folder)
        predictor = cls(graph, contract, read_settings(folder / "params.yaml").data.target)
        if graph.width != predictor.width:
            raise ArtifactError(
                f"{path} takes {graph.width} features, and the contract beside it has {predictor.width}. "
                "Make a new one with: make train"
            )
        return predictor

    @property
    def width(self) -> int:
        """How many features a row has when it is encoded."""
        return self._encoder.width

    def predict(self, rows: Rows) -> Matrix:
        """Answers of shape (n, answers) for n rows, in the order of `answers`."""
        return self.graph.run(self._encoder.encode(rows))

    def predict_row(self, row: Mapping[str, Any]) -> dict[str, float]:
        """Each answer for one row, by its name."""
        found = self.predict({name: (value,) for name, value in row.items()})[0]
        return dict(zip(self.answers, found.tolist(), strict=True))

    def predict_table(self, table: "pd.DataFrame") -> "pd.DataFrame":
        """What is predicted for each row of `table`, under its index; `target.py` says in which columns."""
        return told(self.predict(table), self.answers, self.target, table.index)


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
        raise DataError(f"{goal}: the answers are written as CSV. Choose an OUT= that ends in .csv.")
    if goal.resolve() == source.resolve():
        raise DataError(f"{goal}: the answers would overwrite the rows that they are for. Choose another OUT=.")
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
    answer = pd.concat([written, predictor.predict_table(table)], axis=1)
    try:
        goal.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(goal) as file:
            answer.to_csv(file, index=False, lineterminator="\n")
    except OSError as error:
        raise DataError(f"{goal}: cannot be written ({error.strerror}). Choose another place with OUT=.") from error
    return answer
