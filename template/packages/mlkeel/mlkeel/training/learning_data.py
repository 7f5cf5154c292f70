"""What a model learns from: the rows of the training and validation splits, their weights, and the folds of a bag."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from mlkeel.config import ClassWeight
from mlkeel.data.split import Places, fold_places
from mlkeel.errors import DataError, InputError
from mlkeel.models.bag import Bag, fitted_model
from mlkeel.models.model import Dataset, Model, SampleWeight, Weights, takes
from mlkeel.project import Prepared, Run
from mlkeel.tasks.output_types import output_type_of
from mlkeel.tasks.outputs import Outputs, Targets

if TYPE_CHECKING:
    import pandas as pd

DEFAULT_BAG = 5  # models, where `data.split` says no number of folds


@dataclass(frozen=True)
class LearningData:
    """The rows that a model learns from and stops by, without those of weight 0.

    Attributes:
        rows: of the training and of the validation split.
        train: features and targets to learn from.
        validation: features and targets to stop by.
        sample_weight: the weights of both, of which the mean over the training rows is 1; None if all count the same.
    """

    rows: "tuple[pd.DataFrame, pd.DataFrame]"
    train: Dataset
    validation: Dataset
    sample_weight: SampleWeight | None


def learning_data(prepared: Prepared, run: Run) -> LearningData:
    """Return what the settings say to learn from.

    Raises:
        DataError: a split, or a class in the training split, has no row whose weight is above 0.
    """
    settings = run.settings
    if settings.weight is None:
        train, validation = ((prepared.features[name], prepared.targets[name]) for name in ("train", "validation"))
        rows = (prepared.table.train, prepared.table.validation)
        if settings.class_weight is None:
            return LearningData(rows, train, validation, None)
        weights = (np.ones(len(rows[0])), np.ones(len(rows[1])))
    else:
        train_rows, train, train_weights = _counted(prepared, run, "train", settings.weight)
        validation_rows, validation, validation_weights = _counted(prepared, run, "validation", settings.weight)
        rows = (train_rows, validation_rows)
        weights = (train_weights, validation_weights)
        output_type_of(run.contract, run.target).check_train_targets(train[1], run.contract, run.target, run.path)
    if settings.class_weight is not None:
        by_class = class_weights(settings.class_weight, prepared.output_names, train[1], weights[0])
        weights = (weights[0] * by_class[train[1]], weights[1] * by_class[validation[1]])
    scale = weights[0].mean()
    return LearningData(rows, train, validation, (weights[0] / scale, weights[1] / scale))


def _counted(prepared: Prepared, run: Run, name: str, column: str) -> "tuple[pd.DataFrame, Dataset, Weights]":
    """Return the rows of a split whose weight is above 0, what is learnt of them, and their weights."""
    rows = prepared.table.frames[name]
    weights = rows[column].to_numpy(dtype=np.float64)
    counts = weights > 0
    if not counts.any():
        raise DataError(
            f"{run.path}: {column}, which has the role weight, is 0 in all rows of the {name} split. Correct it, or "
            "change data.split in conf/params.yaml."
        )
    return rows[counts], (prepared.features[name][counts], prepared.targets[name][counts]), weights[counts]


def class_weights(config: ClassWeight, classes: tuple[str, ...], y_true: Targets, weights: Weights) -> Weights:
    """Return the weight of each class, shape (classes,), for training rows of which `y_true` are the classes.

    Balanced ones make the total weight of each class the same, like those of scikit-learn where rows have no weights.
    """
    if isinstance(config, dict):
        return np.array([config.get(name, 1.0) for name in classes])
    totals = np.bincount(y_true, weights, minlength=len(classes))
    balanced: npt.NDArray[np.float64] = totals.sum() / (len(classes) * totals)
    return balanced


def check_keywords(model: Model, run: Run) -> None:
    """Check that `fit` of a model takes what the settings need.

    Raises:
        InputError: it does not.
    """
    settings = run.settings
    needed = {
        "fit: train_validation": "rounds" if settings.fit == "train_validation" else None,
        "class_weight": "sample_weight" if settings.class_weight is not None else None,
        f"{settings.weight}, of the role weight,": "sample_weight" if settings.weight is not None else None,
    }
    for setting, keyword in needed.items():
        if keyword is not None and not takes(model, keyword):
            raise InputError(
                f"model.py: fit of {type(model).__name__} takes no {keyword}, which {setting} in conf/params.yaml "
                "needs. Add this keyword there (docs/models.md says what it is), or take the setting out."
            )


def bag_folds(rows: "tuple[pd.DataFrame, pd.DataFrame]", prepared: Prepared, run: Run) -> list[tuple[Places, Places]]:
    """Return for each model of a bag the places of the rows to learn from, and of those to stop by.

    They are places among the training and the validation `rows` together, in this order.

    Raises:
        InputError: no folds can be made of the split, or not so many.
    """
    import pandas as pd

    settings = run.settings.data.split
    remedy = "Set fit: train_validation or fit: train in conf/params.yaml."
    if settings.by == "given" or prepared.table.description.by == "own":
        whose = "a column gives the split" if settings.by == "given" else "the split in train.py is the project's own"
        raise InputError(f"fit: bag needs folds of the training and validation rows, and {whose}. {remedy}")
    names = [column.name for column in run.contract.columns]
    classes = run.target if run.contract.values(run.target) else None
    count = settings.folds or DEFAULT_BAG
    try:
        return fold_places(pd.concat(rows), settings, names, classes, count)
    except DataError as error:
        rows_in_all = f"{sum(map(len, rows)):,} training and validation rows"
        raise InputError(f"fit: bag cannot make {count} folds of the {rows_in_all} ({error}). {remedy}") from error


@dataclass(frozen=True)
class HeldOut:
    """Rows that were not learnt from when their outputs were computed: by these a decision is chosen.

    Attributes:
        rows: of the table, n.
        outputs: of shape (n, outputs).
        y_true: the targets, shape (n,).
    """

    rows: "pd.DataFrame"
    outputs: Outputs
    y_true: Targets


def held_out(model: Model, prepared: Prepared, run: Run) -> HeldOut:
    """Return the rows that a fitted model stopped by; of a bag, those of all folds, in their order."""
    import pandas as pd

    data = learning_data(prepared, run)
    kept: tuple[Outputs, Targets] | None = getattr(model, "held_out", None)
    if kept is None:
        return HeldOut(data.rows[1], model.predict(data.validation[0]), data.validation[1])
    bag = fitted_model(model)
    rows = pd.concat(data.rows).iloc[bag.held_out_places] if isinstance(bag, Bag) else data.rows[1]
    return HeldOut(rows, *kept)
