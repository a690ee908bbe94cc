"""Extractors and network as one: clips in, scores out, with gradients all the way down.

Parts whose extractors learn are computed; the others come from the store. What is missing is missing as everywhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mimetic.batches import Batch, Bucket, Ragged, buckets_of
from mimetic.finetuning.live import Live
from mimetic.network import Network

Rows = NDArray[np.intp]


class Joint(nn.Module):
    """A recipe's network with the extractors before it that learn.

    Parameters
    ----------
    lives
        by the number of their part.
    cached
        the tracks of every part; of a part that learns they are not looked at.
    """

    def __init__(self, network: Network, lives: Mapping[int, Live], cached: Sequence[Ragged | None]) -> None:
        super().__init__()
        self.network = network
        self.lives = nn.ModuleDict({str(part): live for part, live in lives.items()})
        self._cached = tuple(cached)
        self.present = np.stack([self._presence(part) for part in range(len(self._cached))], axis=1)

    def live(self, part: int) -> Live | None:
        """Give the extractor of a part, if it learns."""
        if str(part) not in self.lives:
            return None
        found = self.lives[str(part)]
        assert isinstance(found, Live)
        return found

    @property
    def living(self) -> list[Live]:
        """The extractors that learn."""
        return [live for live in self.lives.values() if isinstance(live, Live)]

    def _presence(self, part: int) -> NDArray[np.bool_]:
        live, cached = self.live(part), self._cached[part]
        if live is not None:
            return live.present
        assert cached is not None
        return cached.lengths > 0

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return next(self.network.parameters()).device

    def forward(self, clips: Rows, keep: NDArray[np.bool_]) -> Tensor:
        """Score clips, ``(clip, target)``; ``keep`` is ``(clip, part)``, and what is not kept is missing."""
        keep = keep & self.present[clips]
        lengths = torch.zeros(keep.shape, dtype=torch.int64)
        buckets: list[tuple[Bucket, ...]] = []
        for part in range(len(self._cached)):
            places = np.flatnonzero(keep[:, part])
            found = self._buckets(part, clips[places], places)
            for bucket in found:
                lengths[bucket.rows.cpu(), part] = bucket.lengths.cpu()
            buckets.append(found)
        scores: Tensor = self.network(Batch(buckets=tuple(buckets), lengths=lengths.to(self.device)))
        return scores

    def _buckets(self, part: int, clips: Rows, places: Rows) -> tuple[Bucket, ...]:
        live, cached = self.live(part), self._cached[part]
        if not len(clips):
            return ()
        if live is not None:
            return buckets_of(live(clips.tolist()), places)
        assert cached is not None
        return cached.buckets_at(clips, places, self.device)

    def cost(self, clip: int) -> int:
        """Say what a clip costs the extractors that learn."""
        return max(live.cost(clip) for live in self.living)
