"""Predict rows with a version; neither a training framework nor pandas is needed."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from mlkeel.config import read_version_settings
from mlkeel.contract.suites import Contract, read_contract
from mlkeel.errors import ArtifactError, Hint
from mlkeel.features.encoder import read_layout
from mlkeel.features.graph import Graph, Matrix
from mlkeel.features.layout import Layout, Rows
from mlkeel.tasks.output_types import output_type_of


class Predictor:
    """A loaded artifact. Rows must satisfy its contract, which `predict_file` checks and the methods here do not."""

    def __init__(self, graph: Graph, contract: Contract, target: str) -> None:
        self.graph = graph
        self.contract = contract
        self.target = target
        self.output_type = output_type_of(contract, target)
        self.output_names = self.output_type.output_names(contract, target)
        self._layout = read_layout(graph)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Load the artifact in `folder`.

        Raises:
            ArtifactError: its graph cannot be loaded, has another format, or does not take the columns of its contract.
        """
        path = folder / "model.onnx"
        graph = Graph(path.read_bytes(), str(path))
        contract = read_contract(folder)
        predictor = cls(graph, contract, read_version_settings(folder).data.target)
        if predictor._layout.raw != Layout.of(contract):
            raise ArtifactError(f"{path} takes other columns than the contract beside it has.", Hint.TRAIN)
        return predictor

    def predict(self, rows: Rows) -> Matrix:
        """Return outputs of shape (n, outputs) for n rows, given by their columns, in the order of `output_names`."""
        return self.graph.run_batches(self._layout.batches(rows), "answers")

    def predict_rows(self, rows: Sequence[Mapping[str, Any]]) -> Matrix:
        """Return outputs of shape (n, outputs) for n mappings of columns to values; a missing value is None."""
        return self.graph.run(self._layout.pack_rows(rows), "answers")

    def predict_row(self, row: Mapping[str, Any]) -> dict[str, float]:
        """Return the outputs for one row by their names."""
        outputs = self.predict({name: (value,) for name, value in row.items()})[0]
        return dict(zip(self.output_names, outputs.tolist(), strict=True))
