"""The store keeps tracks as they were, whole or not at all, and the same work leaves the same bytes."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from mimetic.records import StoreError, Track
from mimetic.store import Row, Shard, Store, digest, write_atomically, write_shard


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


def test_a_record_batch_ends_before_it_would_hold_too_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mimetic.store.writing.BATCH", 4 * 3 * 4)  # four rows of three float32
    sizes = {"a": 2, "b": 2, "c": 1, "d": 0, "e": 3, "f": 9}
    given = [
        Row(clip=clip, source="s", track=track(rows) if rows else None, reason=None) for clip, rows in sizes.items()
    ]
    path = write_shard(tmp_path / "x", 0, identity(), given, "float32")
    batches = pa.ipc.open_file(path)
    held = [batches.get_batch(number).column("clip").to_pylist() for number in range(batches.num_record_batches)]
    assert held == [["a", "b"], ["c", "d", "e"], ["f"]]
    stored = Store(tmp_path)["x"]
    assert [stored.length(clip) for clip in sizes] == list(sizes.values())
    for row in given:
        if row.track is not None:
            np.testing.assert_array_equal(stored[row.clip].values, row.track.values)


def test_whether_a_clip_is_there_is_known(tmp_path: Path) -> None:
    write_shard(tmp_path / "x", 0, identity(), rows(), "float32")
    stored = Store(tmp_path)["x"]
    assert "00013" in stored  # it has a row, if no track
    assert "00015" not in stored
    assert (stored.length("00013"), stored.length("00014"), stored.source("00014")) == (0, 7, "cc")


def test_a_note_that_only_some_tracks_have_is_zero_in_the_others(tmp_path: Path) -> None:
    plain = Track(values=np.ones((2, 3), np.float32), rate=5.0, valid=np.ones(2, bool))
    given = [
        Row(clip="a", source="s", track=plain, reason=None),
        Row(clip="b", source="s", track=track(3), reason=None),
    ]
    write_shard(tmp_path / "x", 0, identity(), given, "float32")
    stored = Store(tmp_path)["x"]
    assert stored["a"].notes["confidence"].tolist() == [0.0, 0.0]
    np.testing.assert_array_equal(stored["b"].notes["confidence"], track(3).notes["confidence"])


def test_a_shard_of_another_format_is_named_and_so_is_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr("mimetic.store.writing.FORMAT", 99)
        path = write_shard(tmp_path / "x", 0, identity(), rows(), "float32")
    with pytest.raises(StoreError, match=rf"{path.name} has format 99, this version reads 2. Delete it and run"):
        Store(tmp_path)["x"]
    path.write_bytes(b"ARROW1")
    with pytest.raises(StoreError, match=r"is damaged .*`mimetic extract`, or of imported features `mimetic import`"):
        Store(tmp_path)["x"]


def test_a_shard_that_a_writer_replaces_meanwhile_is_looked_for_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = write_shard(tmp_path / "x", 0, identity(), rows(), "float32")
    write_shard(tmp_path / "x", 1, identity(), [Row(clip="1", source="s", track=track(2), reason=None)], "float32")
    opened = Shard.__init__

    def replaced(self: Shard, path: Path) -> None:
        if path == old and old.exists():
            write_shard(tmp_path / "x", 0, identity(), rows()[:1], "float32")
            old.unlink()
        opened(self, path)

    monkeypatch.setattr(Shard, "__init__", replaced)
    assert sorted(Store(tmp_path)["x"]) == ["00012", "1"]


def test_features_are_named_as_they_were_asked_for(tmp_path: Path) -> None:
    store = Store(tmp_path)
    key = "wav2vec2+layers=9:10+model=a/b"
    write_shard(store.folder(key), 0, identity(), rows(), "float32")
    assert store.folder(key).parent == tmp_path
    assert store.keys() == [key]
    assert key in store
    assert "wav2vec2" not in store


def test_new_shards_are_seen_after_a_refresh(tmp_path: Path) -> None:
    store = Store(tmp_path)
    write_shard(tmp_path / "x", 0, identity(), rows(), "float32")
    assert len(store["x"]) == 3
    write_shard(tmp_path / "x", 1, identity(), [Row(clip="1", source="s", track=None, reason="none")], "float32")
    assert len(store["x"]) == 3
    store.refresh()
    assert len(store["x"]) == 4


@pytest.mark.skipif(os.name != "posix", reason="folders cannot be flushed here")
def test_a_file_and_its_new_name_are_both_flushed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flushed: list[bool] = []
    monkeypatch.setattr("os.fsync", lambda handle: flushed.append(stat.S_ISDIR(os.fstat(handle).st_mode)))
    write_atomically(tmp_path / "file", b"content")
    assert flushed == [False, True]  # the content, then the folder that has its name


def test_what_is_written_last_counts_whatever_it_is_called(tmp_path: Path) -> None:
    first = write_shard(tmp_path / "x", 7, identity(), rows(), "float32")
    os.utime(first, ns=(0, 10**9))
    newer = [Row(clip="00012", source="zz", track=track(2, seed=9), reason=None)]
    os.utime(write_shard(tmp_path / "x", 0, identity(), newer, "float32"), ns=(0, 2 * 10**9))
    assert Store(tmp_path)["x"].source("00012") == "zz"


def test_a_digest_is_as_long_as_asked_and_knows_no_order() -> None:
    assert digest({"a": 1, "b": [2]}) == digest({"b": [2], "a": 1})
    assert (len(digest("x")), len(digest("x", size=4))) == (16, 8)
    assert digest({"b": [1, 2.5], "a": "ä"}) == "dfec6d9239737f95"  # names of shards and runs are made of these
