"""Judge a version again: the flow of a training, with a model that is trained already."""

from dataclasses import dataclass, replace
from pathlib import Path

from mlkeel.config import Settings
from mlkeel.errors import InputError
from mlkeel.features.encoder import Matrix
from mlkeel.inference.graph import Graph
from mlkeel.inference.predictor import Predictor
from mlkeel.models.model import Model, Part
from mlkeel.progress import Watch
from mlkeel.project import Outcome, Prepared, Project, Run, Trained
from mlkeel.tasks.answers import Answers
from mlkeel.training.checks import refuse_a_contract_of_another_project


@dataclass(frozen=True)
class KeptModel:
    """The graph of a version, as a model that has learnt all that it will."""

    graph: Graph

    def fit(self, train: Part, validation: Part, watch: Watch) -> list[float]:  # noqa: ARG002 - nothing is learnt
        """Learn nothing more."""
        return []

    def predict(self, features: Matrix) -> Answers:
        """Answers of shape (n, answers)."""
        return self.graph.run(features)

    def to_onnx(self) -> bytes:
        """There is a graph already.

        Raises:
            TypeError: always.
        """
        raise TypeError("a version is not exported again")


def run_flow(project: Project, run: Run) -> tuple[Prepared, Trained]:
    """What the flow of `project` makes of a run, instead of what its `publish` does with it.

    Raises:
        DataError: the table cannot be read or learnt from.
        ContractError: the table breaks the contract.
    """
    refuse_a_contract_of_another_project(project, run.settings, run.contract)
    made: list[tuple[Prepared, Trained]] = []

    def publish(prepared: Prepared, trained: Trained) -> Outcome:
        made.append((prepared, trained))
        return Outcome(run.root, trained.evaluation, [])

    project.train(project, replace(run, publish=publish))
    if not made:
        raise InputError("train.py: the flow must end with run.publish(...), and it does not call it.")
    return made[-1]


def judge_again(project: Project, predictor: Predictor, settings: Settings, root: Path) -> tuple[Prepared, Trained]:
    """Evaluate a version on the test part that it would have now, by the settings and contract of its training.

    Raises:
        DataError: the table cannot be read or learnt from.
        ContractError: the table breaks the contract.
    """
    model: Model = KeptModel(predictor.graph)
    return run_flow(project, Run(root, settings, predictor.contract, model=model))
