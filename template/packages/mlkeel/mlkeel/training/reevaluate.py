"""Evaluate a version again: the flow of a training, with a model that is already trained."""

from dataclasses import dataclass, replace
from pathlib import Path

from mlkeel.config import Settings
from mlkeel.errors import InputError
from mlkeel.features.export import model_part
from mlkeel.features.graph import Graph, Matrix
from mlkeel.features.layout import BATCH_ROWS
from mlkeel.inference.predictor import Predictor
from mlkeel.models.model import Dataset, Model
from mlkeel.progress import Callbacks
from mlkeel.project import Prepared, Project, Run, Trained, TrainingResult
from mlkeel.tasks.calibration import Calibration
from mlkeel.tasks.outputs import Outputs
from mlkeel.training.checks import check_contract


@dataclass(frozen=True)
class GraphModel:
    """The part of a version's graph behind its encoder, as a model that is not trained again."""

    graph: Graph
    calibration: Calibration | None = None

    def fit(self, train: Dataset, validation: Dataset, callbacks: Callbacks) -> list[float]:  # noqa: ARG002 - nothing is fitted
        """Do nothing, and return no losses."""
        return []

    def predict(self, features: Matrix) -> Outputs:
        """Return outputs of shape (n, outputs)."""
        batches = (
            {"features": features[start : start + BATCH_ROWS]} for start in range(0, max(len(features), 1), BATCH_ROWS)
        )
        return self.graph.run_batches(batches, "answers")

    def to_onnx(self) -> bytes:
        """Refuse: the graph exists already.

        Raises:
            TypeError: always.
        """
        raise TypeError("a version is not exported again")


def run_flow(project: Project, run: Run) -> tuple[Prepared, Trained]:
    """Run the flow of `project`, and return what it would publish, instead of publishing it.

    Raises:
        DataError: the table cannot be read or learnt from.
        ContractError: the table violates the contract.
    """
    check_contract(project, run.settings, run.contract)
    published: list[tuple[Prepared, Trained]] = []

    def publish(prepared: Prepared, trained: Trained) -> TrainingResult:
        published.append((prepared, trained))
        return TrainingResult(run.root, trained.evaluation, [])

    project.train(project, replace(run, publish=publish))
    if not published:
        raise InputError("train.py: the flow must end with run.publish(...), and it does not call it.")
    return published[-1]


def reevaluate(project: Project, predictor: Predictor, settings: Settings, root: Path) -> tuple[Prepared, Trained]:
    """Evaluate a version on the test split of the current table, by the settings and contract of its training.

    Raises:
        DataError: the table cannot be read or learnt from.
        ContractError: the table violates the contract.
    """
    graph = predictor.graph
    model: Model = GraphModel(Graph(model_part(graph.content), graph.source), Calibration.read(graph.metadata))
    decision = predictor.decision
    return run_flow(
        project, Run(root, settings, predictor.contract, model=model, encoder=predictor.encoder, decision=decision)
    )
