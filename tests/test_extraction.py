"""Clips into the store: decoded once, resumed to the same bytes, every clip with a row or a reason."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

import mimetic.conveying
import mimetic.extraction
from clips import write_clip, write_layout
from mimetic.datasets import open_dataset
from mimetic.extraction import extract
from mimetic.features import LIGHT, Feature, features
from mimetic.media import Media
from mimetic.reading import ClipReader, Message, Taken
from mimetic.records import Clip, Track, UsageError
from mimetic.stocktaking import merge
from mimetic.store import Store

ALL = features(LIGHT)


@pytest.fixture(scope="module")
def layout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_layout(tmp_path_factory.mktemp("layout"))


@pytest.fixture(autouse=True)
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mimetic.extraction, "SHARD", 4)


def contents(store: Path) -> dict[str, bytes]:
    return {str(path.relative_to(store)): path.read_bytes() for path in sorted(store.rglob("*")) if path.is_file()}


def test_every_clip_gets_a_row_or_a_reason(layout: Path, tmp_path: Path) -> None:
    clips = open_dataset(layout).clips
    store = Store(tmp_path)
    summaries = extract(clips, ALL, store, workers=0)
    assert summaries["logmel"].failures == [("00001", "no sound track")]
    assert summaries["words-hashed"].failures == [("00002", "no transcript")]
    assert summaries["face-appearance"].failures == summaries["motion-blocks"].failures == []
    for key, summary in summaries.items():
        assert summary.clips == len(clips) == len(store[key])
        assert summary.frames == sum(store[key].length(clip.id) for clip in clips)
    assert store["face-appearance"]["00000"].rate == 5.0
    assert store["face-appearance"]["00000"].provenance["view_options"]["detector"] == "centre"


def test_a_clip_is_opened_once_however_many_features_want_it(
    layout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[Path] = []
    original = Media.__init__

    def counted(self: Media, path: Path) -> None:
        opened.append(path)
        original(self, path)

    monkeypatch.setattr(Media, "__init__", counted)
    clips = open_dataset(layout).clips
    extract(clips, ALL, Store(tmp_path), workers=0)
    assert sorted(opened) == sorted(clip.path for clip in clips if clip.path)


def test_a_rerun_does_nothing_and_a_new_feature_only_itself(layout: Path, tmp_path: Path) -> None:
    clips = open_dataset(layout).clips
    extract(clips, features(["logmel"]), Store(tmp_path), workers=0)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.arrow")}
    totals: list[int] = []
    extract(clips, features(["logmel"]), Store(tmp_path), workers=0, progress=lambda done, total: totals.append(total))
    assert totals == [0]
    extract(clips, features(["logmel", "words-hashed"]), Store(tmp_path), workers=0)
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert Store(tmp_path).keys() == ["logmel", "words-hashed"]


def test_the_store_has_the_same_bytes_however_it_was_made(layout: Path, tmp_path: Path) -> None:
    clips = open_dataset(layout).clips
    extract(clips, ALL, Store(tmp_path / "here"), workers=0)
    extract(clips, ALL, Store(tmp_path / "pool"), workers=2)
    for name in reversed(LIGHT):
        extract(clips, features([name]), Store(tmp_path / "one by one"), workers=0)
    assert contents(tmp_path / "here") == contents(tmp_path / "pool") == contents(tmp_path / "one by one")


def test_a_killed_job_ends_with_the_same_bytes(tmp_path: Path) -> None:
    layout = write_layout(tmp_path / "data", train=24, valid=8, test=8)
    clips = open_dataset(layout).clips
    extract(clips, ALL, Store(tmp_path / "whole"), workers=0)
    code = (
        "import sys, mimetic.extraction as e; e.SHARD = 4\n"
        "from mimetic.datasets import open_dataset; from mimetic.features import *; from mimetic.store import Store\n"
        "from pathlib import Path\n"
        "e.extract(open_dataset(Path(sys.argv[1])).clips, features(LIGHT), Store(sys.argv[2]), workers=0)"
    )
    job = subprocess.Popen([sys.executable, "-c", code, str(layout), str(tmp_path / "killed")])
    deadline = time.monotonic() + 60
    while len(list((tmp_path / "killed").rglob("*.arrow"))) < 6 and time.monotonic() < deadline:
        time.sleep(0.002)
    os.kill(job.pid, signal.SIGKILL)
    job.wait()
    left = contents(tmp_path / "killed")
    assert 6 <= sum(name.endswith(".arrow") for name in left) < 40
    extract(clips, ALL, Store(tmp_path / "killed"), workers=0)
    whole = contents(tmp_path / "whole")
    assert {name: whole.get(name) for name in contents(tmp_path / "killed") if name.endswith(".arrow")} == whole


def test_a_clip_that_changed_is_read_again_and_what_it_replaces_is_gone(layout: Path, tmp_path: Path) -> None:
    clip = Clip(id="a", path=write_clip(tmp_path / "a.mp4", seed=1))
    store = Store(tmp_path / "store")
    extract([clip], features(["logmel"]), store, workers=0)
    first = np.array(store["logmel"]["a"].values)
    write_clip(tmp_path / "a.mp4", seed=9)
    extract([clip], features(["logmel"]), store, workers=0)
    assert not np.array_equal(store["logmel"]["a"].values, first)
    assert len(list((tmp_path / "store").rglob("*.arrow"))) == 1


def test_what_was_read_in_part_says_so_and_is_used(tmp_path: Path) -> None:
    whole = write_clip(tmp_path / "whole.mkv", seconds=3.0)
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    taken = read(features(["motion-blocks"]), Clip(id="cut", path=cut))["motion-blocks"]
    assert taken.track is not None
    assert taken.reason is not None
    assert taken.reason.startswith("in part: ")


def test_whatever_a_clip_s_trouble_is_the_job_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clips = [Clip(id=name, path=write_clip(tmp_path / f"{name}.mp4", seed=i)) for i, name in enumerate("abc")]
    untroubled = ClipReader._read

    def troubled(self: ClipReader, clip: Clip) -> Iterator[Message]:
        if clip.id == "b":
            raise ZeroDivisionError("by nothing")
        yield from untroubled(self, clip)

    monkeypatch.setattr(ClipReader, "_read", troubled)
    summary = extract(clips, features(["logmel"]), Store(tmp_path / "store"), workers=0)["logmel"]
    assert summary.failures == [("b", "ZeroDivisionError: by nothing")]


def told(reader: ClipReader, clip: Clip) -> dict[str, Taken]:
    (last,) = reader(clip)
    assert isinstance(last, dict)
    return last


def read(wanted: Sequence[Feature], clip: Clip) -> dict[str, Taken]:
    return told(ClipReader(wanted), clip)


class Crashing:
    """Reads like a ``ClipReader``, but a picture takes the process down."""

    def __init__(self, wanted: tuple[Feature, ...]) -> None:
        self._keys = [feature.key for feature in wanted]

    def __call__(self, clip: Clip) -> Iterator[Message]:
        if "motion-blocks" in self._keys:
            os.abort()
        yield {key: Taken(None, f"{key} was read") for key in self._keys}


@dataclass(frozen=True)
class MakeCrashing:
    features: tuple[Feature, ...]

    def __call__(self) -> Crashing:
        return Crashing(self.features)


def test_a_crash_in_one_view_costs_that_view_of_that_clip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mimetic.conveying, "_Reads", MakeCrashing)
    clip = Clip(id="a", path=write_clip(tmp_path / "a.mp4"), text="so")
    summaries = extract([clip], ALL, Store(tmp_path / "store"), workers=1)
    reasons = {key: summary.failures[0][1] for key, summary in summaries.items()}
    assert reasons["words-hashed"] == "words-hashed was read"
    assert reasons["logmel"] == "logmel was read"
    assert reasons["motion-blocks"] == "crashed its worker (SIGABRT)"


def test_another_data_set_s_features_are_not_replaced(tmp_path: Path) -> None:
    for name, seconds in (("a", 0.3), ("b", 0.4)):
        for number in range(8):
            write_clip(tmp_path / name / f"{number:05d}.mp4", seconds=seconds, picture=False)
    store = Store(tmp_path / "store")
    extract(open_dataset(tmp_path / "a").clips, features(["logmel"]), store, workers=0)
    before = contents(tmp_path / "store")
    with pytest.raises(UsageError, match=r"holds logmel of other clips that have the same ids. Give another --store"):
        extract(open_dataset(tmp_path / "b").clips, features(["logmel"]), store, workers=0)
    assert contents(tmp_path / "store") == before


def test_a_failure_is_kept_until_it_is_asked_for_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clip = Clip(id="a", path=write_clip(tmp_path / "a.mp4"))
    store = Store(tmp_path / "store")

    def broken(self: ClipReader, clip: Clip) -> Iterator[Message]:
        yield {"logmel": Taken(None, "took more than 1 s of processor time")}

    with monkeypatch.context() as patch:
        patch.setattr(ClipReader, "__call__", broken)
        assert extract([clip], features(["logmel"]), store, workers=0)["logmel"].failures
    assert extract([clip], features(["logmel"]), store, workers=0)["logmel"].failures
    assert not extract([clip], features(["logmel"]), store, workers=0, retry=True)["logmel"].failures


def test_a_clip_that_is_not_there_has_a_reason(tmp_path: Path) -> None:
    taken = read(ALL, Clip(id="x", path=tmp_path / "x.mp4"))
    assert all(one.track is None and one.reason for one in taken.values())


def test_a_clip_s_features_do_not_depend_on_those_before_it(layout: Path) -> None:
    clips = open_dataset(layout).clips
    reader = ClipReader(ALL)
    first = [told(reader, clip) for clip in clips]
    second = {clip.id: read(ALL, clip) for clip in reversed(clips)}
    for clip, taken in zip(clips, first, strict=True):
        for key, one in taken.items():
            other = second[clip.id][key]
            assert (one.track is None) == (other.track is None)
            if isinstance(one.track, Track) and isinstance(other.track, Track):
                np.testing.assert_array_equal(one.track.values, other.track.values)


def test_given_faces_and_those_found_are_two_features(layout: Path, tmp_path: Path) -> None:
    from PIL import Image

    folder = tmp_path / "faces" / "00000"
    folder.mkdir(parents=True)
    for number in (0, 6, 12, 110):
        Image.new("RGB", (160, 160), (number, 80, 90)).save(folder / f"{number}.jpg")
    (folder / "Thumbs.db").write_bytes(b"junk")
    wanted = features(["face-appearance", "face-appearance+detector=given"])
    taken = read(wanted, Clip(id="00000", path=layout / "raw" / "00000.mp4", faces=folder))
    assert all(one.track is not None for one in taken.values())
    nobody = read(wanted[1:], Clip(id="00000", path=layout / "raw" / "00000.mp4"))
    assert nobody[wanted[1].key].track is None


def test_a_share_looks_at_its_own_files_only(layout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clips = open_dataset(layout).clips
    looked: list[str] = []
    look = mimetic.extraction.source_of
    monkeypatch.setattr(mimetic.extraction, "SHARD", 2)
    monkeypatch.setattr(
        mimetic.extraction, "source_of", lambda clip, *more: looked.append(clip.id) or look(clip, *more)
    )
    extract(clips, ALL[:1], Store(tmp_path), share=(1, 3), workers=0)
    assert looked == [clip.id for place, clip in enumerate(clips) if place // 2 % 3 == 1]


def test_shares_of_several_machines_make_the_store_that_one_would(layout: Path, tmp_path: Path) -> None:
    clips = open_dataset(layout).clips
    extract(clips, ALL[:2], Store(tmp_path / "whole"), workers=0)
    for number in range(3):
        place = Store(tmp_path / f"share-{number}")
        summaries = extract(clips, ALL[:2], place, share=(number, 3), workers=0)
        assert all(len(place[key]) == summary.clips for key, summary in summaries.items() if summary.clips)
    shares = [Store(tmp_path / f"share-{number}") for number in range(3)]
    merge([share for share in shares if share.keys()], Store(tmp_path / "merged"))
    assert contents(tmp_path / "merged") == contents(tmp_path / "whole")
