"""Answer rows with an artifact: neither a training framework nor pandas is needed."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from mlkeel.config import read_kept_settings
from mlkeel.contract.suites import Contract, read_contract
from mlkeel.errors import ArtifactError, Hint
from mlkeel.features.encoder import Matrix, Rows, encoder_of
from mlkeel.inference.graph import Graph
from mlkeel.tasks.kinds import kind_of


class Predictor:
    """A loaded artifact. It takes rows that satisfy its contract; `predict_file` checks that, the rest trusts it."""

    def __init__(self, graph: Graph, contract: Contract, target: str) -> None:
        self.graph = graph
        self.contract = contract
        self.target = target
        self.kind = kind_of(contract, target)
        self.answers = self.kind.answers(contract, target)
        self._encoder = encoder_of(contract)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Load the artifact in `folder`.

        Raises:
            ArtifactError: its graph cannot be loaded, or takes other features than its contract names.
        """
        path = folder / "model.onnx"
        graph, contract = Graph(path.read_bytes(), str(path)), read_contract(folder)
        predictor = cls(graph, contract, read_kept_settings(folder).data.target)
        if graph.width != predictor.width:
            raise ArtifactError(
                f"{path} takes {graph.width} features, and the contract beside it has {predictor.width}.",
                Hint.TRAIN,
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
