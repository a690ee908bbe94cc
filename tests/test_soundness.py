"""A store whose bytes were changed, cut or replaced: named and made again, never served."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from clips import write_layout
from mimetic.datasets import open_dataset
from mimetic.extraction import extract, source_of
from mimetic.features import feature, features
from mimetic.imports import import_features
from mimetic.records import Clip, StoreError, Track
from mimetic.soundness import DAMAGED
from mimetic.store import Row, Shard, Store, StoredFeature, write_shard

IDENTITY = {"extractor": "x", "dim": 3, "dtype": "float32"}


def rows() -> list[Row]:
    draw = np.random.default_rng(0)
    tracks = [
        Track(
            values=draw.normal(size=(length, 3)).astype(np.float32),
            rate=5.0,
            valid=draw.random(length) > 0.3,
            notes={"confidence": draw.random(length).astype(np.float32)},
        )
        for length in (4, 7)
    ]
    return [
        Row(clip="00012", source="aa", track=tracks[0], reason=None),
        Row(clip="00013", source="bb", track=None, reason="no sound track"),
        Row(clip="00014", source="cc", track=tracks[1], reason="in part: sound damaged"),
    ]


def served(path: Path) -> list[object]:
    """Give all that a reader can get from a shard."""
    shard = Shard(path)
    found: list[object] = [shard.identity]
    for clip in shard.clips:
        track = shard.track(clip)
        notes = {name: note.tobytes() for name, note in track.notes.items()}
        told = [clip, shard.source(clip), shard.reason(clip), track.rate, track.values.tobytes()]
        found += [*told, track.valid.tobytes(), notes]
    return found


@pytest.fixture
def shard(tmp_path: Path) -> Path:
    return write_shard(tmp_path / "x", 0, IDENTITY, rows(), "float32")


def test_a_bit_flipped_anywhere_is_named_or_changes_nothing(shard: Path) -> None:
    whole, before = shard.read_bytes(), served(shard)
    draw = np.random.default_rng(1)
    named = 0
    for place in range(0, len(whole), 5):
        flipped = bytearray(whole)
        flipped[place] ^= 1 << int(draw.integers(8))
        shard.write_bytes(flipped)
        os.utime(shard, ns=(0, 10**9 * (place + 1)))  # each is another file, as a real one would be
        try:
            assert served(shard) == before, f"byte {place} was changed, and served"
        except StoreError as error:
            named += shard.name in str(error)
    assert named > len(whole) // 15  # the rest is padding


def test_a_store_cut_at_any_length_is_named(shard: Path) -> None:
    whole = shard.read_bytes()
    for length in range(0, len(whole), 3):
        shard.write_bytes(whole[:length])
        with pytest.raises(StoreError, match=shard.name):
            served(shard)


def test_values_are_proven_once_and_proven_again_when_the_file_changes(
    shard: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mimetic import soundness

    hashed: list[int] = []
    counted = soundness._whole
    monkeypatch.setattr(soundness, "_whole", lambda batch: hashed.append(1) or counted(batch))
    stored = StoredFeature(shard.parent)
    assert stored.source("00012") == "aa"
    assert not hashed  # planning reads no values
    for _ in range(3):
        assert len(StoredFeature(shard.parent)["00012"].values) == 4
    assert len(hashed) == 1
    os.utime(shard, ns=(0, 10**18))
    assert len(StoredFeature(shard.parent)["00012"].values) == 4
    assert len(hashed) == 2


def test_shards_of_before_the_index_are_read_and_checked(shard: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mimetic import soundness
    from mimetic.store import writing

    monkeypatch.setattr(writing, "checksums", lambda batch: {"checksum": soundness._whole(batch)})
    path = write_shard(shard.parent.parent / "old", 0, IDENTITY, rows(), "float32")
    assert served(path) == served(shard)
    whole = path.read_bytes()
    values = rows()[0].track
    assert isinstance(values, Track)
    at = whole.index(values.values.tobytes())
    path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
    os.utime(path, ns=(0, 10**18))
    with pytest.raises(StoreError, match="not those that were written"):
        Store(path.parent.parent)["old"]["00012"]


# ----------------------------------------------------------------------------------------- made again


def flip(path: Path, *, at: int) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 4
    path.write_bytes(content)


def flip_a_value(path: Path) -> None:
    (batch,) = Shard(path)._batches
    value = batch.column("values").values.values.buffers()[1].to_pybytes()
    flip(path, at=path.read_bytes().index(value) + len(value) // 2)


def contents(store: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(store.rglob("*.arrow"))}


@pytest.fixture(scope="module")
def layout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_layout(tmp_path_factory.mktemp("layout"))


@pytest.mark.parametrize("harm", [flip_a_value, lambda path: os.truncate(path, 700)])
def test_extraction_sets_a_damaged_shard_aside_and_makes_the_same_bytes_again(
    layout: Path, tmp_path: Path, harm: Callable[[Path], None]
) -> None:
    clips, wanted = open_dataset(layout).clips, features(["logmel", "words-hashed"])
    extract(clips, wanted, Store(tmp_path), workers=0)
    before = contents(tmp_path)
    (path,) = (tmp_path / "logmel").glob("*.arrow")
    harm(path)
    summaries = extract(clips, wanted, Store(tmp_path), workers=0)
    assert contents(tmp_path) == before
    assert path.name in summaries["logmel"].damaged[0]
    assert not summaries["words-hashed"].damaged
    assert [kept.name for kept in path.parent.iterdir() if kept.suffix == DAMAGED] == [path.name + DAMAGED]


def test_imported_features_that_are_damaged_are_not_replaced_by_extracted_ones(layout: Path, tmp_path: Path) -> None:
    clips, (wanted,) = open_dataset(layout).clips, features(["logmel"])
    folder = tmp_path / "theirs"
    folder.mkdir()
    for clip in clips:
        np.save(folder / f"{clip.id}.npy", np.ones((5, wanted.dim), np.float32))
    store = Store(tmp_path / "store")
    import_features(clips, folder, wanted, store)
    before = contents(store.path)
    (path,) = (store.path / "logmel").glob("*.arrow")
    flip_a_value(path)
    with pytest.raises(StoreError, match=f"{path.name} is damaged.*Import it again"):
        extract(clips, [wanted], Store(store.path), workers=0)
    import_features(clips, folder, wanted, Store(store.path))
    assert contents(store.path) == before


def test_a_reader_finds_the_shard_that_replaced_the_one_it_was_about_to_open(
    shard: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, opened = shard.read_bytes(), Shard.__init__

    def replaced(self: Shard, path: Path) -> None:
        if path.name == shard.name:
            shard.with_name("00001.ffffffff.arrow").write_bytes(whole)
            path.unlink()
        opened(self, path)

    monkeypatch.setattr(Shard, "__init__", replaced)
    assert len(StoredFeature(shard.parent)) == 3


# ------------------------------------------------------------------------------------- signed by content


def test_face_crops_of_the_same_names_and_sizes_are_told_apart(tmp_path: Path) -> None:
    clip = Clip(id="a", faces=tmp_path)
    for number in range(5):
        (tmp_path / f"{number}.jpg").write_bytes(bytes(100))
    before = source_of(clip, "faces", {"detector": "given"})
    (tmp_path / "2.jpg").write_bytes(b"x" * 100)
    assert source_of(clip, "faces", {"detector": "given"}) != before


def test_a_detectors_model_is_signed_by_what_is_in_its_file(tmp_path: Path) -> None:
    first, second = tmp_path / "one.onnx", tmp_path / "two.onnx"
    for path in (first, second):
        path.write_bytes(b"weights")
    one, two = (feature(f"face-appearance+detector=yunet+detector_model={path}") for path in (first, second))
    assert one.identity == two.identity
    second.write_bytes(b"others.")
    assert one.identity != two.identity
    assert not one.matches(two.identity)


def test_a_reason_or_a_source_that_was_changed_is_named_before_any_value_is_read(shard: Path) -> None:
    whole = shard.read_bytes()
    at = whole.index(b"no sound track")
    shard.write_bytes(whole[:at] + b"so" + whole[at + 2 :])
    os.utime(shard, ns=(0, 10**18))
    with pytest.raises(StoreError, match="index is not as it was written"):
        Shard(shard)
