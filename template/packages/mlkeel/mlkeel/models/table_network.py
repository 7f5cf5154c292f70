"""A network for tables: scaled numbers, an embedding for each categorical column, and two hidden layers.

Source of the embeddings: Guo and Berkhahn 2016, "Entity Embeddings of Categorical Variables".
"""

import torch
from torch import Tensor, nn

from mlkeel.contract.suites import Column

MAX_Z = 8.0  # scaled numbers beyond it are clipped


class TableNetwork(nn.Module):
    """Maps encoded features, shape (n, width), to outputs, shape (n, outputs)."""

    middle: Tensor
    spread: Tensor

    def __init__(self, columns: tuple[Column, ...], hidden: int, outputs: int) -> None:
        super().__init__()
        self.width = len(columns)
        self._numeric = [position for position, column in enumerate(columns) if column.numeric]
        self._categorical = [position for position, column in enumerate(columns) if not column.numeric]
        category_counts = [len(columns[position].categories) for position in self._categorical]
        self._missing_codes = {
            position: float(count + 1) for position, count in zip(self._categorical, category_counts, strict=True)
        }
        # Each embedding has two more codes: an unknown category, which stays at zero, and a missing value.
        self._embeddings = nn.ModuleList(
            nn.Embedding(count + 2, min(16, count // 2 + 1), padding_idx=count) for count in category_counts
        )
        width = 2 * len(self._numeric) + sum(min(16, count // 2 + 1) for count in category_counts)
        self._layers = nn.Sequential(
            *(nn.Linear(width, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, outputs))
        )
        self.register_buffer("middle", torch.zeros(len(self._numeric)))
        self.register_buffer("spread", torch.ones(len(self._numeric)))

    def fit_scale(self, features: Tensor) -> None:
        """Set the mean and the standard deviation of each numeric column."""
        for position, column in enumerate(self._numeric):
            values = features[:, column][~features[:, column].isnan()].cpu().double()
            if len(values):
                self.middle[position] = values.mean()
                self.spread[position] = values.std(correction=0) if values.std(correction=0) > 0 else 1.0

    def forward(self, features: Tensor) -> Tensor:
        """Return outputs; a missing number is replaced by the mean, and marked as missing."""
        numbers = features[:, self._numeric]
        absent = torch.isnan(numbers)
        scaled = ((torch.where(absent, self.middle, numbers) - self.middle) / self.spread).clamp(-MAX_Z, MAX_Z)
        inputs = [scaled, absent.to(scaled.dtype)]
        for position, embedding in zip(self._categorical, self._embeddings, strict=True):
            code = features[:, position]
            inputs.append(embedding(torch.where(torch.isnan(code), self._missing_codes[position], code).long()))
        outputs: Tensor = self._layers(torch.cat(inputs, dim=1))
        return outputs
