"""Rows become a track: rounded, pooled, and set aside on disk without a trace in their values."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

import mimetic.spools
from mimetic.records import Track
from mimetic.spools import NotFinite, Pooling, Spool, joined, pool
from mimetic.store import Row, Store, write_shard


def rows(count: int, dim: int = 4, seed: int = 0) -> Track:
    draw = np.random.default_rng(seed)
    return Track(
        values=draw.normal(size=(count, dim)).astype(np.float32),
        rate=10.0,
        valid=draw.random(count) > 0.4,
        notes={"confidence": draw.random(count).astype(np.float32)},
    )


def cut(track: Track, *at: int) -> list[Track]:
    edges = [0, *at, len(track.values)]
    return [
        Track(
            values=track.values[a:b],
            rate=track.rate,
            valid=track.valid[a:b],
            notes={name: note[a:b] for name, note in track.notes.items()},
        )
        for a, b in pairwise(edges)
    ]


@pytest.mark.parametrize("held", [1, 100, 1 << 20])
def test_a_spool_gives_back_what_went_in(held: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mimetic.spools, "HELD", held)
    whole = rows(50)
    spool = Spool(4, 10.0, "float16", folder=tmp_path)
    for piece in cut(whole, 0, 7, 7, 30):
        spool.append(piece)
    for _ in range(2):  # as often as asked
        back = spool.track()
        np.testing.assert_array_equal(back.values, whole.values.astype(np.float16))
        np.testing.assert_array_equal(back.valid, whole.valid)
        np.testing.assert_array_equal(back.notes["confidence"], whole.notes["confidence"])
    assert max(piece.values.nbytes for piece in spool.pieces()) <= max(held, 8)
    assert list(tmp_path.iterdir()) == []  # the file has no name


def test_an_empty_spool_is_an_empty_track() -> None:
    assert Spool(4, 10.0, "float32").track().values.shape == (0, 4)


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e6])
def test_what_cannot_be_stored_is_refused(bad: float) -> None:
    track = rows(3)
    track.values[1, 2] = bad
    with pytest.raises(NotFinite, match="not finite in float16"):
        Spool(4, 10.0, "float16").append(track)


def test_a_note_that_comes_late_is_zero_before() -> None:
    spool = Spool(4, 10.0, "float32")
    first, second = cut(rows(6), 2)
    spool.append(Track(values=first.values, rate=10.0, valid=first.valid))
    spool.append(second)
    assert spool.track().notes["confidence"][:2].tolist() == [0, 0]


def by_hand(track: Track, rate: float) -> tuple[list[list[float]], list[bool]]:
    values, valid = [], []
    count = int(np.floor((len(track.values) - 1) * rate / track.rate + 1e-9)) + 1
    for bin_ in range(count):
        inside = [k for k in range(len(track.values)) if int(k * rate / track.rate + 1e-9) == bin_]
        good = [k for k in inside if track.valid[k]]
        values.append(track.values[good].mean(axis=0).tolist() if good else [0.0] * track.values.shape[1])
        valid.append(bool(good))
    return values, valid


@pytest.mark.parametrize("rate", [10.0, 5.0, 4.0, 3.0, 1.0, 0.3])
@pytest.mark.parametrize("count", [1, 2, 9, 10, 31])
def test_a_bin_is_the_mean_of_its_measurements(rate: float, count: int) -> None:
    track = rows(count)
    made = pool(track, rate)
    values, valid = by_hand(track, rate)
    assert made.rate == rate
    assert made.valid.tolist() == valid
    np.testing.assert_allclose(made.values, values, atol=1e-6)


@pytest.mark.parametrize("rate", [5.0, 3.0, 0.7])
def test_bins_do_not_depend_on_how_the_rows_came(rate: float) -> None:
    track = rows(40)
    whole = pool(track, rate)
    pooling = Pooling(10.0, rate)
    parts = joined([*(pooling.add(piece) for piece in cut(track, 1, 1, 2, 17, 39)), pooling.finish()])
    np.testing.assert_array_equal(parts.values, whole.values)
    np.testing.assert_array_equal(parts.valid, whole.valid)
    np.testing.assert_array_equal(parts.notes["confidence"], whole.notes["confidence"])


def test_a_long_track_spans_record_batches_and_comes_back_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mimetic.spools, "HELD", 64)
    monkeypatch.setattr("mimetic.store.writing.BATCH", 128)
    long, short = rows(100), rows(3, seed=1)
    spool = Spool(4, 10.0, "float32")
    spool.append(long)
    lines = [
        Row(clip="a", source="s", track=short, reason=None),
        Row(clip="b", source="t", track=spool, reason="in part: it is long"),
        Row(clip="c", source="u", track=None, reason="no sound track"),
        Row(clip="d", source="v", track=short, reason=None),
    ]
    path = write_shard(tmp_path / "x", 0, {"extractor": "x", "dim": 4}, lines, "float32")
    stored = Store(tmp_path)["x"]
    assert list(stored) == ["a", "b", "c", "d"]
    assert [stored.length(clip) for clip in stored] == [3, 100, 0, 3]
    np.testing.assert_array_equal(stored["b"].values, long.values)
    np.testing.assert_array_equal(stored["b"].valid, long.valid)
    np.testing.assert_array_equal(stored["d"].values, short.values)
    assert stored.reason("b") == "in part: it is long"
    assert stored.newest("a").verify()
    content = bytearray(path.read_bytes())
    place = bytes(content).index(long.values[50].tobytes())
    content[place] ^= 1
    path.write_bytes(content)
    assert not Store(tmp_path)["x"].newest("a").verify()
