"""Encoders that pool over time first: ``(clip, time, dim)`` becomes one row of statistics, then one layer, or none.

The layer is the poster's: LayerNorm, Linear, GELU, Dropout, LayerNorm. Attention is its, too: one linear scorer on
the raw features, a softmax over the clip's own frames.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


def padding_mask(values: Tensor, lengths: Tensor) -> Tensor:
    """Tell a clip's own rows from padding: ``(clip, time, 1)`` bool."""
    time = torch.arange(values.shape[1], device=values.device)
    return (time[None, :] < lengths[:, None])[..., None]


def masked_mean(values: Tensor, lengths: Tensor) -> Tensor:
    """Give the mean over each clip's own rows, ``(clip, dim)``."""
    own = values.masked_fill(~padding_mask(values, lengths), 0.0)
    return own.sum(dim=1) / lengths[:, None]


def mean_and_deviation(values: Tensor, lengths: Tensor) -> Tensor:
    """Give mean and population deviation over each clip's own rows, ``(clip, 2 * dim)``."""
    mean = masked_mean(values, lengths)
    variance = masked_mean((values - mean[:, None]).square(), lengths)
    deviation = variance.clamp_min(1e-12).sqrt()  # a clip of one row has none, and its root no gradient
    return torch.cat([mean, deviation], dim=1)


class Projection(nn.Sequential):
    """LayerNorm, Linear, GELU, Dropout, LayerNorm: ``(clip, dim)`` to ``(clip, hidden)``.

    ``gain`` is where the first norm's scale starts. Below 1 the layer's inputs are small, and its weights have to grow
    before they fit one clip's noise: worth choosing where there are more columns than a few clips can tell apart.
    """

    def __init__(self, dim: int, *, hidden: int, dropout: float, gain: float) -> None:
        norm = nn.LayerNorm(dim)
        nn.init.constant_(norm.weight, gain)
        super().__init__(norm, nn.Linear(dim, hidden), nn.GELU(), nn.Dropout(dropout), nn.LayerNorm(hidden))


class Pooled(nn.Module):
    """Statistics over time, which learn nothing, then what reads them."""

    out_dim: int

    def pool(self, values: Tensor, lengths: Tensor) -> Tensor:
        """Pool ``(clip, time, dim)`` to ``(clip, width)``."""
        raise NotImplementedError

    def read(self, pooled: Tensor) -> Tensor:
        """Take the statistics as they are."""
        return pooled

    def forward(self, values: Tensor, lengths: Tensor) -> Tensor:
        """Encode ``(clip, time, dim)`` as ``(clip, out_dim)``."""
        return self.read(self.pool(values, lengths))


class Mean(Pooled):
    """The mean over time as it is."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.out_dim = dim

    def pool(self, values: Tensor, lengths: Tensor) -> Tensor:
        """Give the mean over each clip's own rows."""
        return masked_mean(values, lengths)


class Statistics(Pooled):
    """Mean, population deviation, minimum and maximum over time, side by side."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.out_dim = 4 * dim

    def pool(self, values: Tensor, lengths: Tensor) -> Tensor:
        """Give ``(clip, 4 * dim)``."""
        padding = ~padding_mask(values, lengths)
        least = values.masked_fill(padding, torch.inf).amin(dim=1)
        most = values.masked_fill(padding, -torch.inf).amax(dim=1)
        return torch.cat([mean_and_deviation(values, lengths), least, most], dim=1)


class ProjectedMean(Pooled):
    """The mean over time, projected. For a track of one row, a plain MLP."""

    def __init__(self, dim: int, *, hidden: int, dropout: float, gain: float) -> None:
        super().__init__()
        self.out_dim = hidden
        self.project = Projection(dim, hidden=hidden, dropout=dropout, gain=gain)

    def pool(self, values: Tensor, lengths: Tensor) -> Tensor:
        """Give the mean over each clip's own rows."""
        return masked_mean(values, lengths)

    def read(self, pooled: Tensor) -> Tensor:
        """Project."""
        projected: Tensor = self.project(pooled)
        return projected


class ProjectedMeanStd(Pooled):
    """Mean and population deviation over time, side by side, projected."""

    def __init__(self, dim: int, *, hidden: int, dropout: float, gain: float) -> None:
        super().__init__()
        self.out_dim = hidden
        self.project = Projection(2 * dim, hidden=hidden, dropout=dropout, gain=gain)

    def pool(self, values: Tensor, lengths: Tensor) -> Tensor:
        """Give both, ``(clip, 2 * dim)``."""
        return mean_and_deviation(values, lengths)

    def read(self, pooled: Tensor) -> Tensor:
        """Project."""
        projected: Tensor = self.project(pooled)
        return projected


class Attention(nn.Module):
    """A weighted mean over time, the weights by one linear scorer, projected."""

    def __init__(self, dim: int, *, hidden: int, dropout: float, gain: float) -> None:
        super().__init__()
        self.out_dim = hidden
        self.score = nn.Linear(dim, 1)
        self.project = Projection(dim, hidden=hidden, dropout=dropout, gain=gain)

    def forward(self, values: Tensor, lengths: Tensor) -> Tensor:
        """Encode ``(clip, time, dim)`` as ``(clip, hidden)``."""
        scores = self.score(values).masked_fill(~padding_mask(values, lengths), -torch.inf)
        pooled = torch.einsum("cto,ctd->cd", scores.softmax(dim=1), values)
        projected: Tensor = self.project(pooled)
        return projected
