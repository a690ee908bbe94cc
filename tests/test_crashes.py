"""What survives: kills, full disks, clips that vanish, clocks that jump, writers and readers side by side."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from clips import write_layout
from killed import contents
from mimetic.datasets import open_dataset
from mimetic.extraction import extract
from mimetic.features import features
from mimetic.records import Track, UsageError
from mimetic.stocktaking import verify
from mimetic.store import Row, Store, write_atomically, write_shard

HERE = Path(__file__).parent
WANTED = features(["motion-blocks", "words-hashed"])


@pytest.fixture(scope="module")
def layout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_layout(tmp_path_factory.mktemp("layout"))


def killed(*words: str) -> dict[str, dict[str, dict[str, int]]]:
    command = [sys.executable, str(HERE / "killed.py"), *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, dict[str, dict[str, int]]] = json.loads(done.stdout)
    return found


def test_a_job_killed_between_flush_and_rename_goes_on_to_the_same_bytes() -> None:
    found = killed("--points", "3", "--job", "train", "--job", "merge")
    assert all(of["chosen"]["kills"] >= 3 for of in found.values())


@pytest.mark.slow
def test_every_job_survives_tens_of_kills() -> None:
    found = killed("--points", "12", "--random", "3")
    assert sum(of["chosen"]["kills"] for of in found.values()) >= 50


# ------------------------------------------------------------------------------------------------- disks


def limited(job: Callable[[], object], size: int) -> int:
    """Do something in a process whose files may have so many bytes; give its exit code."""
    child = os.fork()
    if not child:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # so that it is told, as by a full disk
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
        try:
            job()
        except OSError:
            os._exit(3)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.mark.parametrize("size", [0, 100, 5_000])
def test_a_full_disk_leaves_nothing_half_written_and_the_job_goes_on(layout: Path, tmp_path: Path, size: int) -> None:
    clips = open_dataset(layout).clips
    extract(clips, WANTED, Store(tmp_path / "whole"), workers=0)
    place = tmp_path / "store"
    assert limited(lambda: extract(clips, WANTED, Store(place), workers=0), size) == 3
    assert all(path.stat().st_size > size for path in place.rglob("*.arrow"))
    assert not list(place.rglob("*.part"))
    extract(clips, WANTED, Store(place), workers=0)
    assert contents(place) == contents(tmp_path / "whole")


def test_what_was_there_stays_when_the_disk_is_full(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_atomically(path, b"old")
    assert limited(lambda: write_atomically(path, bytes(10_000)), 1_000) == 3
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_place_that_cannot_be_written_is_told_before_any_work(
    layout: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from mimetic.cli import main

    (tmp_path / "file").touch()  # a folder below a file can be made by nobody, root included
    with pytest.raises(SystemExit) as ended:
        main(
            ["extract", str(layout), "--with", "logmel", "--store", str(tmp_path / "file" / "store"), "--workers", "0"]
        )
    assert ended.value.code == 2
    assert "Traceback" not in capsys.readouterr().err


# ------------------------------------------------------------------------------------------- what changes


def test_a_clip_that_vanishes_costs_itself_alone(layout: Path, tmp_path: Path) -> None:
    clips = open_dataset(layout).clips
    gone = clips[0].path
    assert gone is not None
    kept = gone.read_bytes()
    gone.unlink()
    try:
        store = Store(tmp_path)
        summaries = extract(clips, features(["motion-blocks"]), store, workers=0)
    finally:
        gone.write_bytes(kept)
    assert summaries["motion-blocks"].failures == [(clips[0].id, "cannot be opened: no such file")] or [
        clip for clip, _ in summaries["motion-blocks"].failures
    ] == [clips[0].id]
    extract(clips, features(["motion-blocks"]), store, workers=0)
    assert store["motion-blocks"].reason(clips[0].id) is None


def test_a_clock_that_jumps_changes_no_byte_and_repeats_no_work(
    layout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clips = open_dataset(layout).clips
    extract(clips, WANTED, Store(tmp_path), workers=0)
    before = contents(tmp_path)
    for shard in tmp_path.rglob("*.arrow"):
        os.utime(shard, (4e9, 4e9))  # written in the year 2096
    monkeypatch.setattr("mimetic.shards.write_shard", lambda *_, **__: pytest.fail("work was done again"))
    monkeypatch.setattr("time.time", lambda: 0.0)
    extract(clips, WANTED, Store(tmp_path), workers=0)
    assert contents(tmp_path) == before


# ------------------------------------------------------------------------------------------- side by side


def test_two_writers_of_one_store_leave_what_one_would(layout: Path, tmp_path: Path) -> None:
    clips = open_dataset(layout).clips
    extract(clips, WANTED, Store(tmp_path / "one"), workers=0)
    place = tmp_path / "both"
    children = []
    for _ in range(2):
        child = os.fork()
        if not child:
            extract(clips, WANTED, Store(place), workers=0)
            os._exit(0)
        children.append(child)
    assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0, 0]
    assert contents(place) == contents(tmp_path / "one")
    assert not verify(Store(place))


def test_readers_beside_a_writer_see_whole_shards_only(tmp_path: Path) -> None:
    identity = {"extractor": "x", "dim": 3, "dtype": "float32"}

    def rows(number: int) -> list[Row]:
        values = np.full((5, 3), number, np.float32)
        track = Track(values=values, rate=5.0, valid=np.ones(5, bool))
        return [Row(clip="a", source=str(number), track=track, reason=None)]

    write_shard(tmp_path / "x", 0, identity, rows(0), "float32")
    child = os.fork()
    if not child:
        for number in range(1, 150):
            old = list((tmp_path / "x").glob("*.arrow"))
            new = write_shard(tmp_path / "x", 0, identity, rows(number), "float32")
            [path.unlink() for path in old if path != new]
        os._exit(0)
    seen: set[str] = set()
    while os.waitpid(child, os.WNOHANG) == (0, 0):
        track = Store(tmp_path)["x"]["a"]
        assert (track.values == float(str(track.provenance["source"]))).all()
        seen.add(str(track.provenance["source"]))
    assert len(seen) > 3


def test_a_damaged_ledger_is_never_begun_anew(tmp_path: Path) -> None:
    from mimetic.ledger import NAME, Ledger

    (tmp_path / NAME).write_text('[{"sha256": "00"')
    with pytest.raises(UsageError, match="counts the tries"):
        Ledger(tmp_path)
