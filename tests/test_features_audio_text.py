"""The two extractors that download nothing for sound and words: the contract, and answers known beforehand."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from mimetic.features import EXTRACTORS
from mimetic.features.hashed import HashedWords
from mimetic.features.prosody import BANDS, BLOCK, DIM, FRAME, HOP, MIDDLE_VOICE, NAMES, VOICED, LogMel, mel_bands
from mimetic.records import SAMPLE_RATE, Sound, Track, Words

Samples = NDArray[np.float32]

LOGMEL = LogMel()
HASHED = HashedWords()


def heard(*pieces: Samples) -> Track:
    extraction = LOGMEL.begin()
    for piece in pieces:
        extraction.add(Sound(samples=piece))
    return extraction.finish()


def column(track: Track, name: str) -> NDArray[np.floating]:
    return track.values[:, NAMES.index(name)]


def hertz(track: Track) -> NDArray[np.floating]:
    voiced = column(track, "voicing") >= VOICED
    return MIDDLE_VOICE * 2 ** column(track, "pitch")[voiced]


def tone(frequency: float, seconds: float = 1.0, harmonics: int = 1, level: float = 0.1) -> Samples:
    time = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    parts = (np.sin(2 * np.pi * frequency * h * time) / h for h in range(1, harmonics + 1))
    return (level * sum(parts)).astype(np.float32)


def noise(seconds: float = 2.0, seed: int = 0) -> Samples:
    return np.random.default_rng(seed).normal(0, 0.1, int(seconds * SAMPLE_RATE)).astype(np.float32)


def load(path: Path) -> Samples:
    resampler = av.AudioResampler(format="flt", layout="mono", rate=SAMPLE_RATE)
    with av.open(str(path)) as container:
        decoded = [*container.decode(audio=0), None]
    return np.concatenate([part.to_ndarray()[0] for frame in decoded for part in resampler.resample(frame)])


# ------------------------------------------------------------------------------------ sound: contract


@pytest.mark.parametrize("cuts", [[1], [FRAME - 1, FRAME], range(7, 100_000, 997), range(1600, 96_000, 1600), [0, 0]])
def test_the_cuts_of_a_sound_change_nothing(cuts: Sequence[int]) -> None:
    sound = np.concatenate([noise(2.0), tone(180, 3.3, harmonics=9), np.zeros(5000, dtype=np.float32)])
    whole, cut = heard(sound), heard(*np.split(sound, list(cuts)))
    assert len(whole.values) > 2 * BLOCK
    np.testing.assert_array_equal(whole.values, cut.values)


def test_neither_what_came_before_nor_what_follows_changes_a_clip() -> None:
    sound = tone(180, 1.0, harmonics=9)
    alone = heard(sound).values
    heard(noise())
    np.testing.assert_array_equal(heard(sound).values, alone)
    followed = heard(np.concatenate([sound, noise()])).values
    np.testing.assert_allclose(followed[: len(alone)], alone, atol=1e-5)


def test_the_track_is_what_the_table_says() -> None:
    entry, track = EXTRACTORS["logmel"], heard(noise())
    assert track.values.shape[1] == entry.dim == DIM == len(set(NAMES))
    assert track.rate == entry.rate == SAMPLE_RATE / HOP
    assert track.values.dtype == np.float32
    assert track.valid.all()


@pytest.mark.parametrize(
    ("samples", "rows"),
    [(0, 0), (1, 1), (FRAME - 1, 1), (FRAME, 1), (FRAME + HOP - 1, 1), (1024, 2), (16_000, 49), (16_320, 50)],
)
def test_rows_are_the_whole_frames_and_at_least_one(samples: int, rows: int) -> None:
    track = heard(noise()[:samples])
    assert track.values.shape == (rows, DIM)
    assert track.valid.shape == (rows,)
    assert np.isfinite(track.values).all()


def test_no_piece_at_all_gives_no_rows() -> None:
    assert heard().values.shape == (0, DIM)


@pytest.mark.parametrize("level", [0.0, 0.3, -1.0])
def test_silence_is_finite_and_unvoiced_whatever_its_offset(level: float) -> None:
    track = heard(np.full(8000, level, dtype=np.float32))
    assert track.valid.all()
    np.testing.assert_allclose(column(track, "energy"), -2, atol=1e-4)
    np.testing.assert_allclose(track.values[:, :BANDS], -2, atol=1e-4)
    np.testing.assert_allclose(track.values[:, BANDS + 1 :], 0, atol=1e-4)


@pytest.mark.parametrize("level", [1e-6, 1e-4, 1.0])
def test_the_faintest_and_the_loudest_sounds_stay_in_range(level: float) -> None:
    values = heard(level * np.sign(tone(101.3)), level * 10 * noise()).values
    assert np.isfinite(values).all()
    assert np.abs(values).max() < 12


# ------------------------------------------------------------------------------------- sound: answers


@pytest.mark.parametrize("frequency", [62.0, 90.0, 137.3, 200.0, 311.1, 487.0])
@pytest.mark.parametrize("level", [0.003, 0.3])
def test_a_harmonic_tone_has_its_pitch(frequency: float, level: float) -> None:
    track = heard(tone(frequency, harmonics=10, level=level))
    assert column(track, "voicing").min() > 0.95
    np.testing.assert_allclose(hertz(track), frequency, rtol=0.005)
    np.testing.assert_allclose(column(track, "pitch_delta"), 0, atol=0.05)


def test_a_voice_in_noise_has_its_pitch() -> None:
    track = heard(tone(200, 2.0, harmonics=10, level=0.3) + noise(2.0))
    assert 0.5 < column(track, "voicing").mean() < 0.95
    np.testing.assert_allclose(np.median(hertz(track)), 200, rtol=0.01)


def test_noise_is_unvoiced() -> None:
    track = heard(noise())
    assert column(track, "voicing").max() < 0.35
    assert not column(track, "pitch").any()


def test_a_glide_moves_by_its_speed() -> None:
    time = np.arange(2 * SAMPLE_RATE) / SAMPLE_RATE
    phase = 2 * np.pi * 120 * (2**time - 1) / np.log(2)  # an octave a second, up from 120 Hz
    track = heard(sum(np.sin(h * phase) / h for h in range(1, 8)).astype(np.float32) / 4)
    assert np.median(column(track, "pitch_delta")) == pytest.approx(10 / 50, rel=0.02)
    centres = 120 * 2 ** (np.arange(len(track.values)) / 50 + FRAME / SAMPLE_RATE / 2)
    np.testing.assert_allclose(hertz(track), centres, rtol=0.01)


def test_pitch_does_not_change_where_a_voice_sets_in_or_leaps() -> None:
    track = heard(noise(0.5), tone(100, 0.5, harmonics=8), tone(240, 0.5, harmonics=8))
    settled = np.abs(column(track, "pitch_delta")) < 0.1
    assert settled.mean() > 0.95
    assert np.abs(column(track, "pitch_delta")).max() <= 2.5


def test_twice_the_amplitude_adds_six_decibels() -> None:
    soft, loud = heard(noise()), heard(2 * noise())
    gain = 20 * np.log10(2) / 20
    np.testing.assert_allclose(column(loud, "energy") - column(soft, "energy"), gain, atol=1e-4)
    np.testing.assert_allclose(loud.values[:, :BANDS] - soft.values[:, :BANDS], gain, atol=1e-3)
    np.testing.assert_allclose(loud.values[:, BANDS + 1 :], soft.values[:, BANDS + 1 :], atol=1e-3)


def test_a_sine_of_full_scale_has_minus_three_decibels() -> None:
    track = heard(tone(1000, level=1.0))
    np.testing.assert_allclose(20 * column(track, "energy") - 50, -3.01, atol=0.01)
    bands = 10 ** ((20 * track.values[:, :BANDS] - 50) / 10)
    np.testing.assert_allclose(10 * np.log10(bands.sum(axis=1)), -3.01, atol=0.1)


def test_the_loudest_band_follows_the_frequency() -> None:
    frequencies = np.geomspace(100, 7000, 25)
    expected = mel_bands()[np.round(frequencies / SAMPLE_RATE * 1024).astype(int)].argmax(axis=1)
    loudest = np.array([heard(tone(f)).values[5, :BANDS].argmax() for f in frequencies])
    assert np.abs(loudest - expected).max() <= 1
    centroids = [column(heard(tone(f)), "centroid")[5] for f in frequencies]
    assert (np.diff(centroids) > 0).all()


def test_every_band_hears_something() -> None:
    bands = mel_bands()
    assert bands.shape == (513, BANDS)
    assert bands.max(axis=0).min() > 0.7
    np.testing.assert_allclose(bands[10:450].sum(axis=1), 1, atol=1e-9)


def test_a_brighter_sound_tilts_upward() -> None:
    dull, plain, bright = (
        column(heard(np.convolve(noise(), kernel, "same").astype(np.float32)), "tilt").mean()
        for kernel in ([1, 1], [1], [1, -1])
    )
    assert dull + 0.1 < plain < bright - 0.1


def test_energy_and_flux_mark_an_onset() -> None:
    track = heard(np.zeros(16_000, dtype=np.float32), noise(1.0))
    assert column(track, "flux").argmax() in (48, 49)
    assert column(track, "energy_delta").argmax() in (48, 49)


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [("jfk.flac", 180, 260), ("silero_test.opus", 110, 160), ("silero_test.mp3", 120, 165)],
)
def test_real_voices_have_plausible_pitch(shared_data: Path, name: str, low: float, high: float) -> None:
    """Three men; the first an orator in the open air, whose harmonics stand 230 to 320 Hz apart in the spectrogram."""
    track = heard(load(shared_data / "audio" / name))
    assert low < np.median(hertz(track)) < high
    assert 0.4 < (column(track, "voicing") >= VOICED).mean() < 0.8


def test_real_sounds_give_values_about_one(shared_data: Path) -> None:
    for path in sorted((shared_data / "audio").iterdir()):
        samples = load(path)
        values = heard(samples).values
        assert len(values) == 1 + (len(samples) - FRAME) // HOP, path
        assert np.isfinite(values).all(), path
        assert np.abs(values).max() < 12, path
        assert values.std(axis=0).max() < 2.5, path


# ---------------------------------------------------------------------------------------------- words


def vector(text: str) -> NDArray[np.floating]:
    extraction = HASHED.begin()
    extraction.add(Words(text=text))
    (row,) = extraction.finish().values
    return row


def test_words_become_one_row_of_length_one() -> None:
    entry, extraction = EXTRACTORS["words-hashed"], HASHED.begin()
    extraction.add(Words(text="I am so happy for you"))
    track = extraction.finish()
    assert track.values.shape == (1, entry.dim) == (1, 512)
    assert (track.rate, track.values.dtype, track.valid.tolist()) == (entry.rate, np.float32, [True])
    assert np.linalg.norm(track.values) == pytest.approx(1, abs=1e-6)


def test_an_empty_text_is_a_row_and_absent_words_are_none() -> None:
    extraction = HASHED.begin()
    assert extraction.finish().values.shape == (0, 512)
    extraction.add(Words(text=""))
    track = extraction.finish()
    assert track.valid.tolist() == [True]
    assert not track.values.any()


def test_dim_is_an_option() -> None:
    extraction = HashedWords(dim=64).begin()
    extraction.add(Words(text="hello"))
    assert extraction.finish().values.shape == (1, 64)


def test_the_order_of_clips_changes_nothing() -> None:
    texts = ["I am proud", "oh no", "", "ha ha ha"]
    forward = {text: vector(text) for text in texts}
    for text in reversed(texts):
        np.testing.assert_array_equal(vector(text), forward[text])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Oh, NO!", "oh no"),
        ("I don\u2019t know", "i don't know"),
        ("caf\u00e9", "cafe\u0301"),
        ("\uff48\uff49", "hi"),
    ],
)
def test_what_reads_the_same_is_the_same(one: str, other: str) -> None:
    np.testing.assert_array_equal(vector(one), vector(other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("I do", "you do"),
        ("don't", "don"),
        ("not good", "good not"),
        ("\u0434\u0430", "\u043d\u0435\u0442"),
        ("ha", ""),
    ],
)
def test_what_reads_differently_differs(one: str, other: str) -> None:
    assert np.abs(vector(one) - vector(other)).max() > 0.1


def test_shared_words_bring_texts_together() -> None:
    text, near, far = vector("I am so happy for you"), vector("I am happy for her"), vector("what a terrible day")
    assert text @ near > 0.3
    assert abs(text @ far) < 0.2


def test_unicode_and_length_are_no_trouble() -> None:
    for text in ("\U0001f600 \u0431\u043e\u043b\u044c \u4f60\u597d \u0645\u0631\u062d\u0628\u0627", "word " * 200_000):
        assert np.linalg.norm(vector(text)) == pytest.approx(1, abs=1e-5)


def test_every_process_gives_the_same_numbers() -> None:
    code = (
        "import json; from mimetic.features.hashed import HashedWords; from mimetic.records import Words\n"
        "e = HashedWords().begin(); e.add(Words(text='I am so happy')); print(json.dumps(e.finish().values.tolist()))"
    )
    source = str(Path(__file__).resolve().parent.parent / "src")
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": source}
        out = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, check=True, text=True)
        np.testing.assert_array_equal(np.float32(json.loads(out.stdout))[0], vector("I am so happy"))


def test_importing_the_module_does_not_import_sklearn() -> None:
    code = "import sys, mimetic.features.hashed; assert 'sklearn' not in sys.modules"
    source = str(Path(__file__).resolve().parent.parent / "src")
    subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": source}, check=True)
