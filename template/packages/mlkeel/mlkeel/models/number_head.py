"""The head of a regression network: its raw output is the distance from the median target, in standard deviations."""

import torch
from torch import Tensor, nn

from mlkeel.tasks.number_outputs import half_width, loss_without_features
from mlkeel.tasks.outputs import Targets


class NumberHead(nn.Module):
    """Converts the raw output to an estimate with an interval, and computes its loss."""

    middle: Tensor
    spread: Tensor
    half_width: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("middle", torch.zeros(()))
        self.register_buffer("spread", torch.ones(()))
        self.register_buffer("half_width", torch.zeros(()))

    @staticmethod
    def n_raw_outputs(_n_outputs: int) -> int:
        """Return how many raw outputs the network needs."""
        return 1

    def fit_scale(self, y_true: Tensor) -> None:
        """Set the median and the standard deviation of the target."""
        self.middle.fill_(y_true.median())
        self.spread.fill_(y_true.std(correction=0).clamp(min=1e-12))

    def fit_interval(self, raw: Tensor, y_true: Tensor) -> None:
        """Set the width of the interval by the residuals of the validation split."""
        self.half_width.fill_(half_width(self._estimate(raw).numpy()[:, 0], y_true.numpy()))

    def forward(self, raw: Tensor) -> Tensor:
        """Return estimates with the ends of their intervals, shape (n, 3)."""
        estimate = self._estimate(raw)
        return torch.cat([estimate, estimate - self.half_width, estimate + self.half_width], dim=1)

    def loss(self, raw: Tensor, y_true: Tensor, weight: Tensor | None = None) -> Tensor:
        """Return the mean absolute error in standard deviations, squared near 0 (Huber 1964): the training loss.

        With weights of rows, it is the mean of each error times its weight.
        """
        scaled = ((y_true - self.middle) / self.spread).to(raw.dtype)
        if weight is None:
            return nn.functional.smooth_l1_loss(raw[:, 0], scaled, beta=0.1)
        return (weight * nn.functional.smooth_l1_loss(raw[:, 0], scaled, beta=0.1, reduction="none")).mean()

    def reported_loss(self, raw: Tensor, y_true: Tensor, weight: Tensor | None = None) -> float:
        """Return the mean absolute error, in the unit of the target; with weights of rows, the weighted mean."""
        errors = (self._estimate(raw)[:, 0] - y_true).abs()
        return float(errors.mean() if weight is None else (weight * errors).sum() / weight.sum())

    def loss_without_features(self, y_true: Targets) -> float:
        """Return the mean absolute error of predicting the median for each of n rows."""
        return loss_without_features(y_true)

    def _estimate(self, raw: Tensor) -> Tensor:
        return raw * self.spread.to(raw.device) + self.middle.to(raw.device)
