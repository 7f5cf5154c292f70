"""Predict rows with a version; neither a training framework nor pandas is needed."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from mlkeel.config import read_version_settings
from mlkeel.contract.suites import Contract, read_contract
from mlkeel.errors import ArtifactError, Hint
from mlkeel.features.encoder import Matrix, Rows, encoder_of
from mlkeel.inference.graph import Graph
from mlkeel.tasks.output_types import output_type_of


class Predictor:
    """A loaded artifact. Rows must satisfy its contract, which `predict_file` checks and the methods here do not."""

    def __init__(self, graph: Graph, contract: Contract, target: str) -> None:
        self.graph = graph
        self.contract = contract
        self.target = target
        self.output_type = output_type_of(contract, target)
        self.output_names = self.output_type.output_names(contract, target)
        self._encoder = encoder_of(contract)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Load the artifact in `folder`.

        Raises:
            ArtifactError: its graph cannot be loaded, or does not take the features of its contract.
        """
        path = folder / "model.onnx"
        graph = Graph(path.read_bytes(), str(path))
        contract = read_contract(folder)
        predictor = cls(graph, contract, read_version_settings(folder).data.target)
        if graph.width != predictor.width:
            raise ArtifactError(
                f"{path} takes {graph.width} features, and the contract beside it has {predictor.width}.",
                Hint.TRAIN,
            )
        return predictor

    @property
    def width(self) -> int:
        """The number of features of an encoded row."""
        return self._encoder.width

    def predict(self, rows: Rows) -> Matrix:
        """Return outputs of shape (n, outputs) for n rows, in the order of `output_names`."""
        return self.graph.run(self._encoder.encode(rows))

    def predict_row(self, row: Mapping[str, Any]) -> dict[str, float]:
        """Return the outputs for one row by their names."""
        outputs = self.predict({name: (value,) for name, value in row.items()})[0]
        return dict(zip(self.output_names, outputs.tolist(), strict=True))
