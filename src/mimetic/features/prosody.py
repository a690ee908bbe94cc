"""Sound becomes a spectrogram with the voice's melody: log-mel bands, energy, pitch, voicing; nothing downloaded.

In go pieces of ``Sound`` (16 kHz mono), out comes a Track of 50 rows a second and 48 columns, ``NAMES``. Row ``k``
describes the 40 ms that begin at ``k / 50`` seconds; an unfinished frame at the end is left out. Power is the mean
square, and decibels count from 1: a sine of amplitude 1 has -3 dB, and so have its mel bands together. Constants
bring every column to about one; nothing depends on the rest of the clip.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from mimetic.growing import Growing
from mimetic.records import SAMPLE_RATE, Sound, Track

Floats = NDArray[np.float64]

RATE = 50.0
HOP = SAMPLE_RATE // 50
FRAME = 2 * HOP
"""Samples: 40 ms hold more than two periods of the lowest voice."""

FFT = 1024
"""At least a frame and its longest lag, so that the autocorrelation does not wrap around."""

BLOCK = 128
"""Frames computed together, counted from the clip's start: however the sound is cut, the same numbers come out."""

BANDS = 40
LOWEST_BAND, HIGHEST_BAND = 60.0, 7600.0
"""Hertz: the edges of the mel bands."""

LOWEST_VOICE, HIGHEST_VOICE = 60.0, 500.0
"""Hertz: where pitch is looked for."""

MIDDLE_VOICE = 160.0
"""Hertz: pitch is told in octaves from here, between what is usual for men and for women."""

VOICED = 0.5
"""Voicing from which on there is a pitch."""

OCTAVE_COST = 0.04
"""What each octave of period costs a peak: of a tone's equally good periods the shortest wins (Boersma 1993)."""

LEAP = 0.25
"""Octaves in 20 ms: hardly a voice moves as fast; it is another voice, or a mistake about the octave."""

FLOOR = 1e-9
"""Power, -90 dB: what is softer is silence, in the bands and in the energy."""

HUSH = 1e-8
"""Power, -80 dB: a sound so soft is at most half voiced."""

BAND_NAMES = tuple(f"mel_{band:02d}" for band in range(BANDS))
NAMES = (*BAND_NAMES, "energy", "energy_delta", "voicing", "pitch", "pitch_delta", "flux", "centroid", "tilt")
"""The columns.

``mel_*``, ``energy``
    decibels, as ``(dB + 50) / 20``: twice the amplitude adds 0.301, silence is -2.
``energy_delta``
    decibels from the row before, over 5.
``voicing``
    0 to 1: how well the sound repeats after one period.
``pitch``
    octaves from ``MIDDLE_VOICE``; 0 where ``voicing`` is below ``VOICED``.
``pitch_delta``
    tenths of an octave from the row before; 0 unless both are voiced, and where it is beyond ``LEAP``.
``flux``
    mean absolute change of the bands from the row before, in decibels over 5.
``centroid``
    the mean band by power, -1 (lowest) to 1 (highest).
``tilt``
    the slope of the bands' decibels over that same axis, over 20: negative for a soft voice, higher for a pressed one.
"""

DIM = len(NAMES)


class LogMel:
    """Log-mel bands, pitch, energy and voicing, 50 times a second."""

    def __init__(self) -> None:
        self._window = np.hanning(FRAME + 1)[:-1]
        self._bands = mel_bands() * 2 / (FFT * (self._window**2).sum())  # Parseval: bands sum to the mean square

    def begin(self) -> LogMelExtraction:
        """Start on a clip."""
        return LogMelExtraction(self._window, self._bands)


class LogMelExtraction:
    """One clip on its way: rows of the blocks that are complete, samples of the one that is not."""

    def __init__(self, window: Floats, bands: Floats) -> None:
        self._window = window
        self._bands = bands
        self._tail = np.zeros(0, dtype=np.float32)
        self._rows = Growing((DIM,), np.float32)
        self._last: Floats | None = None  # what the next block's first row changes from

    def add(self, piece: Sound) -> None:
        """Take the next samples."""
        self._tail = np.concatenate([self._tail, piece.samples])
        length = (BLOCK - 1) * HOP + FRAME
        start = 0
        while len(self._tail) - start >= length:
            self._take(self._tail[start : start + length])
            start += BLOCK * HOP
        self._tail = self._tail[start:].copy()

    def finish(self) -> Track:
        """Give ``(time, 48)`` float32: one row for every whole frame, and one for a sound shorter than a frame."""
        tail = self._tail
        if len(tail) < FRAME and len(tail) and not len(self._rows):
            tail = np.pad(tail, (0, FRAME - len(tail)))
        if len(tail) >= FRAME:
            self._take(tail)
        return Track(values=self._rows.rows, rate=RATE, valid=np.ones(len(self._rows), dtype=np.bool_))

    def _take(self, samples: NDArray[np.float32]) -> None:
        """Describe whole frames, and keep their columns."""
        rows = self._describe(samples)
        before = rows[:1] if self._last is None else self._last
        self._rows.append(_columns(np.concatenate([before, rows]))[1:])
        self._last = rows[-1:]

    def _describe(self, samples: NDArray[np.float32]) -> Floats:
        """Give ``(time, BANDS + 3)`` of whole frames: bands and energy in dB, voicing, pitch in octaves."""
        frames = np.lib.stride_tricks.sliding_window_view(samples, FRAME)[::HOP].astype(np.float64)
        frames -= frames.mean(axis=1, keepdims=True)
        spectra = fft.rfft(frames * self._window, FFT)
        power = spectra.real**2 + spectra.imag**2
        voicing, pitch = melody(frames)
        bands = _decibels(power @ self._bands)
        energy = _decibels((frames**2).mean(axis=1))
        return np.column_stack([bands, energy, voicing, pitch])


def mel_bands() -> Floats:
    """Give ``(frequency, band)``: triangles of height 1 with their corners evenly spaced in mel.

    The scale is 2595 log10(1 + f / 700) (O'Shaughnessy, Speech Communication, 1987, p. 150; HTK).
    """
    edges = np.linspace(_mel(LOWEST_BAND), _mel(HIGHEST_BAND), BANDS + 2)
    at = _mel(fft.rfftfreq(FFT, 1 / SAMPLE_RATE))[:, None]
    low, middle, high = edges[:-2], edges[1:-1], edges[2:]
    rising, falling = (at - low) / (middle - low), (high - at) / (high - middle)
    bands: Floats = np.clip(np.minimum(rising, falling), 0.0, None)
    return bands


def _mel(frequency: Floats | float) -> Floats:
    mel: Floats = 2595 * np.log10(1 + np.asarray(frequency) / 700)
    return mel


def _decibels(power: Floats) -> Floats:
    decibels: Floats = 10 * np.log10(power + FLOOR)
    return decibels


def melody(frames: Floats) -> tuple[Floats, Floats]:
    """Give voicing (0 to 1) and pitch (octaves from ``MIDDLE_VOICE``, 0 where unvoiced) of ``(time, FRAME)`` samples.

    The best period is the highest peak of the normalised cross-correlation of a frame with itself (Talkin, "A robust
    algorithm for pitch tracking", 1995, section 2.2), less Boersma's octave cost, refined by a parabola.
    """
    lags = np.arange(int(SAMPLE_RATE / HIGHEST_VOICE), int(SAMPLE_RATE / LOWEST_VOICE) + 1)
    likeness = _likeness(frames, np.arange(lags[0] - 1, lags[-1] + 2))
    before, here, after = likeness[:, :-2], likeness[:, 1:-1], likeness[:, 2:]
    peaks = (here > before) & (here >= after)
    worth = np.where(peaks, here - OCTAVE_COST * np.log2(lags / lags[0]), -np.inf)
    best = worth.argmax(axis=1)
    rows = np.arange(len(frames))
    a, b, c = before[rows, best], here[rows, best], after[rows, best]
    found = peaks[rows, best]
    curve = np.where(found, a - 2 * b + c, -1.0)
    shift = np.where(found, 0.5 * (a - c) / curve, 0.0)
    height = b - 0.25 * (a - c) * shift
    voicing: Floats = np.where(found, np.clip(height, 0.0, 1.0), 0.0)
    pitch = np.log2(SAMPLE_RATE / MIDDLE_VOICE / (lags[best] + shift))
    return voicing, np.where(voicing >= VOICED, pitch, 0.0)


def _likeness(frames: Floats, lags: NDArray[np.intp]) -> Floats:
    """Give ``(time, lag)``: the correlation of a frame's beginning with its end, that many samples later; -1 to 1."""
    spectra = fft.rfft(frames, FFT)
    products = fft.irfft(spectra.real**2 + spectra.imag**2, FFT)[:, lags]
    energy = np.pad(np.cumsum(frames**2, axis=1), ((0, 0), (1, 0)))
    beginning, end = energy[:, FRAME - lags], np.maximum(energy[:, -1:] - energy[:, lags], 0.0)
    likeness: Floats = products / (np.sqrt(beginning * end) + HUSH * (FRAME - lags))
    return likeness


def _columns(rows: Floats) -> Floats:
    """Give all columns in the order of ``NAMES`` from those that need one frame only, scaled to about one."""
    bands, energy, voicing, pitch = rows[:, :BANDS], rows[:, BANDS], rows[:, BANDS + 1], rows[:, BANDS + 2]
    axis = np.linspace(-1, 1, BANDS)
    power = 10 ** (bands / 10)
    columns = (
        (energy + 50) / 20,
        _change(energy) / 5,
        voicing,
        pitch,
        10 * _glide(voicing, pitch),
        np.abs(_change(bands)).mean(axis=1) / 5,
        power @ axis / power.sum(axis=1),
        bands @ axis / (axis @ axis) / 20,
    )
    return np.column_stack([(bands + 50) / 20, *columns])


def _glide(voicing: Floats, pitch: Floats) -> Floats:
    """Give the change of pitch in octaves within a run of voiced frames, 0 at its start and where it leaps."""
    voiced = voicing >= VOICED
    both = voiced & np.append(False, voiced)[:-1]
    change = _change(pitch)
    return np.where(both & (np.abs(change) <= LEAP), change, 0.0)


def _change(values: Floats) -> Floats:
    """Give each row less the one before; the first has none, and does not change."""
    return np.diff(values, axis=0, prepend=values[:1])
