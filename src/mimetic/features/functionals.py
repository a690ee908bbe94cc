"""Sound becomes openSMILE's eGeMAPSv02: 88 numbers for a whole clip, from the extra ``prosody``.

In go pieces of ``Sound`` (16 kHz mono), out comes a Track of one row. The columns are the package's own, in its order:
pitch, loudness, spectrum, jitter and shimmer, formants, and how voiced stretches and pauses take turns (Eyben et al.,
"The Geneva Minimalistic Acoustic Parameter Set", IEEE Transactions on Affective Computing, 2016).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mimetic.records import SAMPLE_RATE, MissingExtra, Sound, Track

DIM = 88

SHORTEST = 960
"""Samples: openSMILE's longest frame is of 60 ms, and a shorter sound has none."""

LOUDEST = 2**15 - 1
"""The largest 16-bit sample. openSMILE reads 16 bits; a sample of 1.0 would come out as -1.0."""


class EGeMAPS:
    """The extended Geneva minimalistic acoustic parameter set, version 02: functionals.

    Functionals are of a whole clip, so openSMILE holds it, and what it found in every 10 ms: about 35 MB for each
    minute of sound (680 MB for twenty), given back afterwards.

    Raises
    ------
    MissingExtra
        where openSMILE is not installed.
    """

    def __init__(self) -> None:
        try:
            import opensmile
        except ImportError:
            raise MissingExtra("the extractor 'egemaps'", "prosody") from None
        self._smile = opensmile.Smile(opensmile.FeatureSet.eGeMAPSv02, opensmile.FeatureLevel.Functionals)

    def begin(self) -> EGeMAPSExtraction:
        """Start on a clip."""
        return EGeMAPSExtraction(self._smile)


class EGeMAPSExtraction:
    """One clip on its way: its samples, in the 16 bits that openSMILE reads."""

    def __init__(self, smile: Any) -> None:
        self._smile = smile
        self._pieces: list[NDArray[np.int16]] = []

    def add(self, piece: Sound) -> None:
        """Take the next samples."""
        self._pieces.append((piece.samples * (LOUDEST + 1)).clip(-LOUDEST - 1, LOUDEST).astype(np.int16))

    def finish(self) -> Track:
        """Give ``(1, 88)`` float32; no row where the sound is too short to have a frame, or digital silence."""
        samples = np.concatenate([np.zeros(0, np.int16), *self._pieces])
        self._pieces.clear()
        values = np.zeros((0, DIM), np.float32)
        if len(samples) >= SHORTEST and samples.any():
            values = self._smile(samples / np.float32(LOUDEST + 1), SAMPLE_RATE).reshape(1, DIM)
        return Track(values=values, rate=0.0, valid=np.ones(len(values), np.bool_))
