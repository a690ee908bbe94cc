"""How much a modality says hangs on how well it was seen: a gate on each modality's evidence, from signs of quality."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

SIGNS = 3
"""Of each modality: whether it is there, how long its track is, how sure the detector was of it."""


def signs_of(lengths: Tensor, confidence: Tensor) -> Tensor:
    """Give the signs ``(clip, modality, sign)``, each within 0 and 1: presence, length, confidence.

    A length is told by ``n / (n + 32)``: it says more while tracks are short, and never ends.
    """
    rows = lengths.to(confidence.dtype)
    return torch.stack([(lengths > 0).to(rows.dtype), rows / (rows + 32.0), confidence], dim=2)


class Quality(nn.Module):
    """Each modality's evidence for each target is linear in its vector, and gated by the signs of all modalities.

    ``score = bias(signs) + sum over modalities of gate(signs) * linear(worth * vector)``; every gate is 1 at first, and
    the evidence is nothing. With the signs given, what the modalities add sums to the score minus the bias.

    ``worth`` is a number for each column that all targets share. Under a penalty on all weights' squares the product
    costs what a group lasso would (Hoff 2017, "Lasso, fractional norm and structured sparsity"): a column that tells
    nothing of any target goes to 0 as a whole, and one that tells much is hardly shrunk.
    """

    judges = True

    def __init__(self, dims: Sequence[int], targets: int, *, hidden: int, dropout: float) -> None:
        super().__init__()
        evidence = [nn.Linear(dim, targets, bias=False) for dim in dims]
        verdict = nn.Linear(hidden, (len(dims) + 1) * targets)
        for weight in (*(of.weight for of in evidence), verdict.weight, verdict.bias):
            nn.init.zeros_(weight)
        self.evidence = nn.ModuleList(evidence)
        self.worth = nn.ParameterList(nn.Parameter(torch.full((1, dim), 0.5)) for dim in dims)
        self.dropout = nn.Dropout(dropout)
        self.judge = nn.Sequential(nn.Linear(SIGNS * len(dims), hidden), nn.GELU(), verdict)
        self.shape = (len(dims) + 1, targets)

    def forward(self, vectors: Sequence[Tensor], lengths: Tensor, confidence: Tensor) -> Tensor:
        """Turn ``(clip, dim)`` vectors into ``(clip, target)``; ``confidence`` is ``(clip, modality)``, 0 to 1."""
        each = zip(self.evidence, self.worth, vectors, strict=True)
        evidence = [of(self.dropout(worth * vector)) for of, worth, vector in each]
        judged = self.judge(signs_of(lengths, confidence).flatten(1)).unflatten(1, self.shape)
        weighed = (torch.stack(evidence, dim=1) * (1.0 + judged[:, :-1])).sum(dim=1)
        return torch.as_tensor(weighed + judged[:, -1])
