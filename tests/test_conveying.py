"""Clips through decoders and models: the same tracks and the same batches here and in crews, and no clip lost."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import numpy as np
import pytest

import mimetic.conveying
import mimetic.extraction
from clips import write_clip
from mimetic.checkpoints import HOME
from mimetic.conveying import convey, convey_here
from mimetic.extraction import extract
from mimetic.features import Feature, features
from mimetic.reading import ClipReader, Message, Taken
from mimetic.records import Clip, Track
from mimetic.spools import Spool
from mimetic.store import Store
from toy_model import DIM, letters, toy


@pytest.fixture(autouse=True)
def a_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the toy's folder be one of a checkpoint."""
    (tmp_path / "config.json").write_text("{}")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(HOME, raising=False)


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[Clip]:
    folder = tmp_path_factory.mktemp("clips")
    lengths = (0.5, 1.7, 0.03, 0.8, 2.3, 0.4, 1.1)
    return [
        Clip(id=str(i), path=write_clip(folder / f"{i}.mp4", seconds=s, seed=i), text=f"so it goes {'on ' * i}")
        for i, s in enumerate(lengths)
    ]


def shards(clips: list[Clip]) -> list[list[Clip]]:
    return [clips[:3], clips[3:6], clips[6:]]


def track(taken: Taken) -> Track | None:
    return taken.track.track() if isinstance(taken.track, Spool) else taken.track


def results(flow: Iterator[list[dict[str, Taken]] | None]) -> list[list[dict[str, Taken]]]:
    return [result for result in flow if result is not None]


def assert_same(ours: list[list[dict[str, Taken]]], theirs: list[list[dict[str, Taken]]]) -> None:
    for a, b in zip(chain(*ours), chain(*theirs), strict=True):
        assert a.keys() == b.keys()
        for key in a:
            one, other = track(a[key]), track(b[key])
            assert a[key].reason == b[key].reason
            assert (one is None) == (other is None)
            if one is not None and other is not None:
                np.testing.assert_array_equal(one.values, other.values)
                np.testing.assert_array_equal(one.valid, other.valid)


def test_a_model_s_rows_become_a_track_in_order(clips: list[Clip]) -> None:
    ((alone,),) = results(convey_here([toy()], [[clips[4]]]))
    made = track(alone["toy"])
    assert made is not None
    assert made.values.dtype == np.float16
    assert made.values.shape == (2 * 23 + 1, DIM)  # a row and a gap a window, and what was left
    assert made.valid.tolist() == [True, False] * 23 + [True]
    assert not made.values[1::2].any()
    assert (made.notes["peak"][:-1:2] > 0).all()


def test_crews_make_the_same_tracks_of_the_same_batches(clips: list[Clip], tmp_path: Path) -> None:
    here, there = tmp_path / "here.txt", tmp_path / "there.txt"
    wanted = [letters(), *features(["logmel", "words-hashed"])]
    ours = results(convey_here([toy(batches=str(here)), *wanted], shards(clips)))
    theirs = results(convey([toy(batches=str(there)), *wanted], shards(clips), workers=3))
    assert_same(ours, theirs)
    assert sorted(here.read_text().splitlines()) == sorted(there.read_text().splitlines())


def test_batches_hold_several_clips_but_never_two_shards(clips: list[Clip], tmp_path: Path) -> None:
    told = tmp_path / "batches.txt"
    list(convey_here([toy(batches=str(told))], shards(clips)))
    costs = [line.split() for line in told.read_text().splitlines()]
    assert max(len(batch) for batch in costs) == 4
    windows = [int(np.floor(seconds * 10)) for seconds in (0.5, 1.7, 0.03, 0.8, 2.3, 0.4, 1.1)]
    full = sum(-(-sum(windows[shard]) // 4) for shard in (slice(0, 3), slice(3, 6), slice(6, 7)))
    assert sum(batch[0] == "1600" for batch in costs) == full


def test_one_row_is_the_weighted_mean_of_its_parts(clips: list[Clip]) -> None:
    ((alone,),) = results(convey_here([letters()], [[dataclasses.replace(clips[0], text="ab cccc")]]))
    made = track(alone["letters"])
    assert made is not None
    assert made.rate == 0
    np.testing.assert_allclose(made.values, np.full((1, DIM), (2 * 97.5 + 4 * 99) / 6), rtol=1e-3)


def test_a_clip_without_the_view_has_the_reason(clips: list[Clip], tmp_path: Path) -> None:
    mute = Clip(id="mute", path=write_clip(tmp_path / "mute.mp4", sound=False), text="")
    ((taken,),) = results(convey_here([toy(), letters()], [[mute]]))
    assert (taken["toy"].track, taken["toy"].reason) == (None, "no sound track")
    assert (taken["letters"].track, taken["letters"].reason) == (None, "no words in it")


def test_a_clip_that_one_model_cannot_take_is_no_trouble_of_the_others(clips: list[Clip]) -> None:
    ((taken,),) = results(convey_here([toy(troubled="refuses"), *features(["logmel"])], [[clips[0]]]))
    assert "too short to be a toy" in str(taken["toy"].reason)
    assert taken["logmel"].track is not None
    assert taken["logmel"].reason is None


@pytest.mark.parametrize(("troubled", "told"), [("raises", "ZeroDivisionError: by nothing"), ("aborts", "SIGABRT")])
def test_a_model_that_fails_is_the_reason_of_its_clips_and_of_nothing_else(
    clips: list[Clip], troubled: str, told: str
) -> None:
    flow = convey([toy(troubled=troubled), *features(["logmel"])], [clips[:2]], workers=1)
    ((first, second),) = results(flow)
    for taken in (first, second):
        assert taken["toy"].track is None
        assert told in str(taken["toy"].reason)
        assert taken["logmel"].track is not None


def test_a_model_s_crash_costs_the_clip_whose_it_is_and_not_its_batch(clips: list[Clip]) -> None:
    (whole,) = results(convey_here([toy()], [clips[:3]]))
    (ours,) = results(convey([toy(troubled="short")], [clips[:3]], workers=1))
    lost, _ = ours.pop(2)["toy"], whole.pop(2)
    assert (lost.track, lost.reason) == (None, "crashed its worker (SIGABRT)")
    assert_same([ours], [whole])


class Crashing(ClipReader):
    """Takes its process down in the middle of one clip's sound."""

    def __call__(self, clip: Clip) -> Iterator[Message]:
        import os

        for number, message in enumerate(super().__call__(clip)):
            if clip.id == "1" and number == 5 and any(f.entry.view == "audio" for f in self._features):
                os.abort()
            yield message


@dataclasses.dataclass(frozen=True)
class MakeCrashing:
    features: tuple[Feature, ...]

    def __call__(self) -> Crashing:
        return Crashing(self.features)


def test_a_decoder_s_crash_costs_one_view_of_one_clip(clips: list[Clip], monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = [toy(), letters()]
    whole = results(convey_here(wanted, shards(clips)))
    monkeypatch.setattr(mimetic.conveying, "_Reads", MakeCrashing)
    ours = results(convey(wanted, shards(clips), workers=2))
    lost = ours[0][1].pop("toy")
    del whole[0][1]["toy"]
    assert (lost.track, lost.reason) == (None, "crashed its worker (SIGABRT)")
    assert_same(ours, whole)


def test_what_runs_ahead_waits(clips: list[Clip], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mimetic.conveying, "ROOM", 1)
    monkeypatch.setattr(mimetic.conveying, "AHEAD", 1)
    assert_same(results(convey([toy()], shards(clips), workers=3)), results(convey_here([toy()], shards(clips))))


def test_a_store_of_a_model_s_feature_has_the_same_bytes_however_it_was_made(
    clips: list[Clip], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mimetic.extraction, "SHARD", 3)
    for name, workers in (("here", 0), ("there", 2)):
        extract(clips, [toy()], Store(tmp_path / name), workers=workers)
    ours, theirs = (
        {path.name: path.read_bytes() for path in (tmp_path / name).rglob("*.arrow")} for name in ("here", "there")
    )
    assert len(ours) == 3
    assert ours == theirs


def test_what_is_imported_is_missing_in_a_clip_that_is_read(clips: list[Clip]) -> None:
    wanted = features(["logmel", "motion-openface"])
    (taken,) = [message for message in ClipReader(wanted)(clips[0]) if isinstance(message, dict)]
    assert taken["logmel"].track is not None
    assert taken["motion-openface"].track is None
    assert "imported" in str(taken["motion-openface"].reason)
