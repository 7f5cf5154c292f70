"""The steps of a training, each a function; `train.py` of a project puts them in a row."""

import hashlib
from typing import TYPE_CHECKING, Any

from mlkeel.data.split import Split
from mlkeel.data.split import split as deal
from mlkeel.features.encoder import encoder_of
from mlkeel.models.estimator import as_model
from mlkeel.models.model import Model, Shape, has_steps
from mlkeel.progress import Watch, progress
from mlkeel.project import Build, Prepared, Project, Run
from mlkeel.tasks.evaluation import Evaluation
from mlkeel.tasks.evaluation import evaluate as judge
from mlkeel.tasks.kinds import kind_of
from mlkeel.training.checks import check, refuse_empty_features

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["check", "encode", "evaluate", "fit", "new_model", "split"]


def split(table: "pd.DataFrame", run: Run) -> Split:
    """Deal the rows of `table` into train, validation and test, so that rows with equal features stay together.

    Raises:
        DataError: a part would be empty, or a feature has no value in the training part.
    """
    names = [column.name for column in run.contract.columns]
    parts = deal(table, run.settings.data.split, names)
    refuse_empty_features(parts.train, names, run.path)
    return parts


def encode(parts: Split, run: Run) -> Prepared:
    """Make matrices of all parts.

    Raises:
        ContractError: no encoder takes all features.
        DataError: the training part lacks what cannot be learnt without.
    """
    contract, target, encoder = run.contract, run.target, encoder_of(run.contract)
    kind = kind_of(contract, target)
    features = {name: encoder.encode(part) for name, part in vars(parts).items()}
    truth = {name: kind.encode(part[target], contract) for name, part in vars(parts).items()}
    kind.refuse_what_was_not_dealt(truth["train"], contract, target, run.path)
    return Prepared(parts, features, truth, contract, kind.answers(contract, target), _digest(parts, run))


def _digest(parts: Split, run: Run) -> str:
    """The SHA-256 of the file that the table is from or, of a table from elsewhere, of its rows."""
    if run.path.is_file():
        return hashlib.sha256(run.path.read_bytes()).hexdigest()
    import pandas as pd

    found = hashlib.sha256()
    for part in vars(parts).values():
        found.update(pd.util.hash_pandas_object(part, index=False).to_numpy().tobytes())
    return found.hexdigest()


def new_model(build: Build, prepared: Prepared, run: Run) -> Model:
    """An untrained model that takes the features of `prepared` and gives its answers."""
    shape = Shape(prepared.contract.columns, len(prepared.answers))
    return as_model(build(run.settings.model, shape, run.settings.seed), shape)


def fit(build: Build, prepared: Prepared, run: Run) -> tuple[Model, list[float]]:
    """Fit a model to the training part, stop by the validation part; with it comes the validation loss of each step.

    A run that has a model already gets that one.
    """
    if run.model is not None:
        return run.model, []
    model: Any = new_model(build, prepared, run)
    with progress("Training", model.longest if has_steps(model) else 1) as advance:
        losses = model.fit(
            (prepared.features["train"], prepared.truth["train"]),
            (prepared.features["validation"], prepared.truth["validation"]),
            Watch(advance, run.checkpoint),
        )
    return model, losses


def evaluate(model: Model, prepared: Prepared, project: Project, run: Run) -> Evaluation:
    """Evaluate the model on the test part."""
    return judge(
        project.task,
        project.metrics,
        prepared.table.test,
        model.predict(prepared.features["test"]),
        prepared.truth["test"],
        prepared.truth["train"],
        run.settings.gate,
    )
