"""The vectors side by side: the poster's fusion, the winners', and the plain head of a single modality."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class SideBySide(nn.Module):
    """A network on all vectors together."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.net = nn.Sequential(*layers)

    def forward(self, vectors: Sequence[Tensor], lengths: Tensor) -> Tensor:  # noqa: ARG002 - other fusions use them
        """Turn ``(clip, dim)`` vectors into ``(clip, target)``; lengths say nothing here."""
        scores: Tensor = self.net(torch.cat(list(vectors), dim=1))
        return scores


class Linear(SideBySide):
    """Dropout, Linear: the poster's head on one encoder."""

    def __init__(self, dims: Sequence[int], targets: int, *, dropout: float) -> None:
        super().__init__(nn.Dropout(dropout), nn.Linear(sum(dims), targets))


class Sigmoid(SideBySide):
    """Dropout, Linear, sigmoid."""

    def __init__(self, dims: Sequence[int], targets: int, *, dropout: float) -> None:
        super().__init__(nn.Dropout(dropout), nn.Linear(sum(dims), targets), nn.Sigmoid())


class Concat(SideBySide):
    """LayerNorm, Dropout, Linear, GELU, Dropout, Linear; no output activation: the poster's fusion."""

    def __init__(self, dims: Sequence[int], targets: int, *, hidden: int, dropout: float) -> None:
        super().__init__(
            nn.LayerNorm(sum(dims)),
            nn.Dropout(dropout),
            nn.Linear(sum(dims), hidden),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, targets),
        )


class Plain(SideBySide):
    """Dropout, Linear, GELU, Dropout, Linear: what the winner of 2026 and the re-study put on their encoders."""

    def __init__(self, dims: Sequence[int], targets: int, *, hidden: int, input_dropout: float, dropout: float) -> None:
        super().__init__(
            nn.Dropout(input_dropout),
            nn.Linear(sum(dims), hidden),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, targets),
        )


class Tanh(SideBySide):
    """Linear, tanh, Linear: the winner's of 2025."""

    def __init__(self, dims: Sequence[int], targets: int, *, hidden: int) -> None:
        super().__init__(nn.Linear(sum(dims), hidden), nn.Tanh(), nn.Linear(hidden, targets))
