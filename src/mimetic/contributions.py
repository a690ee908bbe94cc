"""What each modality adds to a clip's score: a network and tracks in, exact Shapley values out.

A modality that is left out is missing as any other: its learned token stands for it. With every subset of the
modalities scored, the Shapley value (Shapley 1953) of a modality is what it adds, averaged over all orders in which
they can come. So a clip's values sum exactly to its score minus what the system says of a clip that lacks everything,
whatever the fusion, and one that the clip lacks anyway adds nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import comb

import numpy as np
import torch
from numpy.typing import NDArray

from mimetic.batches import Ragged, make_batch
from mimetic.network import EVALUATED_AT_ONCE, Network

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Contributions:
    """What each modality adds: ``values`` is ``(clip, modality, target)``, ``base`` ``(clip, target)``.

    ``base`` is the score with everything missing; with the sum of the values it is the clip's score.
    """

    values: Floats
    base: Floats


def contributions(
    network: Network, parts: tuple[Ragged, ...], clips: NDArray[np.intp], device: torch.device
) -> Contributions:
    """Give what each modality adds to the scores of some clips.

    Every encoder runs once a clip (one that is asked by another modality twice: with it, and without), the fusion
    ``2 ** modality`` times.
    """
    parts = tuple(part.beginning(seconds) for part, seconds in zip(parts, network.seconds, strict=True))
    scores = np.zeros((2 ** len(parts), len(clips), network.targets))
    with torch.inference_mode():
        for start in range(0, len(clips), EVALUATED_AT_ONCE):
            some = clips[start : start + EVALUATED_AT_ONCE]
            subsets = network.subsets(make_batch(parts, some, device))
            scores[:, start : start + len(some)] = subsets.double().cpu().numpy()
    return Contributions(values=shapley(scores), base=scores[0])


def shapley(scores: Floats) -> Floats:
    """Give the Shapley value of each player: ``(subset, clip, target)`` in, ``(clip, player, target)`` out.

    A subset's number has the bit ``1 << player`` for each of its players.

    >>> shapley(np.array([0.0, 2.0, 4.0, 7.0]).reshape(4, 1, 1)).ravel().tolist()
    [2.5, 4.5]
    """
    players = len(scores).bit_length() - 1
    subsets = np.arange(len(scores))
    size = np.array([int(subset).bit_count() for subset in subsets])
    values = []
    for player in range(players):
        without = subsets[subsets & (1 << player) == 0]
        weights = np.array([1 / (players * comb(players - 1, count)) for count in size[without]])
        gains = scores[without | (1 << player)] - scores[without]
        values.append((weights[:, None, None] * gains).sum(axis=0))
    return np.stack(values, axis=1)
