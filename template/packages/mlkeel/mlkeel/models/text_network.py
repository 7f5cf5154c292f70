"""A network for texts: an embedding for each token, their sum, and one layer over it.

Source: Joulin et al. 2016, "Bag of Tricks for Efficient Text Classification".
"""

import torch
from torch import Tensor, nn

from mlkeel.contract.suites import Column
from mlkeel.features.texts import BUCKETS, LONGEST


class TextNetwork(nn.Module):
    """From the numbers of tokens, shape (n, width) and NaN where there are no more, to outputs, shape (n, outputs)."""

    def __init__(self, _columns: tuple[Column, ...], hidden: int, outputs: int) -> None:
        super().__init__()
        self.width = LONGEST
        self._embedding = nn.Embedding(BUCKETS, hidden)
        self._layer = nn.Linear(hidden, outputs)
        nn.init.normal_(self._embedding.weight, std=0.1)

    def adjust(self, features: Tensor) -> None:
        """Tokens need no adjustment."""

    def forward(self, features: Tensor) -> Tensor:
        """All tokens count the same, and long texts no more than short ones."""
        present = ~torch.isnan(features)
        embedded = self._embedding(torch.where(present, features, 0.0).long()) * present.unsqueeze(2)
        length = present.sum(dim=1, keepdim=True).clamp(min=1).to(features.dtype).sqrt()
        outputs: Tensor = self._layer(embedded.sum(dim=1) / length)
        return outputs
