"""What a network's outputs mean: the classes' log odds."""

import torch
from torch import Tensor, nn

from mlkeel.tasks.answers import Truth
from mlkeel.tasks.classes import loss_without_features


class ClassHead(nn.Module):
    """Makes probabilities of the outputs, and says how far they are from the truth."""

    @staticmethod
    def outputs(answers: int) -> int:
        """How many numbers the network must put out for so many answers."""
        return answers

    def adjust(self, truth: Tensor) -> None:
        """Classes need no adjustment."""

    def finish(self, raw: Tensor, truth: Tensor) -> None:
        """Nor is anything left to learn from the validation part."""

    def forward(self, raw: Tensor) -> Tensor:
        """Probabilities of shape (n, classes), each row summing to 1."""
        return torch.softmax(raw, dim=1)

    def loss(self, raw: Tensor, truth: Tensor) -> Tensor:
        """Mean negative log-likelihood, in nats."""
        return nn.functional.cross_entropy(raw, truth)

    def told_loss(self, raw: Tensor, truth: Tensor) -> float:
        """The same as a number."""
        return float(self.loss(raw, truth))

    def loss_without_features(self, truth: Truth) -> float:
        """The loss, in nats, of the answer that only knows how often each class occurs among n rows."""
        return loss_without_features(truth)
