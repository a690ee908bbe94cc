"""The store keeps tracks as they were, whole or not at all, and the same work leaves the same bytes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mimetic.records import StoreError, Track
from mimetic.store import Row, Store, write_atomically, write_shard


def identity(dim: int = 3, dtype: str = "float32") -> dict[str, object]:
    return {"extractor": "x", "dim": dim, "dtype": dtype}


def track(rows: int, dim: int = 3, seed: int = 0) -> Track:
    draw = np.random.default_rng(seed)
    return Track(
        values=draw.normal(size=(rows, dim)).astype(np.float32),
        rate=5.0,
        valid=draw.random(rows) > 0.3,
        notes={"confidence": draw.random(rows).astype(np.float32)},
    )


def rows() -> list[Row]:
    return [
        Row(clip="00012", source="aa", track=track(4), reason=None),
        Row(clip="00013", source="bb", track=None, reason="no sound track"),
        Row(clip="00014", source="cc", track=track(7, seed=1), reason=None),
    ]


def test_a_track_comes_back_as_it_went_in(tmp_path: Path) -> None:
    write_shard(tmp_path / "x", 0, identity(), rows(), "float32")
    stored = Store(tmp_path)["x"]
    assert list(stored) == ["00012", "00013", "00014"]
    for row in rows():
        if row.track is not None:
            back = stored[row.clip]
            np.testing.assert_array_equal(back.values, row.track.values)
            np.testing.assert_array_equal(back.valid, row.track.valid)
            np.testing.assert_array_equal(back.notes["confidence"], row.track.notes["confidence"])
            assert (back.rate, back.provenance["source"]) == (5.0, row.source)
    assert stored.reason("00013") == "no sound track"
    assert stored["00013"].values.shape == (0, 3)


def test_the_same_rows_leave_the_same_bytes(tmp_path: Path) -> None:
    first = write_shard(tmp_path / "a" / "x", 0, identity(), rows(), "float32")
    second = write_shard(tmp_path / "b" / "x", 0, identity(), rows(), "float32")
    assert first.name == second.name
    assert first.read_bytes() == second.read_bytes()


def test_half_precision_is_kept_as_half(tmp_path: Path) -> None:
    write_shard(tmp_path / "x", 0, identity(dtype="float16"), rows(), "float16")
    values = Store(tmp_path)["x"]["00012"].values
    assert values.dtype == np.float16
    np.testing.assert_array_equal(values, track(4).values.astype(np.float16))


def test_of_a_clip_in_two_shards_the_newest_counts(tmp_path: Path) -> None:
    write_shard(tmp_path / "x", 0, identity(), rows(), "float32")
    newer = [Row(clip="00013", source="bb", track=track(2, seed=9), reason=None)]
    path = write_shard(tmp_path / "x", 7, identity(), newer, "float32")
    later = path.stat().st_mtime_ns + 10**9
    import os

    os.utime(path, ns=(later, later))
    stored = Store(tmp_path)["x"]
    assert stored.reason("00013") is None
    assert len(stored) == 3


def test_a_damaged_shard_is_named(tmp_path: Path) -> None:
    path = write_shard(tmp_path / "x", 0, identity(), rows(), "float32")
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(StoreError, match=rf"{path.name} is damaged"):
        Store(tmp_path)["x"]


def test_a_flipped_bit_is_found(tmp_path: Path) -> None:
    path = write_shard(tmp_path / "x", 0, identity(), rows(), "float32")
    (shard,) = Store(tmp_path)["x"].shards
    assert shard.verify()
    whole = path.read_bytes()
    at = whole.index(track(4).values.tobytes()[:16])
    path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
    (shard,) = Store(tmp_path)["x"].shards
    assert not shard.verify()


def test_a_feature_that_is_not_there_is_told_with_what_is(tmp_path: Path) -> None:
    write_shard(tmp_path / "x", 0, identity(), rows(), "float32")
    with pytest.raises(StoreError, match=r"has no 'y'; it holds x"):
        Store(tmp_path)["y"]


def test_nothing_half_written_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_atomically(tmp_path / "file", b"content")
    assert list(tmp_path.iterdir()) == []
