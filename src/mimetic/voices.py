"""Where somebody speaks in a clip: its sound goes in, stretches of it come out.

A clip whose sound holds no voice has no stretches, and nobody has to guess what silence or music says. The model is
Silero's, which ships with its weights; it is asked at 16 kHz, on one thread.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mimetic.devices import one_thread
from mimetic.media import Media
from mimetic.records import SAMPLE_RATE, Clip, MissingExtra, NoStream, Sound, find

Stretches = tuple[tuple[float, float], ...]
"""Start and end in seconds of the clip, in order of time."""

PAUSE, MARGIN = 2.0, 0.4
"""Seconds: a silence of so long ends a stretch, which has so much more on both sides. (faster-whisper's figures.)"""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Heard:
    """A clip's sound, ``(time,)`` float32 at 16 kHz, and where in it somebody speaks."""

    samples: NDArray[np.float32]
    voices: Stretches

    @property
    def seconds(self) -> float:
        """How long the sound is."""
        return len(self.samples) / SAMPLE_RATE


def hear(clip: Clip, detector: str) -> Heard:
    """Decode the clip's sound and look for voices in it.

    Raises
    ------
    NoStream
        if there is no sound.
    ClipError
        if the file cannot be read.
    """
    if clip.path is None:
        raise NoStream("no media file")
    with Media(clip.path) as media:
        pieces = [piece.samples for _, piece in media.decode(sound=True) if isinstance(piece, Sound)]
    if not pieces:
        raise NoStream(media.reasons.get("audio", "no sound"))
    samples = np.concatenate(pieces)
    return Heard(samples=samples, voices=find(DETECTORS, detector, "voice activity detector")(samples))


def everything(samples: NDArray[np.float32]) -> Stretches:
    """Take all of the sound for speech."""
    return ((0.0, len(samples) / SAMPLE_RATE),)


def silero(samples: NDArray[np.float32]) -> Stretches:
    """Give the stretches of speech by Silero's model.

    Raises
    ------
    MissingExtra
        if its package is not installed.
    """
    import torch

    timestamps, model = _silero()
    with one_thread():
        found = timestamps(
            torch.from_numpy(samples),
            model,
            min_silence_duration_ms=round(1000 * PAUSE),
            speech_pad_ms=round(1000 * MARGIN),
        )
    return tuple((stretch["start"] / SAMPLE_RATE, stretch["end"] / SAMPLE_RATE) for stretch in found)


DETECTORS: dict[str, Callable[[NDArray[np.float32]], Stretches]] = {"silero": silero, "none": everything}
"""Ways to tell where somebody speaks."""


def identify(detector: str) -> str:
    """Give a detector's name with its version, as transcripts remember it; find out whether it is installed."""
    if find(DETECTORS, detector, "voice activity detector") is not silero:
        return detector
    _silero()
    return f"silero-vad {version('silero-vad')}"


@cache
def _silero() -> tuple[Callable[..., list[dict[str, int]]], Any]:
    """Open the package, which takes torch's threads away, and its model, in a form of which torch warns."""
    try:
        with one_thread(), warnings.catch_warnings():
            warnings.filterwarnings("ignore", "`torch.jit", DeprecationWarning)
            from silero_vad import get_speech_timestamps, load_silero_vad

            return get_speech_timestamps, load_silero_vad()
    except ImportError:
        raise MissingExtra("voice activity detection", "vad") from None
