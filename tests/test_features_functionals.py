"""openSMILE's functionals: the package's own numbers, and none for what has no frame."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from mimetic.features import feature
from mimetic.features.functionals import DIM, SHORTEST, EGeMAPS
from mimetic.records import MissingExtra, Sound, Track


def voice(seconds: float = 1.5) -> np.ndarray:
    """Give something with a pitch, harmonics and pauses."""
    time = np.arange(round(16_000 * seconds)) / 16_000
    phase = 2 * np.pi * np.cumsum(140 + 30 * np.sin(5 * time)) / 16_000
    noise = np.random.default_rng(0).normal(size=len(time))
    return (0.2 * (phase % (2 * np.pi) - np.pi) / np.pi * (np.sin(6 * time) > 0) + 0.01 * noise).astype(np.float32)


def run(samples: np.ndarray, *, piece: int = 16_000) -> Track:
    pytest.importorskip("opensmile")
    extraction = EGeMAPS().begin()
    for start in range(0, len(samples), piece):
        extraction.add(Sound(samples=samples[start : start + piece]))
    return extraction.finish()


def test_the_numbers_are_the_package_s_own() -> None:
    opensmile = pytest.importorskip("opensmile")
    theirs = opensmile.Smile(opensmile.FeatureSet.eGeMAPSv02, opensmile.FeatureLevel.Functionals)
    track = run(voice(), piece=1000)
    np.testing.assert_array_equal(track.values, theirs.process_signal(voice(), 16_000).to_numpy())
    assert track.values.shape == (1, DIM)
    assert track.values.dtype == np.float32
    assert len(np.unique(track.values)) > 80  # nothing is left out


def test_full_scale_is_not_turned_around() -> None:
    loud = np.clip(8 * voice(), -0.9, 1.0)
    assert (loud == 1).any()
    np.testing.assert_array_equal(run(loud).values, run(np.minimum(loud, np.float32(32767 / 32768))).values)


@pytest.mark.parametrize("samples", [voice()[: SHORTEST - 1], np.zeros(16_000, np.float32), np.zeros(0, np.float32)])
def test_what_is_too_short_or_silent_has_no_row(samples: np.ndarray) -> None:
    assert run(samples).values.shape == (0, DIM)


def test_the_shortest_sound_has_one() -> None:
    track = run(voice()[:SHORTEST])
    assert track.values.shape == (1, DIM)
    assert np.isfinite(track.values).all()


def test_without_the_extra_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opensmile", None)
    with pytest.raises(MissingExtra, match=r"'egemaps' needs the extra 'prosody'.*pip install 'mimetic\[prosody\]'"):
        feature("egemaps").make()
