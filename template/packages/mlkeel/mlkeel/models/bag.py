"""Models that are fitted on more than the training split: one twice, and several whose outputs are averaged.

Neither sees a test row. Both keep outputs for rows that the model which gave them has not learnt from, since a decision
that is chosen on rows that were learnt from would be too bold.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from mlkeel.config import Fit
from mlkeel.features.export import mean_model
from mlkeel.features.graph import Matrix
from mlkeel.models.model import Dataset, Model, SampleWeight, is_linear
from mlkeel.progress import Callbacks
from mlkeel.tasks.outputs import Outputs, Targets

Places = npt.NDArray[np.int64]  # of rows among the training and validation rows together, in this order


class FittedTwice:
    """A model that is fitted again on training and validation rows, with the number of rounds that was chosen before.

    `held_out` holds the outputs of the first fit for the validation rows, and their targets.
    """

    fit_on: Fit = "train_validation"
    n_models = 1

    def __init__(self, model: Model) -> None:
        self._model = model
        self.held_out: tuple[Outputs, Targets] | None = None

    @property
    def is_linear(self) -> bool:
        """Whether the model is a linear one."""
        return is_linear(self._model)

    @property
    def max_rounds(self) -> int:
        """The most steps that both fits take."""
        return 2 * int(getattr(self._model, "max_rounds", 1))

    def fit(
        self,
        train: Dataset,
        validation: Dataset,
        callbacks: Callbacks,
        *,
        sample_weight: SampleWeight | None = None,
    ) -> list[float]:
        """Fit to the training data, stop by the validation data, then fit to both; return the losses of the first."""
        losses = _fit(self._model, train, validation, callbacks, sample_weight)
        self.held_out = self._model.predict(validation[0]), validation[1]
        weight = sample_weight and (np.concatenate(sample_weight), sample_weight[1])
        again = _of_part(callbacks, "again", len(losses))
        _fit(self._model, _both(train, validation), validation, again, weight, rounds=len(losses))
        return losses

    def predict(self, features: Matrix) -> Outputs:
        """Return outputs of shape (n, outputs)."""
        return self._model.predict(features)

    def to_onnx(self) -> bytes:
        """Export as an ONNX graph: `features` (n, width) to `answers` (n, outputs)."""
        return self._model.to_onnx()


class Bag:
    """Models of which each learns from all training and validation rows but for a fold, by which it stops.

    Their outputs are averaged (Breiman 1996, "Bagging Predictors"; with folds in place of bootstrap samples, so that
    groups stay together). `held_out` holds the outputs for the rows of all folds, each by the model that has not
    learnt from it, and their targets.
    """

    fit_on: Fit = "bag"

    def __init__(self, models: Sequence[Model], folds: Sequence[tuple[Places, Places]]) -> None:
        """Take untrained models and, for each, the places of the rows to learn from and of those to stop by."""
        self.models = list(models)
        self._folds = list(folds)
        self.held_out: tuple[Outputs, Targets] | None = None

    @property
    def held_out_places(self) -> Places:
        """The places of the rows of `held_out`."""
        return np.concatenate([held_out for _, held_out in self._folds])

    @property
    def is_linear(self) -> bool:
        """Whether it averages linear models."""
        return is_linear(self.models[0])

    @property
    def n_models(self) -> int:
        """The number of models."""
        return len(self.models)

    @property
    def max_rounds(self) -> int:
        """The most steps that all models take together."""
        return sum(int(getattr(model, "max_rounds", 1)) for model in self.models)

    def fit(
        self,
        train: Dataset,
        validation: Dataset,
        callbacks: Callbacks,
        *,
        sample_weight: SampleWeight | None = None,
    ) -> list[float]:
        """Fit each model, and return the mean of their losses; one that has stopped keeps its last."""
        features, y_true = _both(train, validation)
        weight = None if sample_weight is None else np.concatenate(sample_weight)
        losses: list[list[float]] = []
        outputs: list[Outputs] = []
        for number, (model, (learnt, held_out)) in enumerate(zip(self.models, self._folds, strict=True)):
            members, others = ((features[places], y_true[places]) for places in (learnt, held_out))
            of_model = _of_part(callbacks, str(number), sum(map(len, losses)))
            weights = None if weight is None else (weight[learnt], weight[held_out])
            losses.append(_fit(model, members, others, of_model, weights))
            outputs.append(model.predict(others[0]))
        self.held_out = np.concatenate(outputs), y_true[self.held_out_places]
        return list(_mean_losses(losses))

    def predict(self, features: Matrix) -> Outputs:
        """Return the mean of the outputs, shape (n, outputs)."""
        mean: Outputs = np.mean([model.predict(features) for model in self.models], axis=0)
        return mean

    def to_onnx(self) -> bytes:
        """Export as one ONNX graph: `features` (n, width) to `answers` (n, outputs)."""
        return mean_model([model.to_onnx() for model in self.models])


def fitted_model(model: Any) -> Any:  # noqa: ANN401 - any model
    """Return what was fitted: the model, or what it wraps if it is in one that corrects the outputs."""
    while not hasattr(model, "fit_on") and hasattr(model, "model"):
        model = model.model
    return model


def _both(train: Dataset, validation: Dataset) -> Dataset:
    return np.concatenate([train[0], validation[0]]), np.concatenate([train[1], validation[1]])


def _fit(
    model: Any,  # noqa: ANN401 - a model that may take no keywords
    train: Dataset,
    validation: Dataset,
    callbacks: Callbacks,
    sample_weight: SampleWeight | None,
    **options: int,
) -> list[float]:
    weights = {} if sample_weight is None else {"sample_weight": sample_weight}
    losses: list[float] = model.fit(train, validation, callbacks, **weights, **options)
    return losses


def _of_part(callbacks: Callbacks, name: str, done_before: int) -> Callbacks:
    """Return the callbacks of one of several fits, which has its own checkpoint."""

    def advance(done: int, loss: float | None) -> None:
        callbacks.advance(done_before + done, loss)

    path = callbacks.checkpoint
    return replace(callbacks, advance=advance, checkpoint=path and path.with_name(f"{path.name}-{name}"))


def _mean_losses(losses: list[list[float]]) -> Iterator[float]:
    for step in range(max(map(len, losses))):
        yield float(np.mean([of_model[min(step, len(of_model) - 1)] for of_model in losses if of_model]))
