"""A recipe becomes a network: a batch of tracks in, ``(clip, target)`` scores out.

Each part prepares and encodes its modality; one learned token stands for each modality that is missing, whatever
the reason: no sound in the clip, no face found, or dropped in training. A fusion turns the vectors into scores.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mimetic.batches import Batch, Ragged, make_batch
from mimetic.branches import Branch as Branch
from mimetic.branches import Output, fuse, make_fusion, make_head
from mimetic.branches import Standardise as Standardise
from mimetic.fusions import FUSIONS
from mimetic.recipes import Recipe

EVALUATED_AT_ONCE, ROWS_AT_ONCE = 256, 16_384
"""Clips, and rows of the longest modality, in one pass of evaluation; a longer clip is one of its own."""

PRIOR = 3
"""Columns of arousal, dominance and valence, the last ones of a speech model's own heads."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Outputs:
    """What a network says of a batch: ``scores`` ``(clip, target)``, and what only training looks at.

    ``gates`` are a hurdle's chances that there is anything at all, ``(clip, target)``; ``alone`` each modality's own
    scores, ``(clip, target)`` each, where each has a head.
    """

    scores: Tensor
    gates: Tensor | None = None
    alone: tuple[Tensor, ...] = ()


class Network(nn.Module):
    """All of a recipe that learns."""

    def __init__(self, recipe: Recipe, dims: Sequence[int], targets: int) -> None:
        super().__init__()
        self.targets, self.output = targets, Output(recipe.output, targets)
        self.seconds = tuple(part.seconds for part in recipe.parts)
        takes = FUSIONS[recipe.fusion].takes
        self.branches = nn.ModuleList()
        for part, dim in zip(recipe.parts, dims, strict=True):
            query_dim = self.parts[0].out_dim if len(self.branches) else 0
            self.branches.append(Branch(part, dim, query_dim=query_dim, targets=targets, takes=takes))
        widths = [branch.out_dim for branch in self.parts]
        self.stands_for_input = recipe.tokens == "inputs"
        stood_for = [branch.in_dim for branch in self.parts] if self.stands_for_input else widths
        self.tokens = nn.ParameterList(nn.Parameter(0.02 * torch.randn(width)) for width in stood_for)
        self.fusion = make_fusion(recipe.fusion, recipe.options, widths, self.output.width)
        self.alone = recipe.auxiliary > 0
        has_heads = self.alone and takes == "vectors"
        self.heads = nn.ModuleList(
            make_head(part, width, targets) for part, width in zip(recipe.parts, widths, strict=True) if has_heads
        )
        self.outputs_alone = nn.ModuleList(Output(part.output, targets) for part in recipe.parts if has_heads)
        self.prior = Prior(recipe, widths) if recipe.prior else None

    @property
    def parts(self) -> list[Branch]:
        """Give its branches."""
        return [branch for branch in self.branches if isinstance(branch, Branch)]

    @property
    def own(self) -> list[nn.Parameter]:
        """All that learns but the encoders."""
        prior = [] if self.prior is None else list(self.prior.parameters())
        return [*self.tokens.parameters(), *self.fusion.parameters(), *self.heads.parameters(), *prior]

    def fit(self, labels: Tensor) -> None:
        """Start where the training labels ``(clip, target)`` are, as far as outputs are told to."""
        for module in self.modules():
            if isinstance(module, Output):
                module.fit(labels)

    def forward(self, batch: Batch) -> Tensor:
        """Score a batch: ``(clip, target)``."""
        return self.outputs(batch).scores

    def outputs(self, batch: Batch) -> Outputs:
        """Score a batch, with all that training looks at."""
        vectors: list[Tensor] = []
        for modality in range(len(self.tokens)):
            vectors.append(self._vectors(batch, modality, vectors))
        scores, gates = self._fused(vectors, batch, batch.lengths)
        return Outputs(scores=scores, gates=gates, alone=self._alone(vectors, batch) if self.alone else ())

    def _fused(self, vectors: Sequence[Tensor], batch: Batch, lengths: Tensor) -> tuple[Tensor, Tensor | None]:
        """Fuse the vectors of a batch; ``lengths`` are 0 where what the batch has is not to be seen."""
        if self.prior is not None:
            vectors = self.prior(vectors, batch, lengths)
        raw = fuse(self.fusion, vectors, lengths, batch.confidence * (lengths > 0))
        found: tuple[Tensor, Tensor | None] = self.output(raw)
        return found

    def _alone(self, vectors: Sequence[Tensor], batch: Batch) -> tuple[Tensor, ...]:
        if not len(self.heads):
            return tuple(vectors)
        both = zip(self.heads, vectors, self.outputs_alone, strict=True)
        return tuple(
            output(fuse(head, [vector], batch.lengths[:, i : i + 1], batch.confidence[:, i : i + 1]))[0]
            for i, (head, vector, output) in enumerate(both)
        )

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
            scores.append(self._fused(chosen, batch, batch.lengths * batch.lengths.new_tensor(there))[0])
        return torch.stack(scores)

    def _either(self, batch: Batch, modality: int) -> list[list[Tensor]]:
        """Encode one modality without it and with it; each where the first one, which may ask it, is missing or not."""
        none = Batch(buckets=((),) * len(self.tokens), lengths=torch.zeros_like(batch.lengths))
        if not self.parts[modality].queried:
            return [[self._vectors(own, modality, [])] * 2 for own in (none, batch)]
        asking = [self._vectors(first, 0, []) for first in (none, batch)]
        return [[self._vectors(own, modality, [asked]) for asked in asking] for own in (none, batch)]

    def _vectors(self, batch: Batch, modality: int, before: Sequence[Tensor]) -> Tensor:
        """Encode one modality of the batch as ``(clip, out_dim)``, its token where it is missing."""
        branch = self.parts[modality]
        token: Tensor = self.tokens[modality]
        query = before[0] if before else token
        clips = len(batch.lengths)
        vectors = token.new_zeros(clips, branch.out_dim) if self.stands_for_input else token.expand(clips, -1)
        for bucket in batch.buckets[modality]:
            asked = query[bucket.rows] if branch.queried else query
            vectors = torch.index_copy(vectors, 0, bucket.rows, branch.encode(bucket, asked))
        if not self.stands_for_input:
            return vectors
        missing = torch.nonzero(batch.lengths[:, modality] == 0)[:, 0]
        if not len(missing):
            return vectors
        asked = query[missing] if branch.queried else query
        encoded = branch(token.expand(len(missing), 1, -1), missing.new_ones(len(missing)), asked)
        return torch.index_copy(vectors, 0, missing, encoded)


class Prior(nn.Module):
    """What a speech model says of arousal, dominance and valence moves every modality's vector, by nothing at first.

    The mean over a clip's rows of its last three columns as they are; three learned numbers where there is no sound.
    """

    def __init__(self, recipe: Recipe, widths: Sequence[int]) -> None:
        super().__init__()
        self.modality = next(number for number, part in enumerate(recipe.parts) if part.gives_prior)
        self.token = nn.Parameter(torch.full((PRIOR,), 0.5))
        moves = [nn.Linear(PRIOR, width, bias=False) for width in widths]
        for move in moves:
            nn.init.zeros_(move.weight)
        self.moves = nn.ModuleList(moves)

    def forward(self, vectors: Sequence[Tensor], batch: Batch, lengths: Tensor) -> list[Tensor]:
        """Move the vectors; where ``lengths`` are 0 the token stands for the prior."""
        said = self.token.expand(len(lengths), -1)
        for bucket in batch.buckets[self.modality]:
            rows = torch.arange(bucket.values.shape[1], device=said.device) < bucket.lengths[:, None]
            mean = (bucket.values[..., -PRIOR:] * rows[..., None]).sum(dim=1) / bucket.lengths[:, None]
            heard = lengths[bucket.rows, self.modality, None] > 0
            said = torch.index_copy(said, 0, bucket.rows, torch.where(heard, mean, said[bucket.rows]))
        return [vector + move(said) for vector, move in zip(vectors, self.moves, strict=True)]


def count_parameters(network: Network, recipe: Recipe) -> dict[str, int]:
    """Count what learns, by part: each modality's encoder, the fusion (or head), the missing tokens."""
    head = "head" if len(recipe.parts) == 1 else "fusion"
    counts = {modality: _count(branch) for modality, branch in zip(recipe.modalities, network.branches, strict=True)}
    own = {head: _count(network.fusion), "missing tokens": _count(network.tokens)}
    extra = {"own heads": _count(network.heads), "prior": 0 if network.prior is None else _count(network.prior)}
    return {**counts, **own, **{name: count for name, count in extra.items() if count}}


def _count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def _passes(order: NDArray[np.intp], lengths: NDArray[np.int64]) -> Iterator[NDArray[np.intp]]:
    """Cut clips in an order of ascending lengths into passes that memory can hold."""
    for places in np.array_split(order, -(-len(order) // EVALUATED_AT_ONCE)):
        rows = int(lengths[places].sum())
        yield from np.array_split(places, min(len(places), -(-rows // ROWS_AT_ONCE) or 1))


def score_tracks(
    network: Network, parts: Sequence[Ragged], clips: NDArray[np.intp], device: torch.device
) -> NDArray[np.float64]:
    """Score clips, ``(clip, target)``: the same for each clip whatever others are asked for with it."""
    if not len(clips):
        return np.zeros((0, network.targets))
    parts = [part.beginning(seconds) for part, seconds in zip(parts, network.seconds, strict=True)]
    lengths = np.max([part.lengths[clips] for part in parts], axis=0)
    order = np.argsort(lengths, kind="stable")
    scores: NDArray[np.float64] | None = None
    with torch.inference_mode():
        for places in _passes(order, lengths):
            values = network(make_batch(parts, clips[places], device)).double().cpu().numpy()
            scores = np.empty((len(clips), values.shape[1])) if scores is None else scores
            scores[places] = values
    assert scores is not None
    return scores
