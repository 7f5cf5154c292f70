"""A network for tables: numbers as they are, an embedding for each category, and two hidden layers over all of them.

Source of the embeddings: Guo and Berkhahn 2016, "Entity Embeddings of Categorical Variables".
"""

import torch
from torch import Tensor, nn

from mlkeel.contract.suites import Column

FAR = 8.0  # usual spreads from the middle; what lies further is taken for that far


class TableNetwork(nn.Module):
    """From encoded features, shape (n, width), to outputs, shape (n, outputs)."""

    middle: Tensor
    spread: Tensor

    def __init__(self, columns: tuple[Column, ...], hidden: int, outputs: int) -> None:
        super().__init__()
        self.width = len(columns)
        self._numeric = [place for place, column in enumerate(columns) if column.numeric]
        self._categorical = [place for place, column in enumerate(columns) if not column.numeric]
        known = [len(columns[place].categories) for place in self._categorical]
        self._missing = {place: float(number + 1) for place, number in zip(self._categorical, known, strict=True)}
        # After the known categories come one that was never seen, which stays at nothing, and one for a missing value.
        self._embeddings = nn.ModuleList(
            nn.Embedding(number + 2, min(16, number // 2 + 1), padding_idx=number) for number in known
        )
        width = 2 * len(self._numeric) + sum(min(16, number // 2 + 1) for number in known)
        self._layers = nn.Sequential(
            *(nn.Linear(width, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, outputs))
        )
        self.register_buffer("middle", torch.zeros(len(self._numeric)))
        self.register_buffer("spread", torch.ones(len(self._numeric)))

    def adjust(self, features: Tensor) -> None:
        """Learn the usual size of each number."""
        for place, column in enumerate(self._numeric):
            seen = features[:, column][~features[:, column].isnan()].cpu().double()
            if len(seen):
                self.middle[place] = seen.mean()
                self.spread[place] = seen.std(correction=0) if seen.std(correction=0) > 0 else 1.0

    def forward(self, features: Tensor) -> Tensor:
        """A missing number counts as a usual one, and as missing."""
        numbers = features[:, self._numeric]
        absent = torch.isnan(numbers)
        usual = ((torch.where(absent, self.middle, numbers) - self.middle) / self.spread).clamp(-FAR, FAR)
        parts = [usual, absent.to(usual.dtype)]
        for place, embedding in zip(self._categorical, self._embeddings, strict=True):
            code = features[:, place]
            parts.append(embedding(torch.where(torch.isnan(code), self._missing[place], code).long()))
        outputs: Tensor = self._layers(torch.cat(parts, dim=1))
        return outputs
