"""Encoders that see a track through convolutions over time: ``(clip, time, dim)`` in, one vector a clip out.

Padding is zero before every convolution, and in no norm's mean: a clip is encoded as if it were alone.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

GROUPS = 8
"""Of channels that a norm treats together. The re-study's number is not known; parameters do not depend on it."""

TEMPERATURE = 1.5
"""That attention's scores are divided by."""

SCORED = 128
"""Columns of the layer that attention scores with."""


class GroupNorm(nn.Module):
    """Groups of channels to mean 0 and deviation 1 over a clip's own rows, then a scale and a shift a channel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.groups = next(groups for groups in range(GROUPS, 0, -1) if channels % groups == 0)
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, values: Tensor, own: Tensor) -> Tensor:
        """Norm ``(clip, channel, time)``; ``own`` is ``(clip, 1, time)``, 1 where a row is the clip's, else 0."""
        clips, channels, time = values.shape
        grouped = (values * own).view(clips, self.groups, -1)
        count = own.sum(dim=2, keepdim=True) * (channels // self.groups)
        mean = grouped.sum(dim=2, keepdim=True) / count
        centred = (grouped - mean).view(clips, self.groups, -1, time) * own[:, :, None]
        variance = centred.square().sum(dim=(2, 3), keepdim=True) / count[..., None]
        normed = (centred * (variance + 1e-5).rsqrt()).view(clips, channels, time)
        return (normed * self.weight[:, None] + self.bias[:, None]) * own


class Block(nn.Module):
    """Two dilated convolutions of width 3, each normed, and a way round them."""

    def __init__(self, channels: int, *, dilation: int, dropout: float) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(
            nn.Conv1d(channels, channels, 3, padding=dilation, dilation=dilation) for _ in range(2)
        )
        self.norms = nn.ModuleList(GroupNorm(channels) for _ in range(2))
        self.dropout = nn.Dropout(dropout)

    def forward(self, values: Tensor, own: Tensor) -> Tensor:
        """Go from ``(clip, channel, time)``, zero in padding, to the same."""
        seen = values
        for convolve, norm in zip(self.convolutions, self.norms, strict=True):
            seen = self.dropout(nn.functional.gelu(norm(convolve(seen), own)))
        return values + seen


class TCN(nn.Module):
    """A layer, dilated convolutions (1, 2, 4 ... rows apart), then the mean and the deviation under attention."""

    def __init__(self, dim: int, *, hidden: int, blocks: int, dropout: float) -> None:
        super().__init__()
        self.out_dim = 2 * hidden
        self.enter = nn.Sequential(nn.Linear(dim, hidden), nn.LayerNorm(hidden), nn.Dropout(dropout))
        self.blocks = nn.ModuleList(Block(hidden, dilation=2**i, dropout=dropout) for i in range(blocks))
        self.score = nn.Sequential(nn.Linear(hidden, SCORED), nn.Tanh(), nn.Linear(SCORED, 1))

    def forward(self, values: Tensor, lengths: Tensor) -> Tensor:
        """Encode ``(clip, time, dim)`` as ``(clip, 2 * hidden)``."""
        is_own = torch.arange(values.shape[1], device=values.device) < lengths[:, None]
        own = is_own[:, None].to(values.dtype)
        states = self.enter(values).transpose(1, 2) * own
        for block in self.blocks:
            states = block(states, own)
        rows = states.transpose(1, 2)
        scores = (self.score(rows) / TEMPERATURE).masked_fill(~is_own[..., None], -torch.inf)
        weights = scores.softmax(dim=1)
        mean = (weights * rows).sum(dim=1)
        variance = (weights * (rows - mean[:, None]).square()).sum(dim=1)
        return torch.cat([mean, variance.clamp_min(1e-12).sqrt()], dim=1)
