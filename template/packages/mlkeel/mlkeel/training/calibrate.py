"""Calibrate a trained model on the validation rows: a temperature for probabilities, local widths for intervals."""

from mlkeel.models.model import Model
from mlkeel.project import Prepared, Run
from mlkeel.tasks.calibration import Calibration
from mlkeel.tasks.standard_errors import units_of
from mlkeel.training.learning_data import held_out, learning_data


def calibrated(model: Model, prepared: Prepared, run: Run) -> Model:
    """Return `model` with corrected outputs, or as it is if that does not improve them on the validation rows.

    No test row has a say in it. Early stopping has chosen among models by the same validation rows, which makes their
    losses a little too low, before and after the correction alike. A temperature is chosen on rows that were not learnt
    from, also where the version is then fitted on all or is a bag; intervals keep their widths there, as no rows are
    left that one model alone has not learnt from.
    """
    if run.settings.calibration == "none":
        return model
    group = run.settings.data.split.group
    if run.contract.values(run.target):
        from mlkeel.models.temperature import TemperatureScaled, choose_temperature

        kept = held_out(model, prepared, run)
        calibration = choose_temperature(kept.outputs, kept.y_true, units_of(kept.rows, group))
        return TemperatureScaled(model, calibration) if calibration else model
    if run.settings.fit != "train":
        return model
    from mlkeel.models.local_widths import with_local_widths

    data = learning_data(prepared, run)
    return with_local_widths(model, data.train, data.validation, units_of(data.rows[1], group))


def calibration_of(model: Model) -> Calibration | None:
    """Return how the outputs of a trained model were corrected; None if they were not."""
    calibration = getattr(model, "calibration", None)
    return calibration if isinstance(calibration, Calibration) else None
