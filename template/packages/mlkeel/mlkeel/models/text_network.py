"""A network for texts: the scaled sum of the embeddings of the tokens, and one linear layer.

Source: Joulin et al. 2016, "Bag of Tricks for Efficient Text Classification".
"""

import torch
from torch import Tensor, nn

from mlkeel.contract.suites import Column
from mlkeel.features.texts import LONGEST, N_BUCKETS


class TextNetwork(nn.Module):
    """Maps token numbers, shape (n, width), NaN after the last token, to outputs, shape (n, outputs)."""

    def __init__(self, _columns: tuple[Column, ...], hidden: int, outputs: int) -> None:
        super().__init__()
        self.width = LONGEST
        self._embedding = nn.Embedding(N_BUCKETS, hidden)
        self._layer = nn.Linear(hidden, outputs)
        nn.init.normal_(self._embedding.weight, std=0.1)

    def fit_scale(self, features: Tensor) -> None:
        """Do nothing: tokens need no scaling."""

    def forward(self, features: Tensor) -> Tensor:
        """Return outputs; all tokens have the same weight, and the sum is divided by the root of their number."""
        present = ~torch.isnan(features)
        embedded = self._embedding(torch.where(present, features, 0.0).long()) * present.unsqueeze(2)
        length = present.sum(dim=1, keepdim=True).clamp(min=1).to(features.dtype).sqrt()
        outputs: Tensor = self._layer(embedded.sum(dim=1) / length)
        return outputs
