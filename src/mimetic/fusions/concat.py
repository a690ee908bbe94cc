"""The vectors side by side: the poster's fusion, and the plain head of a single modality."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class Linear(nn.Module):
    """Dropout, Linear: the poster's head on one encoder."""

    def __init__(self, dims: Sequence[int], targets: int, *, dropout: float) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Dropout(dropout), nn.Linear(sum(dims), targets))

    def forward(self, vectors: Sequence[Tensor]) -> Tensor:
        """Turn ``(clip, dim)`` vectors into ``(clip, target)``."""
        scores: Tensor = self.net(torch.cat(list(vectors), dim=1))
        return scores


class Concat(nn.Module):
    """LayerNorm, Dropout, Linear, GELU, Dropout, Linear on all vectors together; no output activation."""

    def __init__(self, dims: Sequence[int], targets: int, *, hidden: int, dropout: float) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.LayerNorm(sum(dims)),
            nn.Dropout(dropout),
            nn.Linear(sum(dims), hidden),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, targets),
        )

    def forward(self, vectors: Sequence[Tensor]) -> Tensor:
        """Turn ``(clip, dim)`` vectors into ``(clip, target)``."""
        scores: Tensor = self.net(torch.cat(list(vectors), dim=1))
        return scores
