"""Predict rows with a version; neither a training framework nor pandas is needed."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np

from mlkeel.config import read_version_settings
from mlkeel.contract.suites import Contract, read_contract
from mlkeel.errors import ArtifactError, Hint
from mlkeel.features.encoder import PROJECT_KEY, PYTHON_KEY, Encoder, read_layout
from mlkeel.features.graph import Graph, Matrix
from mlkeel.features.layout import Layout, Rows
from mlkeel.features.python_features import PythonFeature, load_python_features
from mlkeel.tasks.decision import DECISION_KEY, Decision, decided_positions
from mlkeel.tasks.output_types import output_type_of
from mlkeel.tasks.outputs import Outputs, Targets


class Predictor:
    """A loaded artifact. Rows must satisfy its contract, which `predict_file` checks and the methods here do not."""

    def __init__(self, graph: Graph, contract: Contract, target: str, python: Sequence[PythonFeature] = ()) -> None:
        self.graph = graph
        self.contract = contract
        self.target = target
        self.output_type = output_type_of(contract, target)
        self.output_names = self.output_type.output_names(contract, target)
        self.encoder = Encoder(graph, python)
        self.decision = _read_decision(graph)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Load the artifact in `folder`.

        Raises:
            ArtifactError: its graph cannot be loaded, has another format, or does not take the columns of its contract;
                or it needs Python features that are not here.
        """
        path = folder / "model.onnx"
        graph = Graph(path.read_bytes(), str(path))
        contract = read_contract(folder)
        about = graph.metadata
        python = load_python_features(read_layout(graph), about.get(PYTHON_KEY, ""), folder, about.get(PROJECT_KEY, ""))
        predictor = cls(graph, contract, read_version_settings(folder).data.target, python)
        if predictor.encoder.layout.raw != Layout.of(contract):
            raise ArtifactError(f"{path} takes other columns than the contract beside it has.", Hint.TRAIN)
        return predictor

    def without_python(self) -> Self:
        """Return a predictor to which all Python features are missing."""
        layout = self.encoder.layout
        encoder = self.encoder.without({*layout.raw_numbers, *layout.texts})
        return type(self)(self.graph, self.contract, self.target, encoder.python)

    def predict(self, rows: Rows) -> Matrix:
        """Return outputs of shape (n, outputs) for n rows, given by their columns, in the order of `output_names`."""
        return self.graph.run_batches(self.encoder.batches(rows), "answers")

    def predict_rows(self, rows: Sequence[Mapping[str, Any]]) -> Matrix:
        """Return outputs of shape (n, outputs) for n mappings of columns to values; a missing value is None."""
        return self.graph.run(self.encoder.pack_rows(rows), "answers")

    def predict_and_derive(self, rows: Sequence[Mapping[str, Any]]) -> tuple[Matrix, list[dict[str, float | None]]]:
        """Return outputs for n rows as `predict_rows` does, and their derived columns; a missing value is None."""
        packed = self.encoder.pack_rows(rows)
        outputs, features = self.graph.run_several(packed, ["answers", "features"])
        columns = {name: values.tolist() for name, values in self.encoder.derived_columns(features).items()}
        derived = [
            {name: None if math.isnan(value) else value for name, value in zip(columns, values, strict=True)}
            for values in zip(*columns.values(), strict=True)
        ]
        return outputs, derived

    def decided(self, outputs: Outputs) -> Targets:
        """Return the positions of the classes that this version decides on, shape (n,), for its outputs of n rows.

        They are those of the most likely classes, unless it has another decision; of a regressor they mean nothing.
        """
        return decided_positions(outputs, self.decision)

    def to_json(self, rows: list[list[float]]) -> list[dict[str, Any]]:
        """Return the predictions of n rows, given by their outputs, as a response holds them."""
        names = self.output_names
        to_json = self.output_type.to_json
        if self.decision is None:
            return [to_json(row, names) for row in rows]
        decided = self.decided(np.array(rows)).tolist()
        return [to_json(row, names, position) for row, position in zip(rows, decided, strict=True)]

    def predict_row(self, row: Mapping[str, Any]) -> dict[str, float]:
        """Return the outputs for one row by their names."""
        outputs = self.predict({name: (value,) for name, value in row.items()})[0]
        return dict(zip(self.output_names, outputs.tolist(), strict=True))


def _read_decision(graph: Graph) -> Decision | None:
    """Read the decision of a version; None if it is the most likely class.

    Raises:
        ArtifactError: it cannot be read.
    """
    text = graph.metadata.get(DECISION_KEY)
    if text is None:
        return None
    try:
        return Decision.from_json(text)
    except (KeyError, TypeError, ValueError) as error:
        raise ArtifactError(f"{graph.source} does not say how it decides on a class.", Hint.TRAIN) from error
