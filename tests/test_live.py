"""Live: windows of what goes on now, cut from a tape, scored as they come, left out where the scorer is slow."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import av
import numpy as np
import pytest

from clips import write_clip
from mimetic.capturing import KEPT, Tape
from mimetic.live import EVERY, WINDOW, Window, watch
from mimetic.media import Media
from mimetic.monitor import Monitor, line
from mimetic.playing import CAMERAS, Device, device, play_device, play_file
from mimetic.records import Clip, ClipError, Frames, Json, Sound, UsageError
from served import Place

CAMERA = "lavfi:testsrc=size=320x240:rate=15,realtime"
TARGETS = {"Joy": 0.25}


@dataclass
class Scripted:
    """A ring whose time goes on while the scorer works: each score costs some seconds of it."""

    length: float
    cost: float = 0.0
    now: float = 0.0
    cut: list[tuple[float, float]] = field(default_factory=list)

    def reach(self, until: float) -> bool:
        self.now = max(self.now, min(until, self.length))
        return self.now >= until

    def write(self, path: Path, *, until: float) -> float:
        path.write_bytes(b"window")
        self.cut.append((max(0.0, until - WINDOW), until))
        return self.cut[-1][0]

    def score(self, clip: Clip) -> Json:
        assert clip.path is not None
        assert clip.path.is_file()
        self.now = min(self.now + self.cost, self.length)
        return {"clip": clip.id, "scores": TARGETS, "modalities": {"audio": "used", "text": "no transcript"}}


def test_a_quick_scorer_gets_every_window(tmp_path: Path) -> None:
    ring = Scripted(length=6.0, cost=0.1)
    found = list(watch(ring, ring.score, tmp_path))
    assert [window.end for window in found] == [4.0, 4.5, 5.0, 5.5, 6.0]
    assert {window.skipped for window in found} == {0}
    assert {window.end - window.start for window in found} == {WINDOW}


def test_a_slow_scorer_leaves_windows_out_and_counts_them(tmp_path: Path) -> None:
    ring = Scripted(length=12.0, cost=1.8)
    found = list(watch(ring, ring.score, tmp_path))
    assert [window.end for window in found] == [4.0, 5.5, 7.5, 9.0, 11.0, 12.0]
    assert [window.skipped for window in found] == [0, 2, 3, 2, 3, 1]
    assert all(end % EVERY == 0 for _, end in ring.cut)
    assert max(window.latency for window in found) < 0.5  # the newest that is due is taken: it does not get later


def test_what_is_shorter_than_a_window_is_scored_once(tmp_path: Path) -> None:
    ring = Scripted(length=1.5)
    assert [(window.start, window.end) for window in watch(ring, ring.score, tmp_path)] == [(0.0, 1.5)]


def test_a_window_is_gone_once_it_was_scored_however_that_ended(tmp_path: Path) -> None:
    ring = Scripted(length=5.0)
    for _ in watch(ring, ring.score, tmp_path):
        assert list(tmp_path.iterdir()) == []

    def broken(_clip: Clip) -> Json:
        raise ClipError("its decoder crashed")

    with pytest.raises(ClipError):
        list(watch(Scripted(length=5.0), broken, tmp_path))
    assert list(tmp_path.iterdir()) == []


def _whole(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Give the first picture and all the sound of a file."""
    with Media(path) as media:
        items = [item for _, item in media.decode(rates=[5.0], sound=True)]
    pictures = [item.images[0] for item in items if isinstance(item, Frames)]
    return pictures[0], np.concatenate([item.samples for item in items if isinstance(item, Sound)])


def test_a_window_of_a_file_is_the_file(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "one.mp4", seconds=1.0)
    with Tape([play_file(path)]) as tape:
        assert not tape.reach(WINDOW)
        assert tape.now == pytest.approx(1.0, abs=0.1)
        assert tape.write(tmp_path / "window.mkv", until=tape.now) == 0.0
    picture, sound = _whole(path)
    again, heard = _whole(tmp_path / "window.mkv")
    assert again.shape == picture.shape
    assert np.abs(again.astype(float) - picture).mean() < 4  # of 255: packed once more, and well
    assert np.abs(heard[: len(sound)] - sound[: len(heard)]).max() < 1e-6
    assert abs(len(heard) - len(sound)) < 200


def test_a_file_plays_at_its_own_speed_and_stops_when_told(tmp_path: Path) -> None:
    path, began = write_clip(tmp_path / "one.mp4", seconds=3.0), time.monotonic()
    with Tape([play_file(path)]) as tape:
        assert tape.reach(0.5)
        assert 0.4 < time.monotonic() - began < 2.0
    assert time.monotonic() - began < 2.5


def test_the_tape_forgets_what_is_older_than_a_window(tmp_path: Path) -> None:
    tape = Tape([])
    picture = av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="rgb24")
    for count in range(200):
        tape.add(picture, count / 10)
    lane = tape._lanes["video"]
    assert len(lane) <= KEPT * 10 + 2
    start = tape.write(tmp_path / "w.mkv", until=19.0)
    assert start == 15.0
    with av.open(str(tmp_path / "w.mkv")) as container:
        assert len(list(container.decode(video=0))) == 40


def test_a_picture_that_changes_its_size_begins_anew(tmp_path: Path) -> None:
    tape = Tape([])
    for count, width in enumerate([64] * 5 + [128] * 5):
        tape.add(av.VideoFrame.from_ndarray(np.zeros((48, width, 3), np.uint8), format="rgb24"), count / 10)
    tape.write(tmp_path / "w.mkv", until=tape.now)
    with av.open(str(tmp_path / "w.mkv")) as container:
        assert [frame.width for frame in container.decode(video=0)] == [128] * 5


def test_a_device_is_named_by_format_and_name() -> None:
    assert device("v4l2:/dev/video2", CAMERAS) == Device("v4l2", "/dev/video2")
    assert device("none", CAMERAS) is None
    with pytest.raises(UsageError, match="is no device"):
        device("video2", CAMERAS)
    with pytest.raises(UsageError, match="no usual device"):
        device("", {})
    with pytest.raises(UsageError, match=r"v4l2:/dev/none cannot be opened"):
        play_device(Device("v4l2", "/dev/none"))


def test_a_microphone_is_looked_for_in_the_systems_files_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("ALSA_CONFIG_DIR", "ALSA_CONFIG_PATH", "ALSA_PLUGIN_DIR")
    for name in names:
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    with pytest.raises(UsageError, match="alsa:none-such cannot be opened"):
        play_device(Device("alsa", "none-such"))
    assert all(os.environ[name].startswith("/usr/") for name in names)


def test_what_breaks_off_says_so() -> None:
    def broken(_tape: Tape) -> None:
        raise av.FFmpegError(5, "input/output error")

    with Tape([broken]) as tape, pytest.raises(ClipError, match="it broke off: input/output error"):
        tape.reach(1.0)


def test_the_monitor_shows_scores_what_is_missing_and_how_late_it_is() -> None:
    from rich.console import Console

    monitor = Monitor("light, seed 0", ["Joy"], note="Simulated.")
    assert monitor.summary() == "no window was scored"
    row = {"scores": TARGETS, "modalities": {"audio": "used", "text": "no transcript"}, "error": None}
    window = Window(start=1, end=5, latency=0.4, skipped=3, row=row)
    monitor.take(window)
    console = Console(width=90, record=True, file=io.StringIO())
    console.print(monitor.render())
    shown = console.export_text()
    for words in ("light, seed 0", "Simulated.", ".250", "from audio", "missing text: no transcript", "3 left out"):
        assert words in shown
    assert line(window) == "1.0 to 5.0 s  Joy .250  +0.40 s  (3 left out)"
    assert monitor.summary() == "1 windows scored, 3 left out; shown 0.40 s after their end (median), 0.40 s at most"


# --------------------------------------------------------------------------------------------- the command


def _command(place: Place, *words: str, home: Path) -> subprocess.Popen[str]:
    call = [sys.executable, "-m", "mimetic.cli", "predict", str(place.run.path), "--live", *words]
    told = {**os.environ, "TMPDIR": str(home)}
    return subprocess.Popen(call, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=told)


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix" or signal.getsignal(signal.SIGINT) == signal.SIG_IGN, reason="no Ctrl-C here")
def test_a_camera_is_scored_line_by_line_until_ctrl_c(place: Place, tmp_path: Path) -> None:
    going = _command(place, "--camera", CAMERA, "--microphone", "none", "--json", home=tmp_path)
    assert going.stdout is not None
    lines = [json.loads(going.stdout.readline()) for _ in range(2)]
    assert [folder.stat().st_mode & 0o777 for folder in tmp_path.glob("mimetic-live-*")] == [0o700]
    going.send_signal(signal.SIGINT)
    _, errors = going.communicate(timeout=60)
    assert (going.returncode, errors) == (0, "")
    assert list(tmp_path.glob("mimetic-live-*")) == []
    for found in lines:
        assert found["end"] - found["start"] == pytest.approx(WINDOW)
        assert set(found["scores"]) == set(place.run.targets)
        assert found["modalities"]["audio"] == "no sound track"
        assert found["latency"] > 0


@pytest.mark.slow
def test_a_file_is_played_to_its_end(place: Place, tmp_path: Path) -> None:
    path = write_clip(tmp_path / "one.mp4", seconds=5.0)
    out, errors = _command(place, str(path), home=tmp_path).communicate(timeout=120)
    assert errors == ""
    *windows, last = out.splitlines()
    assert windows[0].startswith("0.0 to 4.0 s")
    assert "windows scored" in last


def test_a_wrong_call_says_what_to_do(place: Place, tmp_path: Path) -> None:
    one = write_clip(tmp_path / "one.mp4", seconds=0.5)
    for words, told in (
        ([str(one), str(one)], "one file can be played at a time"),
        (["--camera", "none", "--microphone", "none"], "there is no camera and no microphone"),
        (["--camera", "v4l2:/dev/none"], "cannot be opened"),
    ):
        going = _command(place, *words, home=tmp_path)
        _, errors = going.communicate(timeout=60)
        assert going.returncode == 2
        assert told in errors
