"""The steps of a training, each a function; `train.py` of a project calls them in order."""

import hashlib
from typing import TYPE_CHECKING, Any

from mlkeel.data.split import Split
from mlkeel.data.split import split as split_table
from mlkeel.features.agreement import check_agreement
from mlkeel.features.export import build_encoder
from mlkeel.models.bag import Bag, FittedTwice
from mlkeel.models.estimator import as_model
from mlkeel.models.model import Model, Shape
from mlkeel.progress import Callbacks, progress
from mlkeel.project import Build, Prepared, Project, Run
from mlkeel.tasks.evaluation import Evaluation
from mlkeel.tasks.evaluation import evaluate as evaluate_outputs
from mlkeel.tasks.output_types import output_type_of
from mlkeel.training.calibrate import calibrated, calibration_of
from mlkeel.training.checks import check, check_derived, check_features, check_names
from mlkeel.training.decision import choose_decision
from mlkeel.training.fairness import with_fairness
from mlkeel.training.learning_data import bag_folds, check_keywords, held_out, learning_data

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["check", "encode", "evaluate", "fit", "new_model", "split"]


def split(table: "pd.DataFrame", run: Run) -> Split:
    """Split `table` into train, validation and test, as `data.split` in `conf/params.yaml` says.

    Examples are told apart by their features, not by the target: if equal features with another target were on the
    other side, what is learnt there would be wrong here, and the score too bad.

    Raises:
        DataError: a split would be empty, the table does not have what it is to be split by, or a feature has no value
            in the training rows.
    """
    if run.splits is not None:
        return run.splits
    names = [column.name for column in run.contract.columns]
    classes = run.target if run.contract.values(run.target) else None
    splits = split_table(table, run.settings.data.split, names, classes, run.fold)
    check_features(splits.train, names, run.path)
    return splits


def encode(splits: Split, project: Project, run: Run) -> Prepared:
    """Encode the features and the target of each split.

    Raises:
        ContractError: no model takes all features.
        DataError: the training rows lack a class, or have one target only.
    """
    contract = run.contract
    target = run.target
    encoder = run.encoder or build_encoder(contract, project.features, project.package)
    check_names(encoder, run)
    if run.encoder is None and run.fold is None:
        check_agreement(project.features.derived, encoder, splits.train)
    output_type = output_type_of(contract, target)
    features = {name: encoder.encode(rows) for name, rows in splits.frames.items()}
    check_derived(encoder, features.values(), run)
    targets = {name: output_type.encode(rows[target], contract) for name, rows in splits.frames.items()}
    output_type.check_train_targets(targets["train"], contract, target, run.path)
    output_names = output_type.output_names(contract, target)
    return Prepared(splits, encoder, features, targets, contract, output_names, _digest(splits, run))


def _digest(splits: Split, run: Run) -> str:
    """Return the SHA-256 of the file that the table is from or, if there is none, of its rows."""
    if run.path.is_file():
        return hashlib.sha256(run.path.read_bytes()).hexdigest()
    import pandas as pd

    digest = hashlib.sha256()
    for rows in splits.all_frames.values():
        digest.update(pd.util.hash_pandas_object(rows, index=False).to_numpy().tobytes())
    return digest.hexdigest()


def new_model(build: Build, prepared: Prepared, run: Run, number: int = 0) -> Model:
    """Build an untrained model for the features and outputs of `prepared`, or the one of this number of several."""
    shape = Shape(prepared.encoder.columns, len(prepared.output_names))
    return as_model(build(run.settings.model, shape, run.settings.seed + number), shape)


def fit(build: Build, prepared: Prepared, run: Run) -> tuple[Model, list[float]]:
    """Fit a model as `fit` in `conf/params.yaml` says, and calibrate it; if `run` has a model, return that.

    Returns:
        The model, and its validation loss after each step.

    Raises:
        InputError: the model takes no weights or no number of rounds, and the settings need that, or no folds can be
            made for a bag.
        DataError: a split has no row whose weight is above 0.
    """
    if run.model is not None:
        return run.model, []
    data = learning_data(prepared, run)
    model: Any = new_model(build, prepared, run)
    check_keywords(model, run)
    match run.settings.fit:
        case "train_validation":
            model = FittedTwice(model)
        case "bag":
            folds = bag_folds(data.rows, prepared, run)
            model = Bag([new_model(build, prepared, run, number) for number in range(len(folds))], folds)
    weights = {} if data.sample_weight is None else {"sample_weight": data.sample_weight}
    with progress("Training", getattr(model, "max_rounds", 1)) as advance:
        losses = model.fit(data.train, data.validation, Callbacks(advance, run.checkpoint), **weights)
    return calibrated(model, prepared, run), losses


def evaluate(model: Model, prepared: Prepared, project: Project, run: Run) -> Evaluation:
    """Evaluate the model on the test split, with the decision that the settings ask for.

    A decision is chosen on rows that were not learnt from: by a model of the training split on the validation split
    or, of a bag, by each model on the fold that it stopped by.

    Raises:
        InputError: the decision has a target that cannot be reached on the validation split.
    """
    decision = run.decision
    if run.model is None and run.settings.decision is not None:
        rows = held_out(model, prepared, run)
        decision = choose_decision(run.settings.decision, prepared.output_names, lambda: rows.outputs, rows.y_true)
    outputs = model.predict(prepared.features["test"])
    evaluation = evaluate_outputs(
        project.task,
        project.metrics,
        prepared.table.test,
        outputs,
        prepared.targets["test"],
        prepared.targets["train"],
        run.settings.gate,
        run.contract.values(run.target),
        decision,
        prepared.table.description,
        calibration_of(model),
    )
    return with_fairness(evaluation, prepared.table.test, outputs, prepared.targets["test"], run)
