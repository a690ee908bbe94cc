"""Rows as they are stored become rows as an encoder takes them: how they change, and what of them varies most.

Both work on a clip's own rows only: what stands in padding reaches no row that counts.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn


def with_differences(values: Tensor, order: int, rate: float) -> Tensor:
    """Append the first to ``order``-th differences: ``(..., time, dim)`` to ``(..., time, (1 + order) * dim)``.

    Per second, so that tracks of other rates mean the same; backwards, so that no row sees padding behind it. The first
    rows, which lack what is before them, have differences of 0. Where rows without a measurement were left out, a
    difference spans the gap.
    """
    columns, moved = [values], values
    for number in range(1, order + 1):
        moved = (moved[..., 1:, :] - moved[..., :-1, :]) * (rate or 1.0)
        columns.append(nn.functional.pad(moved, (0, 0, min(number, values.shape[-2]), 0)))
    return torch.cat(columns, dim=-1)


ROUNDING = 1e-6
"""Variance of a direction, as a share of the largest, below which there is nothing in it but rounding."""


class Principal(nn.Module):
    """Rows in the directions in which they vary most, each to deviation 1, as fitted; the first columns until then.

    Where rows have fewer directions than are asked for, what is left of the columns is 0: rounding is not blown up.
    """

    mean: Tensor
    axes: Tensor

    def __init__(self, dim: int, components: int) -> None:
        super().__init__()
        self.out_dim = min(components, dim)
        self.register_buffer("mean", torch.zeros(dim))
        self.register_buffer("axes", torch.eye(dim, self.out_dim))

    def fit(self, tracks: Iterable[Tensor]) -> None:
        """Take the principal directions over all rows of ``(time, dim)`` tracks.

        A direction's sign is chosen so that its largest entry is above 0: no library's choice is left in it.
        """
        dim, rows = len(self.mean), 0
        total, products = torch.zeros(dim, dtype=torch.float64), torch.zeros(dim, dim, dtype=torch.float64)
        for values in _blocks(tracks):
            rows += len(values)
            total += values.sum(dim=0)
            products += values.T @ values
        if not rows:
            return
        mean = total / rows
        variances, directions = torch.linalg.eigh(products / rows - torch.outer(mean, mean))
        kept, axes = variances.flip(0)[: self.out_dim], directions.flip(1)[:, : self.out_dim]
        scales = torch.where(kept > ROUNDING * kept[0].clamp_min(1e-30), kept.clamp_min(1e-30).rsqrt(), 0.0)
        largest = axes.gather(0, axes.abs().argmax(dim=0, keepdim=True))
        self.mean.copy_(mean)
        self.axes.copy_(axes * torch.where(largest < 0, -scales, scales))

    def forward(self, values: Tensor) -> Tensor:
        """Turn ``(..., dim)`` into ``(..., component)``."""
        return (values - self.mean) @ self.axes


def _blocks(tracks: Iterable[Tensor], *, rows: int = 4096) -> Iterable[Tensor]:
    """Put tracks together to blocks of so many rows, or a few more: short products are slow ones."""
    waiting: list[Tensor] = []
    for values in tracks:
        waiting.append(values)
        if sum(map(len, waiting)) >= rows:
            yield torch.cat(waiting)
            waiting = []
    if waiting:
        yield torch.cat(waiting)
