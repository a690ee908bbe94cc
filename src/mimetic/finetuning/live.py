"""An extractor that learns: clips in, their tracks out, with gradients. What ``assembling`` does with rows, on tensors.

The rows of a clip are those that extraction would store, but for the rounding: chunks of a text by their weights,
windows of sound without their context, pictures with a face, and bins where the feature is pooled.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from mimetic.features import Feature
from mimetic.finetuning.prepared import Prepared
from mimetic.models import Inputs, TrainableModel


class Live(nn.Module):
    """One feature's extractor with the inputs of a data set's clips.

    Parameters
    ----------
    seconds
        of a clip's beginning that are seen; 0 for all of it.
    budget
        what may go through the network at once.
    """

    def __init__(
        self, feature: Feature, model: TrainableModel, prepared: Prepared, *, seconds: float, budget: int
    ) -> None:
        super().__init__()
        self.network = model.network
        self._model = [model]  # in a list: it is no module, and its network is registered already
        self.feature, self._prepared, self._budget = feature, prepared, budget
        self._rows = max(1, round(seconds * feature.sampling)) if seconds * feature.sampling else None
        self.present = np.array([any(map(_has_rows, prepared[clip])) for clip in range(len(prepared))])

    @property
    def model(self) -> TrainableModel:
        """The extractor's model."""
        return self._model[0]

    def cost(self, clip: int) -> int:
        """Say what a clip costs, to put clips alike together."""
        return self._prepared.cost(clip)

    def forward(self, clips: Sequence[int]) -> list[Tensor]:
        """Give the track of every clip, ``(time, dim)``: of clips that are ``present``."""
        inputs = [self._begun(self._prepared[clip]) for clip in clips]
        states: dict[tuple[int, int], Tensor] = {}
        for places in _batches(inputs, self._budget):
            batch = [inputs[clip][number] for clip, number in places]
            states |= zip(places, self.model.states(batch), strict=True)
        return [self._joined(of, [states[clip, number] for number in range(len(of))]) for clip, of in enumerate(inputs)]

    def _begun(self, inputs: Sequence[Inputs]) -> list[Inputs]:
        """Leave out what lies behind the seconds that are seen, and what has no rows."""
        if self._rows is None or any(of.weight for of in inputs):
            return [of for of in inputs if _has_rows(of)]
        kept, rows = [], 0
        for of in inputs:
            if rows < self._rows:
                kept.append(of)
            rows += _num_rows(of)
        return [of for of in kept if _has_rows(of)]

    def _joined(self, inputs: Sequence[Inputs], states: Sequence[Tensor]) -> Tensor:
        if inputs[0].weight:
            total = torch.stack([of.weight * rows[0] for of, rows in zip(inputs, states, strict=True)]).sum(dim=0)
            whole = nn.functional.normalize(total, dim=0) if inputs[0].unit else total / sum(of.weight for of in inputs)
            return whole[None]
        rows = torch.cat([rows[slice(*of.keep)] for of, rows in zip(inputs, states, strict=True)])
        places = self._places(inputs, len(rows))
        if self._rows is not None:
            rows, places = rows[places < self._rows], places[places < self._rows]
        return rows if self.feature.pooled is None else self._pooled(rows, places)

    def _places(self, inputs: Sequence[Inputs], rows: int) -> np.ndarray[tuple[int], np.dtype[np.intp]]:
        """Say which row of the native track each row is."""
        if all(of.valid is None for of in inputs):
            return np.arange(rows)
        return np.flatnonzero(np.concatenate([of.valid for of in inputs if of.valid is not None]))

    def _pooled(self, rows: Tensor, places: np.ndarray[tuple[int], np.dtype[np.intp]]) -> Tensor:
        """Give the mean of the rows that fall into each bin; bins without any are left out."""
        assert self.feature.pooled is not None
        bins = np.floor(places * self.feature.pooled / self.feature.sampling + 1e-9).astype(np.int64)
        _, into, counts = np.unique(bins, return_inverse=True, return_counts=True)
        sums = rows.new_zeros(len(counts), rows.shape[1]).index_add(0, torch.from_numpy(into).to(rows.device), rows)
        return sums / torch.from_numpy(counts).to(rows)[:, None]


def _has_rows(inputs: Inputs) -> bool:
    return inputs.valid is None or bool(inputs.valid.any())


def _num_rows(inputs: Inputs) -> int:
    """Count the rows of the track that inputs stand for; of sound at least, which is what matters."""
    if inputs.valid is not None:
        return len(inputs.valid)
    first, stop = inputs.keep
    samples = inputs.arrays["samples"]
    return (stop if stop is not None else 1 + (len(samples) - 400) // 320) - first


def _batches(inputs: Sequence[Sequence[Inputs]], budget: int) -> list[list[tuple[int, int]]]:
    """Put inputs of one group together, within the budget: ``(clip, number)`` each."""
    piles: dict[Hashable, list[tuple[int, int]]] = {}
    batches: list[list[tuple[int, int]]] = []
    for clip, of in enumerate(inputs):
        for number, one in enumerate(of):
            pile = piles.setdefault(one.group, [])
            if pile and sum(inputs[c][n].cost for c, n in pile) + one.cost > budget:
                batches.append(pile)
                pile = piles[one.group] = []
            pile.append((clip, number))
    return batches + [pile for pile in piles.values() if pile]
