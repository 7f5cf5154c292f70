"""Fit a simpler model beside the chosen one: what the chosen one gains over it is what its complexity is worth.

For rows of a table that is a linear model of the same encoded features, for texts one of their tokens; beside a linear
model, what the baseline answers within each category of one column.
"""

import logging
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from mlkeel.contract.suites import Column
from mlkeel.models.estimator import EstimatorModel
from mlkeel.models.model import Model, Shape, is_linear
from mlkeel.progress import Callbacks
from mlkeel.project import Prepared
from mlkeel.tasks.comparison import RivalComparison, loss_difference
from mlkeel.tasks.decision import decided_positions
from mlkeel.tasks.evaluation import Evaluation
from mlkeel.tasks.metrics import losses, score
from mlkeel.tasks.outputs import Outputs, Targets
from mlkeel.tasks.standard_errors import Units, units_of
from mlkeel.tasks.task import Task

logger = logging.getLogger(__name__)
MAX_ROWS = 10_000  # that a simpler model is fitted to, so that it takes a small part of the time of a training
MAX_CATEGORIES = 50  # of a column; the rarer ones count as one
MAX_ITERATIONS = 200
TEXT_C = 100.0  # the inverse of the regularization of rows of length 1
CATEGORY_PRIOR_ROWS = 10  # that answer as the baseline, in each category
MIN_LOSS_SHARE = 0.01  # of the baseline's loss; the least loss to divide by
SEED = 7


def compare_with_rival(
    evaluation: Evaluation, outputs: Outputs, fits: Sequence[tuple[Prepared, Model]]
) -> RivalComparison:
    """Compare a model with a simpler one on the rows that it was evaluated on.

    Whatever goes wrong is said in the result, since a training must not fail by it.

    Args:
        evaluation: of the model, on the test rows of all `fits`.
        outputs: of the model, for these rows, shape (n, outputs).
        fits: the splits that it was fitted to, with the model of each: one, or those of the folds.
    """
    metric = evaluation.primary
    try:
        answers = [_fit(prepared, model, evaluation.task) for prepared, model in fits]
        rival_outputs = np.concatenate([outputs for _, outputs in answers])
        y_true = np.concatenate([prepared.targets["test"] for prepared, _ in fits])
        decided, rival_decided = (decided_positions(each, evaluation.decision) for each in (outputs, rival_outputs))
        scores = score(evaluation.metrics, rival_outputs, y_true, rival_decided)
        pair = (rival_outputs, rival_decided), (outputs, decided)
        difference, standard_error = loss_difference(metric, *pair, y_true, _units([each for each, _ in fits]))
        loss = max(metric.loss(scores[metric.name]), MIN_LOSS_SHARE * evaluation.baseline_loss)
        if not loss:
            reason = "neither it nor the baseline errs, so there is nothing to gain"
            return RivalComparison(answers[0][0], metric, skipped_because=reason)
        return RivalComparison(answers[0][0], metric, scores, difference / loss, standard_error / loss)
    except Exception as error:  # whatever a table makes of it, the chosen model is trained already
        logger.debug("The simpler model failed.", exc_info=True)
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        return RivalComparison("", metric, skipped_because=reason)


def _units(fits: Sequence[Prepared]) -> Units:
    import pandas as pd

    return units_of(pd.concat([prepared.table.test for prepared in fits]), fits[0].table.description.group)


def _fit(prepared: Prepared, model: Model, task: Task) -> tuple[str, Outputs]:
    """Fit a model that is simpler than `model`; return what it is, and its outputs for the test rows."""
    if is_linear(model):
        return _baseline_by_category(prepared, task)
    columns = prepared.encoder.columns
    y_train = prepared.targets["train"]
    has_classes = bool(np.issubdtype(y_train.dtype, np.integer))
    rows = np.random.default_rng(SEED).permutation(len(y_train))[:MAX_ROWS]
    rival = EstimatorModel(_linear_model(columns, has_classes), Shape(columns, len(prepared.output_names)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a fit that did not converge, which is good enough to compare with
        rival.fit(
            (prepared.features["train"][rows], y_train[rows]),
            (prepared.features["validation"], prepared.targets["validation"]),
            Callbacks(lambda _done, _loss: None),
        )
        outputs = rival.predict(prepared.features["test"])
    kind = "logistic regression" if has_classes else "ridge regression"
    return f"{kind} on the same {'features' if columns else 'words'}", outputs


def _linear_model(columns: tuple[Column, ...], has_classes: bool) -> Any:  # noqa: ANN401 - scikit-learn has no types
    from sklearn.compose import make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

    if not columns:
        from mlkeel.models.linear_text import bags_of_tokens

        return make_pipeline(FunctionTransformer(bags_of_tokens), LogisticRegression(C=TEXT_C, max_iter=MAX_ITERATIONS))
    numeric = [position for position, column in enumerate(columns) if column.numeric]
    categorical = [position for position, column in enumerate(columns) if not column.numeric]
    numbers = make_pipeline(
        FunctionTransformer(np.float64),
        SimpleImputer(strategy="median", keep_empty_features=True, add_indicator=True),
        StandardScaler(),
    )
    categories = OneHotEncoder(handle_unknown="infrequent_if_exist", max_categories=MAX_CATEGORIES)
    return make_pipeline(
        make_column_transformer((numbers, numeric), (categories, categorical)),
        LogisticRegression(max_iter=MAX_ITERATIONS) if has_classes else Ridge(),
    )


def _baseline_by_category(prepared: Prepared, task: Task) -> tuple[str, Outputs]:
    """Answer as the baseline does within each category of the column whose categories tell most of validation rows."""
    features = prepared.features
    y_validation = prepared.targets["validation"]
    n_outputs = len(prepared.output_names)
    validation, test = (
        task.baseline(prepared.targets["train"], len(features[name]), n_outputs) for name in ("validation", "test")
    )
    best_loss = losses(task.metrics, validation, y_validation).mean()
    description = f"which answers {task.baseline_description}"
    for position, column in enumerate(prepared.encoder.columns):
        if column.categories:
            answers = _by_category(prepared, task, position)
            loss = losses(task.metrics, answers["validation"], y_validation).mean()
            if loss < best_loss:
                best_loss = loss
                test = answers["test"]
                description = f"which answers {task.baseline_description} within each {column.name}"
    return description, test


def _by_category(prepared: Prepared, task: Task, position: int) -> dict[str, Outputs]:
    """Return outputs for validation and test rows by the categories in one column of the matrix."""
    y_train: Targets = prepared.targets["train"]
    n_outputs = len(prepared.output_names)
    codes = {
        name: np.nan_to_num(rows[:, position], nan=-1).astype(np.int64) for name, rows in prepared.features.items()
    }
    answers: dict[str, Outputs] = {
        name: task.baseline(y_train, len(codes[name]), n_outputs).astype(np.float64) for name in ("validation", "test")
    }
    overall = task.baseline(y_train, 1, n_outputs)
    for code in np.unique(codes["train"]):
        of_category = y_train[codes["train"] == code]
        weight = len(of_category) / (len(of_category) + CATEGORY_PRIOR_ROWS)
        answer = weight * task.baseline(of_category, 1, n_outputs) + (1 - weight) * overall
        for name, rows in answers.items():
            rows[codes[name] == code] = answer
    return answers
