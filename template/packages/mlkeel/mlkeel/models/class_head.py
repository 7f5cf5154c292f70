"""The head of a classification network: its raw outputs are the log odds of the classes."""

import torch
from torch import Tensor, nn

from mlkeel.tasks.class_outputs import loss_without_features
from mlkeel.tasks.outputs import Targets


class ClassHead(nn.Module):
    """Converts log odds to probabilities, and computes their loss."""

    @staticmethod
    def n_raw_outputs(n_outputs: int) -> int:
        """Return how many raw outputs the network needs."""
        return n_outputs

    def fit_scale(self, y_true: Tensor) -> None:
        """Do nothing: classes need no scaling."""

    def fit_interval(self, raw: Tensor, y_true: Tensor) -> None:
        """Do nothing: probabilities need no interval."""

    def forward(self, raw: Tensor) -> Tensor:
        """Return probabilities of shape (n, classes), each row summing to 1."""
        return torch.softmax(raw, dim=1)

    def loss(self, raw: Tensor, y_true: Tensor, weight: Tensor | None = None) -> Tensor:
        """Return the mean negative log-likelihood, in nats; with weights of rows, of each times its weight."""
        if weight is None:
            return nn.functional.cross_entropy(raw, y_true)
        return (weight * nn.functional.cross_entropy(raw, y_true, reduction="none")).mean()

    def reported_loss(self, raw: Tensor, y_true: Tensor, weight: Tensor | None = None) -> float:
        """Return the same loss as a float; with weights, their weighted mean."""
        return float(self.loss(raw, y_true, None if weight is None else weight / weight.mean()))

    def loss_without_features(self, y_true: Targets) -> float:
        """Return the loss, in nats, of predicting the frequencies of the classes for each of n rows."""
        return loss_without_features(y_true)
