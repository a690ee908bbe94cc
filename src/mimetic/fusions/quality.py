"""How much a modality says hangs on how well it was seen, and on who is missing: gates, and evidence that stands in."""

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
    """Each modality's evidence is linear in its vector, gated by the signs of all.

    ``score = bias(signs) + sum over modalities m of gate_m(signs) * (own_m + sum over missing k of instead_mk)``, where
    ``own_m`` and ``instead_mk``, what m says in the place of k, are ``linear_mk(worth_mk * vector_m)``. Modalities that
    repeat each other need that: with one of them gone, the other has to speak for both, and in other directions. At
    first every gate is 1 and all evidence nothing. With the signs given, what the modalities add sums to the score
    minus the bias.

    ``worth`` is a number for each column that all targets share. Under a penalty on all weights' squares the product
    costs what a group lasso would (Hoff 2017, "Lasso, fractional norm and structured sparsity"): a column that tells
    nothing of any target goes to 0 as a whole, and one that tells much is hardly shrunk.
    """

    judges = True

    def __init__(self, dims: Sequence[int], targets: int, *, hidden: int, dropout: float) -> None:
        super().__init__()
        self.targets = targets
        verdict = nn.Linear(hidden, (len(dims) + 1) * targets)
        nn.init.zeros_(verdict.weight)
        nn.init.zeros_(verdict.bias)
        self.evidence = nn.ParameterList(nn.Parameter(torch.zeros(len(dims), dim, targets)) for dim in dims)
        self.worth = nn.ParameterList(nn.Parameter(torch.full((len(dims), dim), 0.5)) for dim in dims)
        self.dropout = nn.Dropout(dropout)
        self.judge = nn.Sequential(nn.Linear(SIGNS * len(dims), hidden), nn.GELU(), verdict)

    def forward(self, vectors: Sequence[Tensor], lengths: Tensor, confidence: Tensor) -> Tensor:
        """Turn ``(clip, dim)`` vectors into ``(clip, target)``; ``confidence`` is ``(clip, modality)``, 0 to 1."""
        missing = (lengths == 0).to(confidence.dtype)
        judged = self.judge(signs_of(lengths, confidence).flatten(1)).unflatten(1, (-1, self.targets))
        score = judged[:, -1]
        for number, (vector, worth, evidence) in enumerate(zip(vectors, self.worth, self.evidence, strict=True)):
            asked = missing.clone()
            asked[:, number] = 1.0
            said = torch.einsum("cd,kdt->ckt", self.dropout(vector), worth[..., None] * evidence)
            score = score + (1.0 + judged[:, number]) * (asked[..., None] * said).sum(dim=1)
        return torch.as_tensor(score)
