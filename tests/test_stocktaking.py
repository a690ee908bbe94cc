"""What a store holds is counted, a flipped bit is named, and stores of several machines become one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mimetic.records import StoreError, Track, UsageError
from mimetic.stocktaking import merge, take_stock, verify
from mimetic.store import Row, Store, write_shard

IDENTITY = {"extractor": "logmel", "dim": 3, "model": "none"}


def shard(store: Path, index: int, key: str = "logmel", **identity: object) -> Path:
    draw = np.random.default_rng(index)
    rows = [
        Row(
            clip=f"{index}{letter}",
            source=f"{index}",
            track=Track(values=draw.normal(size=(n, 3)).astype(np.float32), rate=5.0, valid=np.ones(n, bool)),
            reason="in part: cut short" if n == 1 else None,
        )
        for letter, n in (("a", 4), ("b", 1))
    ]
    rows.append(Row(clip=f"{index}c", source="absent", track=None, reason="no media file"))
    return write_shard(Store(store).folder(key), index, {**IDENTITY, **identity}, rows, "float32")


def test_stock_counts_clips_rows_and_what_fell_short(tmp_path: Path) -> None:
    paths = [shard(tmp_path, 0), shard(tmp_path, 1), shard(tmp_path, 0, "own-audio+dim=3", made={"imported": "x"})]
    own, logmel = take_stock(Store(tmp_path))[::-1]
    assert (logmel.feature, logmel.clips, logmel.rows, logmel.short, logmel.made) == ("logmel", 6, 10, 4, "extracted")
    assert logmel.bytes == sum(path.stat().st_size for path in paths[:2])
    assert (own.feature, own.made) == ("own-audio+dim=3", "imported")


def test_a_whole_store_has_no_faults(tmp_path: Path) -> None:
    shard(tmp_path, 0)
    seen: list[tuple[int, int]] = []
    assert verify(Store(tmp_path), progress=lambda *at: seen.append(at)) == []
    assert seen == [(0, 1), (1, 1)]


def test_a_flipped_bit_anywhere_in_the_values_is_named(tmp_path: Path) -> None:
    path = shard(tmp_path, 0)
    whole = path.read_bytes()
    place = whole.index(Store(tmp_path)["logmel"]["0a"].values.tobytes())
    for offset in range(0, 4 * 3 * 4, 7):
        spoilt = bytearray(whole)
        spoilt[place + offset] ^= 1
        path.write_bytes(spoilt)
        (fault,) = verify(Store(tmp_path))
        assert str(path) in fault


def test_a_shard_that_is_cut_off_is_named_and_the_others_are_read(tmp_path: Path) -> None:
    path, other = shard(tmp_path, 0), shard(tmp_path, 1)
    for length in (0, 10, path.stat().st_size - 1):
        path.write_bytes(other.read_bytes()[:length])
        (fault,) = verify(Store(tmp_path))
        assert f"{path} is damaged" in fault


def test_stores_of_several_machines_become_one(tmp_path: Path) -> None:
    shard(tmp_path / "one", 0)
    shard(tmp_path / "two", 1)
    shard(tmp_path / "two", 1, "other")
    held = merge([Store(tmp_path / "one"), Store(tmp_path / "two")], Store(tmp_path / "all"))
    assert [(h.feature, h.clips) for h in held] == [("logmel", 6), ("other", 3)]
    assert verify(Store(tmp_path / "all")) == []
    merge([Store(tmp_path / "one")], Store(tmp_path / "all"))  # once more changes nothing
    assert len(list((tmp_path / "all").glob("*/*"))) == 3
    assert Store(tmp_path / "all")["logmel"].reason("0c") == "no media file"


def test_the_newest_of_two_rows_stays_the_newest(tmp_path: Path) -> None:
    import os

    old, new = shard(tmp_path / "old", 0), shard(tmp_path / "new", 0, "logmel")
    new = new.rename(new.with_name("00000.ffffffff.arrow"))
    os.utime(old, ns=(1, 1))
    merge([Store(tmp_path / "new"), Store(tmp_path / "old")], Store(tmp_path / "all"))
    assert Store(tmp_path / "all")["logmel"].newest("0a").path.name == new.name


def test_what_was_computed_differently_is_not_mixed(tmp_path: Path) -> None:
    shard(tmp_path / "one", 0)
    shard(tmp_path / "two", 1, revision="2")
    with pytest.raises(UsageError, match=r"hold logmel computed differently \(revision\)"):
        merge([Store(tmp_path / "one"), Store(tmp_path / "two")], Store(tmp_path / "all"))
    assert not (tmp_path / "all").exists()


def test_what_is_no_store_is_told(tmp_path: Path) -> None:
    for call in (take_stock, verify):
        with pytest.raises(UsageError, match="is no store"):
            call(Store(tmp_path))
    shard(tmp_path, 0).write_bytes(b"")
    with pytest.raises(StoreError, match="damaged"):
        take_stock(Store(tmp_path))
