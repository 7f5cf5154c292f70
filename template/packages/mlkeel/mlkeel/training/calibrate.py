"""Calibrate a trained model on the validation rows: a temperature for probabilities, local widths for intervals."""

from typing import TYPE_CHECKING

import numpy as np

from mlkeel.models.model import Model
from mlkeel.project import Prepared, Run
from mlkeel.tasks.calibration import Calibration
from mlkeel.tasks.outputs import Targets

if TYPE_CHECKING:
    import pandas as pd


def calibrated(model: Model, prepared: Prepared, run: Run) -> Model:
    """Return `model` with corrected outputs, or as it is if that does not improve them on the validation rows.

    No test row has a say in it. Early stopping has chosen among models by the same validation rows, which makes their
    losses a little too low, before and after the correction alike.
    """
    if run.settings.calibration == "none":
        return model
    features = prepared.features
    targets = prepared.targets
    validation = (features["validation"], targets["validation"])
    blocks = _blocks(prepared.table.validation, run.settings.data.split.group)
    if not run.contract.values(run.target):
        from mlkeel.models.local_widths import with_local_widths

        return with_local_widths(model, (features["train"], targets["train"]), validation, blocks)
    from mlkeel.models.temperature import TemperatureScaled, choose_temperature

    calibration = choose_temperature(model.predict(validation[0]), validation[1], blocks)
    return TemperatureScaled(model, calibration) if calibration else model


def _blocks(rows: "pd.DataFrame", group: str | None) -> Targets:
    """Return the number of the group of each of n rows, shape (n,); without groups, each row is one."""
    if group is None:
        return np.arange(len(rows))
    import pandas as pd

    return np.asarray(pd.factorize(rows[group], use_na_sentinel=False)[0])


def calibration_of(model: Model) -> Calibration | None:
    """Return how the outputs of a trained model were corrected; None if they were not."""
    calibration = getattr(model, "calibration", None)
    return calibration if isinstance(calibration, Calibration) else None
