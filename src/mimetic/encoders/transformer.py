"""A small transformer over a track: every row of a clip sees all others of its own, ``(clip, time, dim)`` in.

Positions are sines of many wavelengths (Vaswani et al. 2017), computed for as many rows as there are: no clip is too
long for them. Attention costs the square of the length, so long tracks want ``seconds``, ``crop`` or a lower rate.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from mimetic.records import UsageError

LONGEST = 10_000.0
"""The longest wavelength of the positions, over 2 pi, in rows."""


def positions(rows: int, width: int, device: torch.device) -> Tensor:
    """Give sines and cosines of the row's number, ``(time, width)``."""
    half = (width + 1) // 2
    rates = torch.exp(-math.log(LONGEST) * torch.arange(half, device=device) / half)
    angles = torch.arange(rows, device=device)[:, None] * rates
    return torch.cat([angles.sin(), angles.cos()], dim=1)[:, :width]


class Block(nn.Module):
    """Attention, then two layers, each normed before and with a way round it."""

    def __init__(self, width: int, *, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))
        self.ask = nn.Linear(width, 3 * width)
        self.answer = nn.Linear(width, width)
        self.think = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))
        self.dropout = nn.Dropout(dropout)

    def forward(self, states: Tensor, own: Tensor) -> Tensor:
        """Go from ``(clip, time, width)`` to the same; ``own`` is ``(clip, time)`` bool, false in padding."""
        asked = self.ask(self.norms[0](states)).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        query, key, value = asked.unbind()
        seen = nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=own[:, None, None])
        states = states + self.dropout(self.answer(seen.transpose(1, 2).flatten(2)))
        after: Tensor = states + self.dropout(self.think(self.norms[1](states)))
        return after


class Transformer(nn.Module):
    """A layer, positions, blocks, a norm, then the mean over the clip's own rows."""

    def __init__(self, dim: int, *, hidden: int, layers: int, heads: int, dropout: float) -> None:
        super().__init__()
        if hidden % heads:
            raise UsageError(f"hidden is {hidden}, no multiple of {heads} heads", remedy="Change either.")
        self.out_dim = hidden
        self.enter = nn.Sequential(nn.LayerNorm(dim), nn.Linear(dim, hidden))
        self.blocks = nn.ModuleList(Block(hidden, heads=heads, dropout=dropout) for _ in range(layers))
        self.leave = nn.LayerNorm(hidden)

    def forward(self, values: Tensor, lengths: Tensor) -> Tensor:
        """Encode ``(clip, time, dim)`` as ``(clip, hidden)``."""
        own = torch.arange(values.shape[1], device=values.device) < lengths[:, None]
        states = self.enter(values) + positions(values.shape[1], self.out_dim, values.device)
        for block in self.blocks:
            states = block(states, own)
        rows: Tensor = self.leave(states).masked_fill(~own[..., None], 0.0)
        return rows.sum(dim=1) / lengths[:, None]
