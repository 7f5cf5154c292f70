"""What a network's output means: how far a number is from the middle of those learnt from, in their usual spread."""

import torch
from torch import Tensor, nn

from mlkeel.tasks.answers import Truth
from mlkeel.tasks.numbers import half_width, loss_without_features


class NumberHead(nn.Module):
    """Makes an estimate with an interval of the output, and says how far it is from the truth."""

    middle: Tensor
    spread: Tensor
    half_width: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("middle", torch.zeros(()))
        self.register_buffer("spread", torch.ones(()))
        self.register_buffer("half_width", torch.zeros(()))

    @staticmethod
    def outputs(_answers: int) -> int:
        """How many numbers the network must put out for an estimate and its interval."""
        return 1

    def adjust(self, truth: Tensor) -> None:
        """Learn the usual size of the numbers."""
        self.middle.fill_(truth.median())
        self.spread.fill_(truth.std(correction=0).clamp(min=1e-12))

    def finish(self, raw: Tensor, truth: Tensor) -> None:
        """Learn from the validation part how far estimates are off."""
        self.half_width.fill_(half_width(self._estimate(raw).numpy()[:, 0], truth.numpy()))

    def forward(self, raw: Tensor) -> Tensor:
        """Estimates with the ends of their intervals, shape (n, 3)."""
        estimate = self._estimate(raw)
        return torch.cat([estimate, estimate - self.half_width, estimate + self.half_width], dim=1)

    def loss(self, raw: Tensor, truth: Tensor) -> Tensor:
        """Mean absolute error in usual spreads, squared near 0 (Huber 1964), which is what is learnt by."""
        scaled = (truth - self.middle) / self.spread
        return nn.functional.smooth_l1_loss(raw[:, 0], scaled.to(raw.dtype), beta=0.1)

    def told_loss(self, raw: Tensor, truth: Tensor) -> float:
        """Mean absolute error, in the unit of the target."""
        return float((self._estimate(raw)[:, 0] - truth).abs().mean())

    def loss_without_features(self, truth: Truth) -> float:
        """The mean absolute error of the answer that only knows the median of n rows."""
        return loss_without_features(truth)

    def _estimate(self, raw: Tensor) -> Tensor:
        return raw * self.spread.to(raw.device) + self.middle.to(raw.device)
