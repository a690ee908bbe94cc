"""Buckets: clips of like length side by side, with little padding and no more rows than fit."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

BUDGET = 65_536
"""Rows of time, padding included, in one bucket; a longer clip is a bucket of its own."""

SLACK, SLACK_ROWS = 0.12, 32
"""Padding that one bucket may hold: this share of its own rows, or as many rows as a bucket of its own would cost."""


ROWS, POOLED, ENCODED = 0, 1, 2
"""What a bucket holds: rows as they are stored, or what an encoder pools them to, or what it makes of them."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Bucket:
    """Some clips of one modality: ``values`` ``(clip, time, dim)``, ``lengths`` ``(clip,)``, ``rows`` their places.

    ``quality`` is ``(clip, time)``, how well each row was measured, 0 to 1; ``None`` where the track does not say.
    ``stage`` tells what was done to the rows: where anything was, there is one of each clip, ``(clip, 1, width)``, and
    one sum of its quality.
    """

    rows: Tensor
    values: Tensor
    lengths: Tensor
    quality: Tensor | None = None
    stage: int = ROWS


def cut(order: NDArray[np.intp], lengths: Sequence[int]) -> Iterable[NDArray[np.intp]]:
    """Cut clips of ascending lengths where a bucket would hold too much padding, or too many rows."""
    start, own = 0, 0
    for stop, length in enumerate(lengths):
        whole = length * (stop + 1 - start)
        padding = whole - own - length
        if stop > start and (whole > BUDGET or padding > max(SLACK_ROWS, SLACK * (own + length))):
            yield order[start:stop]
            start, own = stop, 0
        own += length
    if len(order):
        yield order[start:]


def buckets_of(tracks: Sequence[Tensor], places: NDArray[np.intp]) -> tuple[Bucket, ...]:
    """Cut tracks that are tensors, ``(time, dim)`` with gradients, into buckets whose ``rows`` are the places told."""
    lengths = np.array([len(track) for track in tracks])
    order = np.argsort(lengths, kind="stable")
    cuts = cut(order, lengths[order].tolist())
    return placed_at([_stacked([tracks[i] for i in rows], rows) for rows in cuts], places)


def _stacked(tracks: Sequence[Tensor], rows: NDArray[np.intp]) -> Bucket:
    device = tracks[0].device
    return Bucket(
        rows=torch.from_numpy(rows).to(device),
        values=nn.utils.rnn.pad_sequence(list(tracks), batch_first=True).float(),
        lengths=torch.tensor([len(track) for track in tracks], device=device),
    )


def placed_at(buckets: Sequence[Bucket], places: NDArray[np.intp]) -> tuple[Bucket, ...]:
    """Count rows within the batch again, not within the clips that were kept."""
    to_batch = torch.from_numpy(places.astype(np.int64))
    return tuple(replace(bucket, rows=to_batch.to(bucket.rows.device)[bucket.rows]) for bucket in buckets)
