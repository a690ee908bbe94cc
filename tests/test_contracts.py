"""One contract for every extractor of the table: a new entry is tested with no test written."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from mimetic.features import EXTRACTORS, VIEWS, feature
from mimetic.models import ModelEntry
from mimetic.records import MODALITIES, Extractor, Frames, Piece, Sound, Track, Words

SECONDS = 2
HERE = [name for name, entry in EXTRACTORS.items() if not isinstance(entry, ModelEntry) and entry.view != "imported"]


def extractor(name: str) -> Extractor:
    if module := {"face": "mediapipe", "prosody": "opensmile"}.get(EXTRACTORS[name].extra or ""):
        pytest.importorskip(module)
    return feature(name).make()


def view(name: str, *, seconds: float = SECONDS, seed: int = 0) -> Piece:
    """Give a whole view in one piece: noise that moves, a tone, a sentence."""
    entry = EXTRACTORS[name]
    draw = np.random.default_rng(seed)
    if entry.view == "words":
        return Words(text=" ".join(draw.choice(["so", "it", "goes", "on", "and"], 12)))
    if entry.view == "audio":
        samples = 0.3 * np.sin(np.arange(int(16_000 * seconds)) * 0.08) + 0.01 * draw.normal(size=int(16_000 * seconds))
        return Sound(samples=samples.astype(np.float32))
    count = max(1, round(entry.rate * seconds))
    canvas = draw.integers(0, 255, (90, 160 + 2 * count, 3), dtype=np.uint8).repeat(2, 0)
    images = np.stack([canvas[:, 2 * i : 2 * i + 160] for i in range(count)])
    return Frames(images=images, times=np.arange(count) / entry.rate, valid=np.ones(count, bool))


def cut(piece: Piece, at: int) -> Iterator[Piece]:
    """Cut a view in two."""
    if isinstance(piece, Sound):
        yield from (Sound(samples=part) for part in (piece.samples[:at], piece.samples[at:]))
    elif isinstance(piece, Frames):
        for part in (slice(None, at), slice(at, None)):
            yield Frames(images=piece.images[part], times=piece.times[part], valid=piece.valid[part])
    else:
        yield piece


def run(made: Extractor, *pieces: Piece) -> Track:
    extraction = made.begin()
    for piece in pieces:
        extraction.add(piece)
    return extraction.finish()


@pytest.mark.parametrize("name", HERE)
def test_an_entry_says_what_its_track_is(name: str) -> None:
    entry, track = EXTRACTORS[name], run(extractor(name), view(name))
    assert entry.view in VIEWS
    assert entry.modality in MODALITIES
    assert track.values.shape[1] == entry.dim
    assert track.rate == entry.rate
    assert np.isfinite(track.values).all()
    assert np.abs(track.values).max() < np.finfo(feature(name).dtype).max
    expected = SECONDS * entry.rate if entry.rate else 1
    assert abs(len(track.values) - expected) <= 1 or name == "letters"  # a row a letter


@pytest.mark.parametrize("name", HERE)
@pytest.mark.parametrize("at", [0, 1, 7])
def test_a_track_does_not_depend_on_how_its_view_is_cut(name: str, at: int) -> None:
    made = extractor(name)
    whole, parts = run(made, view(name)), run(made, *cut(view(name), at))
    np.testing.assert_array_equal(whole.values, parts.values)
    np.testing.assert_array_equal(whole.valid, parts.valid)


@pytest.mark.parametrize("name", HERE)
def test_a_clip_s_track_does_not_depend_on_the_clips_before_it(name: str) -> None:
    made = extractor(name)
    run(made, view(name, seed=1))
    unfinished = made.begin()
    unfinished.add(view(name, seed=2))
    later, fresh = run(made, view(name)), run(extractor(name), view(name))
    np.testing.assert_array_equal(later.values, fresh.values)


@pytest.mark.parametrize("name", HERE)
def test_nothing_and_next_to_nothing_are_tracks_too(name: str) -> None:
    made = extractor(name)
    assert run(made).values.shape == (0, EXTRACTORS[name].dim)
    shortest = run(made, view(name, seconds=1 / 16_000))
    assert shortest.values.shape[1] == EXTRACTORS[name].dim
    assert np.isfinite(shortest.values).all()
