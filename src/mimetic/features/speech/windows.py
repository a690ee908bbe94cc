"""A stream of sound becomes windows for a model that is asked for at most 30 seconds at once.

Long sound is *defined* as plain calls on windows of 30 s, each beginning 20 s after the one before it; the last one
ends with the clip. Where two overlap, each gives up the 5 s next to its cut end, which are context. A clip up to 30 s
is one window, all of it kept. 20 s are a whole number of rows, so that the rows kept are, in time and number, those
that one call on the whole clip would give.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from mimetic.models import Inputs
from mimetic.records import SAMPLE_RATE, NoStream, Sound

STRIDE = 320
"""Samples from one row to the next."""

FIELD = 400
"""Samples that a row is made from; the transformer behind it sees the whole window."""

WINDOW = 30 * SAMPLE_RATE
CONTEXT = 5 * SAMPLE_RATE
STEP = WINDOW - 2 * CONTEXT

TINY = 1e-7
"""Added to the variance, as the models were trained with."""


class Windows:
    """One clip on its way: at most a window of its samples, and the piece that has just come."""

    def __init__(self, *, normalise: bool) -> None:
        self._normalise = normalise
        self._samples = np.zeros(0, np.float32)
        self._first = 0  # row of the window that begins the track's next one

    def add(self, piece: Sound) -> Iterator[Inputs]:
        """Take the next samples; give the windows after which there is more."""
        self._samples = np.concatenate([self._samples, piece.samples])
        while len(self._samples) > WINDOW:
            yield self._window(self._samples[:WINDOW], (WINDOW - CONTEXT) // STRIDE)
            self._samples = self._samples[STEP:]
            self._first = CONTEXT // STRIDE

    def finish(self) -> Iterator[Inputs]:
        """Give the window that ends with the clip.

        Raises
        ------
        NoStream
            if the clip is shorter than one row.
        """
        if len(self._samples) >= FIELD:
            yield self._window(self._samples, None)
        elif len(self._samples):
            raise NoStream(f"too short for a speech model ({len(self._samples)} samples, and it needs {FIELD})")

    def _window(self, samples: NDArray[np.float32], stop: int | None) -> Inputs:
        samples = normalised(samples) if self._normalise else samples.copy()
        return Inputs(arrays={"samples": samples}, cost=len(samples), keep=(self._first, stop))


def normalised(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Bring a window to mean 0 and variance 1, as ``transformers``' ``Wav2Vec2FeatureExtractor`` does."""
    centred: NDArray[np.float32] = (samples - samples.mean()) / np.sqrt(samples.var() + TINY)
    return centred
