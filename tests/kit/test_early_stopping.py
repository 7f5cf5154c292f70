import math

import pytest
from mlkeel.errors import InputError
from mlkeel.models.early_stopping import improves


@pytest.mark.parametrize(
    ("losses", "goes_on"),
    [([], True), ([3.0], True), ([3.0, 2.0, 2.0], True), ([3.0, 2.0, 2.0, 2.0], False), ([2.0, 3.0, 1.95, 3.0], False)],
)
def test_it_goes_on_while_one_of_the_last_losses_is_lower(losses: list[float], goes_on: bool) -> None:
    assert improves(losses, patience=2, min_improvement=0.1) is goes_on


@pytest.mark.parametrize("loss", [math.nan, math.inf])
def test_a_loss_that_is_no_number_ends_the_training(loss: float) -> None:
    with pytest.raises(InputError, match="Lower learning_rate"):
        improves([1.0, loss], patience=2, min_improvement=0.1)
