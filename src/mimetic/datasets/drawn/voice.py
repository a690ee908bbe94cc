"""The voices of the demo: six latents in, sound out; vowels of a source and three formants, syllable by syllable.

The latents move mean pitch, pitch range, loudness, tempo, breath and brightness; each speaker brings a voice of their
own.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mimetic.records import SAMPLE_RATE

Floats = NDArray[np.float64]

CONTROL = 200
"""Hertz at which pitch, formants and loudness move; between, they are drawn straight."""

HARMONICS = 28
VOWELS = np.array([[730, 1090, 2440], [270, 2290, 3010], [300, 870, 2240], [530, 1840, 2480], [570, 840, 2410]], float)
"""Formants in hertz of a, i, u, e, o (Peterson and Barney, JASA 1952, men)."""

BANDWIDTHS = np.array([90.0, 120.0, 180.0])
LONGEST = 12.0
"""Seconds that are sung; what is longer repeats them."""


def speak(latent: Floats, seconds: float, draw: np.random.Generator) -> NDArray[np.float32]:
    """Give ``(time,)`` float32 samples at 16 kHz, in [-1, 1]."""
    sung = min(seconds, LONGEST)
    voice = _utterance(latent, sung, draw)
    samples = round(seconds * SAMPLE_RATE)
    return np.resize(voice, max(samples, 1)).astype(np.float32)


def _utterance(latent: Floats, seconds: float, draw: np.random.Generator) -> Floats:
    pitch_level, pitch_range, loudness, tempo, breath, brightness = latent
    steps = max(2, int(seconds * CONTROL))
    time = np.arange(steps) / CONTROL
    starts, lengths = _syllables(4.0 * 2 ** (0.35 * tempo), seconds, draw)
    syllable = np.clip(np.searchsorted(starts, time, side="right") - 1, 0, len(starts) - 1)
    within = (time - starts[syllable]) / lengths[syllable]
    envelope = np.where((within >= 0) & (within < 1), np.sin(np.pi * np.clip(within, 0, 1)) ** 0.7, 0.0)
    accents = draw.normal(size=len(starts))
    semitones = 2.5 * pitch_level + 2.0 * draw.normal() * 0.5
    melody = 2.2 * 2 ** (0.6 * pitch_range) * (0.8 * accents[syllable] - 0.8 * (within - 0.5) + 0.3 * np.sin(2 * time))
    pitch = np.clip(150 * 2 ** ((semitones + melody) / 12), 70, 420)
    formants = VOWELS[draw.integers(len(VOWELS), size=len(starts))][syllable] * draw.uniform(0.95, 1.1)
    tone = _tone(pitch, formants, 1.5 * 2 ** (-0.45 * brightness), round(seconds * SAMPLE_RATE))
    loud = np.interp(np.arange(len(tone)) / SAMPLE_RATE, time, envelope)
    hiss = draw.normal(size=len(tone)) * 0.05 * 2 ** (1.2 * breath)
    gain = 0.16 * 2 ** (0.7 * loudness)
    room = 0.0006 * draw.normal(size=len(tone))
    return np.asarray(np.clip(gain * loud * (tone + hiss) + room, -1, 1))


def _syllables(tempo: float, seconds: float, draw: np.random.Generator) -> tuple[Floats, Floats]:
    """Give when each syllable begins and how long it sounds, in seconds."""
    count = int(seconds * tempo) + 2
    gaps = draw.uniform(0.75, 1.25, count) / tempo
    return np.cumsum(gaps) - gaps[0], 0.82 * gaps


def _tone(pitch: Floats, formants: Floats, tilt: float, samples: int) -> Floats:
    """Sum harmonics of a pitch, each as loud as the formants let it be; root mean square 1 where it sounds."""
    number = np.arange(1, HARMONICS + 1)
    frequency = pitch[:, None] * number
    resonance = 1 / (1 + ((frequency[:, :, None] - formants[:, None]) / (2 * BANDWIDTHS)) ** 2)
    level = number**-tilt * (0.05 + resonance.sum(axis=2)) * (frequency < SAMPLE_RATE / 2 - 500)
    level /= np.sqrt((level**2).sum(axis=1, keepdims=True))
    at = np.arange(samples) / SAMPLE_RATE
    control = np.arange(len(pitch)) / CONTROL
    phase = 2 * np.pi * np.cumsum(np.interp(at, control, pitch)) / SAMPLE_RATE
    tone = np.zeros(samples)
    for harmonic in number:
        tone += np.interp(at, control, level[:, harmonic - 1]) * np.sin(harmonic * phase)
    return tone
