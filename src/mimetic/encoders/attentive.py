"""Attentive statistics: the mean and the deviation of a track under learned attention, ``(clip, time, dim)`` in.

Where a track says how well each row was measured, attention can lean on that too. Formulas: Okabe, Koshinaka and
Shinoda 2018, "Attentive statistics pooling"; several heads as Safari, India and Hernando 2020 have them.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

FAINTEST = 1e-3
"""Quality below which a row is no worse: its logarithm has to end somewhere."""


class Scorer(nn.Module):
    """Scores each row for each head: LayerNorm, Linear, tanh, Linear, over a temperature."""

    def __init__(self, dim: int, *, scored: int, heads: int, temperature: float) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.LayerNorm(dim), nn.Linear(dim, scored), nn.Tanh(), nn.Linear(scored, heads))
        self.temperature = max(temperature, 1e-3)

    def forward(self, values: Tensor) -> Tensor:
        """Score ``(clip, time, dim)`` as ``(clip, time, head)``."""
        scores: Tensor = self.net(values) / self.temperature
        return scores


def mean_and_deviation_under(scores: Tensor, values: Tensor, lengths: Tensor) -> Tensor:
    """Give each head's mean and deviation over a clip's own rows: ``(clip, 2 * head * dim)``.

    ``scores`` are ``(clip, time, head)``; their softmax over time are the weights.
    """
    own = torch.arange(values.shape[1], device=values.device) < lengths[:, None]
    weights = scores.masked_fill(~own[..., None], -torch.inf).softmax(dim=1)
    rows = values.masked_fill(~own[..., None], 0.0)
    mean = torch.einsum("cth,ctd->chd", weights, rows)
    variance = torch.einsum("cth,ctd->chd", weights, rows.square()) - mean.square()
    return torch.cat([mean, variance.clamp_min(1e-6).sqrt()], dim=1).flatten(1)


class Projection(nn.Sequential):
    """LayerNorm, Linear, GELU, Dropout, LayerNorm: ``(clip, dim)`` to ``(clip, hidden)``."""

    def __init__(self, dim: int, *, hidden: int, dropout: float) -> None:
        super().__init__(
            nn.LayerNorm(dim), nn.Linear(dim, hidden), nn.GELU(), nn.Dropout(dropout), nn.LayerNorm(hidden)
        )


class Attentive(nn.Module):
    """Mean and deviation under attention, projected."""

    def __init__(self, dim: int, *, hidden: int, heads: int, scored: int, temperature: float, dropout: float) -> None:
        super().__init__()
        self.out_dim = hidden
        self.score = Scorer(dim, scored=scored, heads=heads, temperature=temperature)
        self.project = Projection(2 * heads * dim, hidden=hidden, dropout=dropout)

    def forward(self, values: Tensor, lengths: Tensor) -> Tensor:
        """Encode ``(clip, time, dim)`` as ``(clip, hidden)``."""
        encoded: Tensor = self.project(mean_and_deviation_under(self.score(values), values, lengths))
        return encoded


class QualityAttentive(nn.Module):
    """As ``Attentive``; a row's score also gains ``alpha log(quality)``, alpha learned for each head, 1 at first."""

    def __init__(self, dim: int, *, hidden: int, heads: int, scored: int, temperature: float, dropout: float) -> None:
        super().__init__()
        self.out_dim = hidden
        self.score = Scorer(dim, scored=scored, heads=heads, temperature=temperature)
        self.alpha = nn.Parameter(torch.ones(heads))
        self.project = Projection(2 * heads * dim, hidden=hidden, dropout=dropout)

    def forward(self, values: Tensor, lengths: Tensor, quality: Tensor) -> Tensor:
        """Encode ``(clip, time, dim)`` as ``(clip, hidden)``; ``quality`` is ``(clip, time)``, 0 to 1."""
        scores = self.score(values) + self.alpha * quality.clamp(FAINTEST, 1.0).log()[..., None]
        encoded: Tensor = self.project(mean_and_deviation_under(scores, values, lengths))
        return encoded


class Focus(nn.Module):
    """The mean under attention as it is, the scorer linear on normed rows: all that is learned is where to look.

    What stands beside it has to be linear too, then: few weights for few clips.
    """

    def __init__(self, dim: int, *, temperature: float, dropout: float) -> None:
        super().__init__()
        self.out_dim = dim
        self.norm = nn.LayerNorm(dim, elementwise_affine=False)
        self.score = nn.Linear(dim, 1)
        self.temperature = max(temperature, 1e-3)
        self.dropout = nn.Dropout(dropout)

    def forward(self, values: Tensor, lengths: Tensor) -> Tensor:
        """Encode ``(clip, time, dim)`` as ``(clip, dim)``."""
        scores = self.score(self.norm(values)) / self.temperature
        mean = mean_and_deviation_under(scores, values, lengths)[:, : self.out_dim]
        return torch.as_tensor(self.dropout(mean))
