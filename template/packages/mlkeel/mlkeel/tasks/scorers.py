"""Metrics by the names of scikit-learn's scorers; apart from the others, since what serves needs no scikit-learn."""

import warnings
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any

import numpy as np

from mlkeel.errors import InputError
from mlkeel.tasks.metrics import Metric, primary
from mlkeel.tasks.outputs import Outputs, Targets

NEGATED = "neg_"  # how names of losses begin among the scorers of scikit-learn
OF_DECISIONS = ("accuracy", "balanced_accuracy", "f1", "precision", "recall", "jaccard", "matthews_corrcoef")


class SklearnScore:
    """A scorer of scikit-learn, by its name, as the function of a metric; it imports scikit-learn when it is called."""

    def __init__(self, scorer: str) -> None:
        self.scorer = scorer

    def check(self) -> None:
        """Check that there is such a scorer.

        Raises:
            InputError: there is none; names those with a similar name.
        """
        from sklearn.metrics import get_scorer_names

        names = get_scorer_names()
        if self.scorer not in names:
            similar = ", ".join(get_close_matches(self.scorer, names)) or ", ".join(names)
            raise InputError(
                f'metrics.py: sklearn_metric("{self.scorer}") names no scorer of scikit-learn. Choose another, such as '
                f"{similar}."
            )

    def __call__(self, outputs: Outputs, y_true: Targets) -> float | None:
        """Return the score of outputs, a loss without its sign; None where it is undefined, as on rows of one class.

        Raises:
            InputError: the scorer does not fit outputs of this kind.
        """
        from sklearn.metrics import get_scorer

        has_classes = bool(np.issubdtype(y_true.dtype, np.integer))
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of scores that are undefined
                value = float(get_scorer(self.scorer)(_answers(outputs, has_classes), outputs, y_true))
        except ValueError as error:
            if has_classes and len(np.unique(y_true)) < outputs.shape[1]:
                return None
            reason = " ".join(str(error).split())
            raise InputError(
                f'metrics.py: sklearn_metric("{self.scorer}") cannot score this target ({reason}). Choose another '
                "scorer, such as one whose name ends in _macro, _weighted or _ovr for more than two classes."
            ) from error
        if np.isnan(value):
            return None
        return -value if self.scorer.startswith(NEGATED) else value


def sklearn_metric(scorer: str, *, primary: bool = False, heading: str = "", words: str = "") -> Metric:
    """Return a metric that is computed by a scorer of scikit-learn, such as "roc_auc", "f1_macro" or "r2".

    A scorer that is called `neg_` and the name of a loss becomes that loss. Of two classes, the second one of the
    contract is the positive one. See "The scoring parameter" in the user guide of scikit-learn for the names.
    """
    name = scorer.removeprefix(NEGATED)
    return Metric(
        name,
        SklearnScore(scorer),
        greater_is_better=not scorer.startswith(NEGATED),
        heading=heading or name.replace("roc_auc", "ROC AUC").replace("_", " "),
        words=words,
        primary=primary,
        of_decisions=name.startswith(OF_DECISIONS),
    )


def check_metrics(metrics: Sequence[Metric]) -> None:
    """Check before a training that models can be compared, and that scikit-learn has each scorer that is named.

    Raises:
        InputError: not exactly one metric is primary, or there is no such scorer.
    """
    primary(metrics)
    for metric in metrics:
        if isinstance(metric.function, SklearnScore):
            metric.function.check()


def _answers(outputs: Outputs, has_classes: bool) -> Any:  # noqa: ANN401 - scikit-learn has no types
    """Return an estimator that was never fitted and gives `outputs`, shape (n, outputs), as a scorer asks for them."""
    from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin

    class Classes(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
        classes_ = np.arange(outputs.shape[1])

        def predict(self, rows: Outputs) -> Targets:
            positions: Targets = rows.argmax(axis=1)
            return positions

        def predict_proba(self, rows: Outputs) -> Outputs:
            probabilities = rows.astype(np.float64)
            scaled: Outputs = probabilities / probabilities.sum(axis=1, keepdims=True)
            return scaled

    class Numbers(RegressorMixin, BaseEstimator):  # type: ignore[misc]
        def predict(self, rows: Outputs) -> Outputs:
            return rows[:, 0].astype(np.float64)

    return Classes() if has_classes else Numbers()
