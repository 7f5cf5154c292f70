"""The kind of project that a run of these tests is about: a task and a framework, by the variable KIND.

Each kind is a frozen project of made-up fruit: nobody's features, model or parameters. `test_other_kinds.py` runs what
depends on the kind for the others.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlkeel.data.tables import load
from mlkeel.features.encoder import TABLES, TEXTS
from mlkeel.models import families
from mlkeel.project import Project, Run, Trained, TrainingResult
from mlkeel.tasks.classification import Classification
from mlkeel.tasks.regression import Regression
from mlkeel.tasks.task import Task
from mlkeel.training.steps import check, encode, evaluate, fit, split

TREES = {
    "rounds": 300,
    "patience": 20,
    "improvement": 0.001,
    "learning_rate": 0.1,
    "max_leaf_nodes": 8,
    "min_samples_leaf": 5,
    "l2_regularization": 1.0,
}
NETWORK = {
    "epochs": 300,
    "patience": 30,
    "improvement": 0.001,
    "batch_rows": 32,
    "learning_rate": 0.003,
    "weight_decay": 0.01,
    "hidden": 64,
}
LINEAR = {
    "epochs": 200,
    "patience": 10,
    "improvement": 0.001,
    "batch_rows": 32,
    "learning_rate": 0.01,
    "l2_regularization": 0.0001,
}
TEXT_NETWORK = NETWORK | {
    "epochs": 200,
    "patience": 10,
    "improvement": 0.003,
    "learning_rate": 0.01,
    "weight_decay": 0.1,
    "hidden": 32,
}
MODELS: dict[tuple[str, str], tuple[Any, dict[str, Any]]] = {
    ("tabular-classification", "scikit-learn"): (families.boosted_classifier, TREES),
    ("tabular-classification", "pytorch"): (families.network_classifier, NETWORK),
    ("tabular-regression", "scikit-learn"): (families.boosted_regressor, TREES),
    ("tabular-regression", "pytorch"): (families.network_regressor, NETWORK),
    ("text-classification", "scikit-learn"): (families.linear_text_classifier, LINEAR),
    ("text-classification", "pytorch"): (families.text_network_classifier, TEXT_NETWORK),
}


def train(project: Project, run: Run) -> TrainingResult:
    """The flow of a generated project."""
    table = project.load(run.path, run.contract)
    check(table, run)
    prepared = encode(split(table, run), project, run)
    model, losses = fit(project.build, prepared, run)
    return run.publish(prepared, Trained(model, losses, evaluate(model, prepared, project, run)))


@dataclass(frozen=True)
class Kind:
    """A task and a framework, and what tests need to know of the fruit that such a project is about."""

    task_name: str
    framework: str

    @property
    def classification(self) -> bool:
        return self.task_name != "tabular-regression"

    @property
    def text(self) -> bool:
        return self.task_name == "text-classification"

    @property
    def torch(self) -> bool:
        return self.framework == "pytorch"

    @property
    def task(self) -> Task:
        return Classification() if self.classification else Regression()

    @property
    def project(self) -> Project:
        build, _ = MODELS[self.task_name, self.framework]
        features = TEXTS if self.text else TABLES
        return Project("orchard", self.task, load, features, build, train, self.task.metrics)

    @property
    def parameters(self) -> dict[str, Any]:
        """Of the model, as `conf/params.yaml` holds them."""
        return dict(MODELS[self.task_name, self.framework][1])

    @property
    def target(self) -> str:
        return "fruit" if self.classification else "price"

    @property
    def feature(self) -> str:
        """The one that tests change."""
        return "note" if self.text else "weight_g"

    @property
    def row(self) -> dict[str, Any]:
        return {"note": "a sour apple, crisp"} if self.text else {"weight_g": 160, "colour": None}

    @property
    def other_row(self) -> dict[str, Any]:
        return {"note": "a small sweet cherry"} if self.text else {"weight_g": 8.5, "colour": "red"}

    @property
    def broken_row(self) -> dict[str, Any]:
        return {"note": "long " * 99} if self.text else {"weight_g": 9000, "colour": "red"}


KIND = Kind(*os.environ.get("KIND", "tabular-classification/scikit-learn").split("/"))
LOGGING = Path(__file__).parents[2] / "template" / "conf" / "logging.yaml"
