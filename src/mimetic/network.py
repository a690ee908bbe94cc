"""A recipe becomes a network: a batch of tracks in, ``(clip, target)`` scores out.

Each part prepares and encodes its modality; one learned token stands for each modality that is missing, whatever
the reason: no sound in the clip, no face found, or dropped in training. A fusion turns the vectors into scores.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mimetic.batches import Batch, Ragged, make_batch
from mimetic.encoders import ENCODERS
from mimetic.fusions import FUSIONS
from mimetic.recipes import Part, Recipe

EVALUATED_AT_ONCE = 256
"""Clips in one pass of evaluation."""


class Standardise(nn.Module):
    """Each column to mean 0 and deviation 1 over the rows it was fitted on; the identity until then."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(dim))
        self.register_buffer("deviation", torch.ones(dim))

    def fit(self, tracks: Iterable[Tensor]) -> None:
        """Take mean and deviation over all rows of ``(time, dim)`` tracks; a constant column keeps its scale."""
        total = torch.zeros_like(self.mean, dtype=torch.float64)
        squares, rows = torch.zeros_like(total), 0
        centre: Tensor | None = None
        for values in tracks:
            centre = values.mean(dim=0) if centre is None else centre
            total += (values - centre).sum(dim=0)
            squares += (values - centre).square().sum(dim=0)
            rows += len(values)
        if centre is None:
            return
        mean = total / rows
        deviation = (squares / rows - mean.square()).clamp_min(0).sqrt()
        self.mean.copy_(centre + mean)
        self.deviation.copy_(torch.where(deviation > 1e-6, deviation, 1.0))

    def forward(self, values: Tensor) -> Tensor:
        """Standardise ``(clip, time, dim)``."""
        return (values - self.mean) / self.deviation


class Branch(nn.Module):
    """One part: prepare its rows, encode them; and, where the fusion weighs scores, its own head."""

    def __init__(self, part: Part, dim: int, *, query_dim: int, targets: int, takes: str) -> None:
        super().__init__()
        entry = ENCODERS[part.encoder]
        options = {**entry.options, **part.options, **({"query_dim": query_dim} if entry.queried else {})}
        self.queried = entry.queried
        self.unit = part.unit
        self.standardise = Standardise(dim) if part.standardise else nn.Identity()
        self.encoder = entry.load()(dim, **options)
        self.out_dim: int = self.encoder.out_dim
        self.head: nn.Module | None = None
        if takes == "scores":
            self.head = _fusion(part.head, part.head_options, [self.out_dim], targets)
            self.out_dim = targets

    def fit(self, ragged: Ragged, clips: Iterable[int]) -> None:
        """Fit what prepares rows on these clips, if anything has to be."""
        if isinstance(self.standardise, Standardise):
            tracks = (ragged.values[clip] for clip in clips)
            rows = (torch.from_numpy(track.astype("float64")) for track in tracks if track is not None and len(track))
            self.standardise.fit(map(self._lengths, rows))

    def prepare(self, values: Tensor) -> Tensor:
        """Turn rows ``(clip, time, dim)`` as they are stored into rows as the encoder takes them."""
        prepared: Tensor = self.standardise(self._lengths(values))
        return prepared

    def _lengths(self, values: Tensor) -> Tensor:
        return nn.functional.normalize(values, dim=-1) if self.unit else values

    def forward(self, values: Tensor, lengths: Tensor, query: Tensor) -> Tensor:
        """Encode ``(clip, time, dim)`` as ``(clip, out_dim)``; ``query`` is the first modality's ``(clip, dim)``."""
        vectors: Tensor = self.encoder(values, lengths, query) if self.queried else self.encoder(values, lengths)
        return vectors if self.head is None else self.head([vectors], lengths[:, None])


class Network(nn.Module):
    """All of a recipe that learns."""

    def __init__(self, recipe: Recipe, dims: Sequence[int], targets: int) -> None:
        super().__init__()
        self.targets = targets
        self.seconds = tuple(part.seconds for part in recipe.parts)
        takes = FUSIONS[recipe.fusion].takes
        self.branches = nn.ModuleList()
        for part, dim in zip(recipe.parts, dims, strict=True):
            query_dim = self._branches[0].out_dim if len(self.branches) else 0
            self.branches.append(Branch(part, dim, query_dim=query_dim, targets=targets, takes=takes))
        widths = [branch.out_dim for branch in self._branches]
        self.stands_for_input = recipe.tokens == "inputs"
        stood_for = dims if self.stands_for_input else widths
        self.tokens = nn.ParameterList(nn.Parameter(0.02 * torch.randn(width)) for width in stood_for)
        self.fusion = _fusion(recipe.fusion, recipe.options, widths, targets)

    @property
    def _branches(self) -> list[Branch]:
        return [branch for branch in self.branches if isinstance(branch, Branch)]

    def forward(self, batch: Batch) -> Tensor:
        """Score a batch: ``(clip, target)``."""
        vectors: list[Tensor] = []
        for modality in range(len(self.tokens)):
            vectors.append(self._vectors(batch, modality, vectors))
        scores: Tensor = self.fusion(vectors, batch.lengths)
        return scores

    def subsets(self, batch: Batch) -> Tensor:
        """Score a batch with every subset of its modalities, the others missing: ``(subset, clip, target)``.

        A subset's number has the bit ``1 << modality`` for each modality in it; what is not in it is missing like
        anything that was never there. An encoder runs once, and one that the first modality asks with it and without.
        """
        vectors = [self._either(batch, modality) for modality in range(len(self.tokens))]
        scores = []
        for subset in range(2 ** len(self.tokens)):
            there = [subset >> modality & 1 for modality in range(len(self.tokens))]
            chosen = [of[own][there[0]] for of, own in zip(vectors, there, strict=True)]
            scores.append(self.fusion(chosen, batch.lengths * batch.lengths.new_tensor(there)))
        return torch.stack(scores)

    def _either(self, batch: Batch, modality: int) -> list[list[Tensor]]:
        """Encode one modality without it and with it; each where the first one, which may ask it, is missing or not."""
        none = Batch(buckets=((),) * len(self.tokens), lengths=torch.zeros_like(batch.lengths))
        if not self._branches[modality].queried:
            return [[self._vectors(own, modality, [])] * 2 for own in (none, batch)]
        asking = [self._vectors(first, 0, []) for first in (none, batch)]
        return [[self._vectors(own, modality, [asked]) for asked in asking] for own in (none, batch)]

    def _vectors(self, batch: Batch, modality: int, before: Sequence[Tensor]) -> Tensor:
        """Encode one modality of the batch as ``(clip, out_dim)``, its token where it is missing."""
        branch = self._branches[modality]
        token: Tensor = self.tokens[modality]
        query = before[0] if before else token
        clips = len(batch.lengths)
        vectors = token.new_zeros(clips, branch.out_dim) if self.stands_for_input else token.expand(clips, -1)
        for bucket in batch.buckets[modality]:
            asked = query[bucket.rows] if branch.queried else query
            encoded = branch(branch.prepare(bucket.values), bucket.lengths, asked)
            vectors = torch.index_copy(vectors, 0, bucket.rows, encoded)
        if not self.stands_for_input:
            return vectors
        missing = torch.nonzero(batch.lengths[:, modality] == 0)[:, 0]
        if not len(missing):
            return vectors
        asked = query[missing] if branch.queried else query
        encoded = branch(token.expand(len(missing), 1, -1), missing.new_ones(len(missing)), asked)
        return torch.index_copy(vectors, 0, missing, encoded)


def _fusion(name: str, options: Mapping[str, Any], widths: Sequence[int], targets: int) -> nn.Module:
    entry = FUSIONS[name]
    made: nn.Module = entry.load()(widths, targets, **{**entry.options, **options})
    return made


def count_parameters(network: Network, recipe: Recipe) -> dict[str, int]:
    """Count what learns, by part: each modality's encoder, the fusion (or head), the missing tokens."""
    head = "head" if len(recipe.parts) == 1 else "fusion"
    counts = {modality: _count(branch) for modality, branch in zip(recipe.modalities, network.branches, strict=True)}
    return {**counts, head: _count(network.fusion), "missing tokens": _count(network.tokens)}


def _count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def score_tracks(
    network: Network, parts: tuple[Ragged, ...], clips: NDArray[np.intp], device: torch.device
) -> NDArray[np.float64]:
    """Score clips, ``(clip, target)``: the same for each clip whatever others are asked for with it."""
    if not len(clips):
        return np.zeros((0, network.targets))
    parts = tuple(part.beginning(seconds) for part, seconds in zip(parts, network.seconds, strict=True))
    lengths = np.max([part.lengths[clips] for part in parts], axis=0)
    order = np.argsort(lengths, kind="stable")
    scores: NDArray[np.float64] | None = None
    with torch.inference_mode():
        for places in np.array_split(order, -(-len(clips) // EVALUATED_AT_ONCE)):
            values = network(make_batch(parts, clips[places], device)).double().cpu().numpy()
            scores = np.empty((len(clips), values.shape[1])) if scores is None else scores
            scores[places] = values
    assert scores is not None
    return scores
