"""What a tuning draws: seeds in, the same draws out whenever and wherever they are asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray

from mimetic.splits import Split

Rows = NDArray[np.intp]


@contextmanager
def drawing(entropy: Sequence[int]) -> Iterator[None]:
    """Draw from these numbers alone: dropout and layers left out, and time masked, which takes numpy's old state."""
    seed = int(np.random.SeedSequence(entropy).generate_state(1)[0])
    before = np.random.get_state()
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        np.random.seed(seed)
        try:
            yield
        finally:
            np.random.set_state(before)


def split_inner(split: Split, share: float, seed: int) -> tuple[Rows, Rows]:
    """Cut the training clips into those that are learned from, and those that tell when to stop.

    Where no share is set aside for that, the validation clips tell.
    """
    if not share:
        return split.train, split.valid
    order = np.random.default_rng([seed, 17]).permutation(split.train)
    count = max(1, round(share * len(order)))
    return np.sort(order[count:]), np.sort(order[:count])
