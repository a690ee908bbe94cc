"""One part of a recipe as modules: its rows prepared, encoded and, where it has a head of its own, scored.

Rows come as they are stored, ``(clip, time, dim)``; out comes a vector a clip, or a score a target.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from mimetic.batches import ENCODED, POOLED, Bucket, Ragged
from mimetic.encoders import ENCODERS, PoolingEncoder
from mimetic.features import feature
from mimetic.fusions import FUSIONS, Judging
from mimetic.preparing import Principal, with_differences
from mimetic.recipes import Part

FEWEST = 1e-3
"""No share that a network starts at is nearer to 0 or 1."""


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


class Output(nn.Module):
    """What a fusion or a head gives becomes scores; of a hurdle, its gates, too.

    ``none`` leaves it as it is. ``sigmoid`` and ``hurdle`` (the chance that there is anything at all, times how much)
    squeeze it into 0 to 1, and start where the labels are: what learns only tells clips apart.
    """

    start: Tensor

    def __init__(self, kind: str, targets: int) -> None:
        super().__init__()
        self.kind, self.width = kind, 2 * targets if kind == "hurdle" else targets
        if kind != "none":
            self.register_buffer("start", torch.zeros(self.width))

    def fit(self, labels: Tensor) -> None:
        """Start at the means of ``(clip, target)`` training labels, NaN where nobody said."""
        if self.kind == "none":
            return
        means, known = labels.nanmean(dim=0), ~labels.isnan()
        if self.kind == "hurdle":
            shares = ((labels > 0) & known).sum(dim=0) / known.sum(dim=0)
            means = torch.cat([shares, means / shares])
        self.start.copy_(means.nan_to_num(0.5).clamp(FEWEST, 1 - FEWEST).logit())

    def forward(self, raw: Tensor) -> tuple[Tensor, Tensor | None]:
        """Turn ``(clip, width)`` into ``(clip, target)`` scores, and a hurdle's gates."""
        if self.kind == "none":
            return raw, None
        squeezed = (raw + self.start).sigmoid()
        if self.kind == "sigmoid":
            return squeezed, None
        gates, amounts = squeezed.chunk(2, dim=1)
        return gates * amounts, gates


class Branch(nn.Module):
    """One part: prepare its rows, encode them; and, where the fusion weighs scores, its own head."""

    def __init__(self, part: Part, dim: int, *, query_dim: int, targets: int, takes: str) -> None:
        super().__init__()
        entry = ENCODERS[part.encoder]
        options = {**entry.options, **part.options, **({"query_dim": query_dim} if entry.queried else {})}
        self.queried, self.weighs = entry.queried, entry.weighs
        self.unit, self.noise = part.unit, part.noise
        self.differences, self.rate = part.differences, feature(part.feature).rate if part.differences else 0.0
        dim *= 1 + part.differences
        self.standardise = Standardise(dim) if part.standardise else nn.Identity()
        self.principal = Principal(dim, part.components) if part.components else nn.Identity()
        self.in_dim = self.principal.out_dim if isinstance(self.principal, Principal) else dim
        self.encoder = entry.load()(self.in_dim, **options)
        self.out_dim: int = self.encoder.out_dim
        self.head: nn.Module | None = None
        if takes == "scores":
            self.output = Output(part.output, targets)
            self.head = make_head(part, self.out_dim, targets)
            self.out_dim = targets

    def fit(self, ragged: Ragged, clips: Iterable[int]) -> None:
        """Fit what prepares rows on these clips, if anything has to be."""
        some = list(clips)

        def rows() -> Iterator[Tensor]:
            tracks = (ragged.values[clip] for clip in some if ragged.lengths[clip])
            return (self._described(torch.from_numpy(track.astype("float64"))) for track in tracks if track is not None)

        if isinstance(self.standardise, Standardise):
            self.standardise.fit(rows())
        if isinstance(self.principal, Principal):
            self.principal.fit(map(self.standardise, rows()))

    def prepare(self, values: Tensor) -> Tensor:
        """Turn rows ``(clip, time, dim)`` as they are stored into rows as the encoder takes them."""
        prepared: Tensor = self.principal(self.standardise(self._described(values)))
        if self.noise and self.training:
            prepared = prepared + self.noise * torch.randn_like(prepared)
        return prepared

    def _described(self, values: Tensor) -> Tensor:
        values = nn.functional.normalize(values, dim=-1) if self.unit else values
        return with_differences(values, self.differences, self.rate) if self.differences else values

    def encode(self, bucket: Bucket, query: Tensor) -> Tensor:
        """Encode a bucket, from where it stands, as ``(clip, out_dim)``."""
        if bucket.stage == ENCODED:
            return bucket.values[:, 0]
        if bucket.stage == POOLED:
            assert isinstance(self.encoder, PoolingEncoder)
            return self._scored(self.encoder.read(bucket.values[:, 0]), bucket.lengths, bucket.quality)
        encoded: Tensor = self(self.prepare(bucket.values), bucket.lengths, query, bucket.quality)
        return encoded

    def pool(self, bucket: Bucket) -> Tensor:
        """Pool a bucket's rows, prepared, to ``(clip, width)``: what ``encode`` begins with, and does not learn."""
        assert isinstance(self.encoder, PoolingEncoder)
        return self.encoder.pool(self.prepare(bucket.values), bucket.lengths)

    def forward(self, values: Tensor, lengths: Tensor, query: Tensor, quality: Tensor | None = None) -> Tensor:
        """Encode ``(clip, time, dim)`` as ``(clip, out_dim)``.

        ``query`` is the first modality's ``(clip, dim)``, ``quality`` ``(clip, time)``, for encoders that take them.
        """
        also: list[Tensor] = [query] if self.queried else []
        if self.weighs:
            also.append(values.new_ones(values.shape[:2]) if quality is None else quality)
        return self._scored(self.encoder(values, lengths, *also), lengths, quality)

    def _scored(self, vectors: Tensor, lengths: Tensor, quality: Tensor | None) -> Tensor:
        """Give the vectors; or the scores of its own head, where it has one."""
        if self.head is None:
            return vectors
        sure = torch.ones_like(vectors[:, 0]) if quality is None else quality.sum(dim=1) / lengths
        scores: Tensor = self.output(fuse(self.head, [vectors], lengths[:, None], sure[:, None]))[0]
        return scores


def make_head(part: Part, width: int, targets: int) -> nn.Module:
    """Make what turns a part's vector into scores when it is alone."""
    return make_fusion(part.head, part.head_options, [width], Output(part.output, targets).width)


def make_fusion(name: str, options: Mapping[str, Any], widths: Sequence[int], targets: int) -> nn.Module:
    """Make the fusion of this name; what is not told of its options is as in the table."""
    entry = FUSIONS[name]
    made: nn.Module = entry.load()(widths, targets, **{**entry.options, **options})
    return made


def fuse(fusion: nn.Module, vectors: Sequence[Tensor], lengths: Tensor, confidence: Tensor) -> Tensor:
    """Fuse ``(clip, dim)`` vectors; ``lengths`` and ``confidence`` are ``(clip, modality)``, the latter for judges."""
    also = [confidence] if isinstance(fusion, Judging) else []
    fused: Tensor = fusion(vectors, lengths, *also)
    return fused
