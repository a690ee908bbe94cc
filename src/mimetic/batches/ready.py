"""One feature of many clips of which all is computed that does not learn: a row of each."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mimetic.batches.buckets import Bucket
from mimetic.batches.ragged import Each, Ragged


class Ready(Ragged):
    """Clips of which all is done that does not learn: one row of each, ``(clip, width)``, where it is computed with.

    Of how long their tracks are, and how well they were measured, nothing is forgotten.
    """

    def __init__(self, of: Ragged, rows: Tensor, stage: int) -> None:
        super().__init__([], of.dim)
        self.rows, self.stage = rows, stage
        self.rate, self.lengths = of.rate, of.lengths
        self.values = Each(
            len(of.values), lambda clip: rows[clip : clip + 1].cpu().numpy() if of.lengths[clip] else None
        )
        self.quality = {clip: quality.sum(keepdims=True) for clip, quality in of.quality.items()}

    def beginning(self, seconds: float) -> Ragged:
        """Give them as they are: what was cut off was cut off before."""
        del seconds
        return self

    def buckets(self, clips: NDArray[np.intp], device: torch.device) -> tuple[Bucket, ...]:
        """Give the clips that have this modality as one bucket."""
        places = np.flatnonzero(self.lengths[clips])
        if not len(places):
            return ()
        own = clips[places]
        chosen = torch.from_numpy(own).to(self.rows.device)
        return (
            Bucket(
                rows=torch.from_numpy(places).to(device),
                values=self.rows[chosen][:, None].to(device),
                lengths=torch.from_numpy(self.lengths[own]).to(device),
                quality=self._sums(own, device),
                stage=self.stage,
            ),
        )

    def _sums(self, clips: NDArray[np.intp], device: torch.device) -> Tensor | None:
        if not self.quality:
            return None
        sums = [float(self.quality[clip][0]) if clip in self.quality else self.lengths[clip] for clip in clips.tolist()]
        return torch.tensor(sums, dtype=torch.float32, device=device)[:, None]
