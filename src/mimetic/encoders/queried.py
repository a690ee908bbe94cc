"""An encoder that another modality asks: its vector attends to the track, and what it finds is the result.

The winner's of 2026: query, keys and values projected to one width, LayerNorm on the first two, four heads; no way
round, no feed-forward layer after it.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Queried(nn.Module):
    """Multi-head attention with one query a clip."""

    def __init__(self, dim: int, query_dim: int, *, hidden: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.out_dim = hidden
        self.heads = heads
        self.query = nn.Sequential(nn.Linear(query_dim, hidden), nn.LayerNorm(hidden))
        self.key = nn.Sequential(nn.Linear(dim, hidden), nn.LayerNorm(hidden))
        self.value = nn.Linear(dim, hidden)
        self.dropout = nn.Dropout(dropout)
        self.out = nn.Linear(hidden, hidden)

    def forward(self, values: Tensor, lengths: Tensor, query: Tensor) -> Tensor:
        """Encode ``(clip, time, dim)`` as ``(clip, hidden)``; ``query`` is ``(clip, query_dim)``."""
        asked = self.query(query).unflatten(1, (self.heads, -1))
        keys, found = (layer(values).unflatten(2, (self.heads, -1)) for layer in (self.key, self.value))
        scores = torch.einsum("chd,cthd->cht", asked, keys) * asked.shape[2] ** -0.5
        own = torch.arange(values.shape[1], device=values.device) < lengths[:, None]
        weights = self.dropout(scores.masked_fill(~own[:, None], -torch.inf).softmax(dim=2))
        attended: Tensor = self.out(torch.einsum("cht,cthd->chd", weights, found).flatten(1))
        return attended
