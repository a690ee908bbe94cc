"""A small transformer over the modalities: each is a token that sees the others, then the mean of all is scored."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class Tokens(nn.Module):
    """Each vector to one width, what modality it is added, layers of attention among them, mean, Linear.

    What a modality adds to a score hangs on the others: contributions have to be counted (``mimetic.contributions``).
    """

    def __init__(
        self, dims: Sequence[int], targets: int, *, width: int, layers: int, heads: int, dropout: float
    ) -> None:
        super().__init__()
        self.enter = nn.ModuleList(nn.Sequential(nn.LayerNorm(dim), nn.Linear(dim, width)) for dim in dims)
        self.kinds = nn.Parameter(0.02 * torch.randn(len(dims), width))
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(
                width, heads, 2 * width, dropout, activation="gelu", batch_first=True, norm_first=True
            )
            for _ in range(layers)
        )
        self.leave = nn.Sequential(nn.LayerNorm(width), nn.Dropout(dropout), nn.Linear(width, targets))

    def forward(self, vectors: Sequence[Tensor], lengths: Tensor) -> Tensor:  # noqa: ARG002 - other fusions use them
        """Turn ``(clip, dim)`` vectors into ``(clip, target)``; lengths say nothing here."""
        entered = [enter(vector) for enter, vector in zip(self.enter, vectors, strict=True)]
        tokens = torch.stack(entered, dim=1) + self.kinds
        for layer in self.layers:
            tokens = layer(tokens)
        scores: Tensor = self.leave(tokens.mean(dim=1))
        return scores
