"""Stop a training whose validation loss no longer improves."""

import numpy as np

from mlkeel.errors import InputError


def improves(losses: list[float], patience: int, min_improvement: float) -> bool:
    """Return whether one of the last `patience` losses is lower than all earlier ones by `min_improvement`.

    Raises:
        InputError: the last loss is not finite.
    """
    if not np.isfinite(losses[-1:]).all():
        raise InputError(
            f"conf/params.yaml, model: after {len(losses)} epochs the loss is no number any more, so nothing was kept. "
            "Lower learning_rate."
        )
    earlier = losses[:-patience]
    recent = losses[-patience:]
    return not earlier or min(recent) < min(earlier) - min_improvement
