"""The modalities' own scores are weighed: a weighted mean for each target."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

LONG = 100
"""Rows of a track from which on its length says no more for it: 20 s of the re-study's five a second."""


class Weights(nn.Module):
    """A weight for each modality and target, the same for every clip, equal at first."""

    def __init__(self, dims: Sequence[int], targets: int) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.zeros(len(dims), targets))

    def forward(self, vectors: Sequence[Tensor], lengths: Tensor) -> Tensor:  # noqa: ARG002 - the gate uses them
        """Turn ``(clip, target)`` scores of each modality into ``(clip, target)``; lengths say nothing here."""
        return (torch.stack(list(vectors), dim=1) * self.weights.softmax(dim=0)).sum(dim=1)


class Mean(nn.Module):
    """The plain mean: nothing is learned but what the modalities' own heads and the missing tokens say."""

    def __init__(self, dims: Sequence[int], targets: int) -> None:
        super().__init__()
        assert set(dims) == {targets}, dims

    def forward(self, vectors: Sequence[Tensor], lengths: Tensor) -> Tensor:  # noqa: ARG002 - the gate uses them
        """Turn ``(clip, target)`` scores of each modality into ``(clip, target)``; lengths say nothing here."""
        return torch.stack(list(vectors), dim=1).mean(dim=1)


class Gate(nn.Module):
    """Weights of each clip's own, by one small network for all modalities: the re-study's gate.

    It sees a modality's scores, how long its track is and whether it is there. (Theirs measures quality by length for
    sound only, by the size of the vector for words and by the detector's confidence for faces.)
    """

    def __init__(self, dims: Sequence[int], targets: int, *, hidden: int) -> None:
        super().__init__()
        assert set(dims) == {targets}, dims
        self.net = nn.Sequential(nn.Linear(targets + 2, hidden), nn.GELU(), nn.Linear(hidden, targets))
        self.bias = nn.Parameter(torch.zeros(targets))

    def forward(self, vectors: Sequence[Tensor], lengths: Tensor) -> Tensor:
        """Turn ``(clip, target)`` scores of each modality into ``(clip, target)``."""
        scores = torch.stack(list(vectors), dim=1)
        signs = torch.stack([(lengths / LONG).clamp_max(1.0), (lengths > 0).float()], dim=2)
        weights = self.net(torch.cat([scores, signs], dim=2)).softmax(dim=1)
        weighed: Tensor = (scores * weights).sum(dim=1) + self.bias
        return weighed
