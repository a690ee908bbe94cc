"""Four pretrained extractors over the demo's clips, through the commands: one pass, resumed, and told in full."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import mimetic.extraction
import mimetic.media
from mimetic.cli import main
from mimetic.datasets import open_dataset
from mimetic.datasets.drawn import make
from mimetic.extraction import extract
from mimetic.features import features
from mimetic.media import Media
from mimetic.store import Store
from tiny_speech import make_speech
from tiny_text import make_text
from tiny_vision import make_vision
from tiny_whisper import make_whisper

CLIPS = 48


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo") / "data"
    make(folder, size="small", workers=2)
    return folder


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    place = tmp_path_factory.mktemp("models")
    vision = make_vision(place / "vision", "dinov2")
    speech, text = make_speech(place / "speech"), make_text(place / "text")
    return {"dinov2-frame": vision, "dinov2-face": vision, "wav2vec2": speech, "gte": text}


def contents(store: Path) -> dict[str, bytes]:
    return {str(path.relative_to(store)): path.read_bytes() for path in sorted(store.rglob("*.arrow"))}


def test_four_extractors_open_every_clip_once(
    data: Path, models: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[Path] = []
    begin = Media.__enter__
    monkeypatch.setattr(Media, "__enter__", lambda self: (opened.append(self.path), begin(self))[1])
    clips = open_dataset(data).clips
    wanted = features([f"{name}+model={folder}" for name, folder in models.items()])
    summaries = extract(clips, wanted, Store(tmp_path), workers=0)
    assert len(opened) == len(set(opened)) == sum(clip.path is not None and clip.path.is_file() for clip in clips)
    assert len(summaries) == len(models)
    for key, summary in summaries.items():
        assert summary.clips == len(clips) == len(Store(tmp_path)[key])
        assert summary.frames > 0
        assert summary.seconds > 0


def test_the_command_says_what_came_of_every_extractor(
    data: Path, models: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = [word for name, folder in models.items() for word in ("--model", f"{name}={folder}")]
    with pytest.raises(SystemExit) as ended:
        main(["extract", str(data), "--with", ",".join(models), *told, "--store", str(tmp_path), "--json"])
    summary = json.loads(capsys.readouterr().out)
    assert ended.value.code == 1  # the demo has clips without sound, and a file without a picture
    assert len(summary["extractors"]) == len(models)
    for key, of in summary["extractors"].items():
        assert of["clips"] == summary["clips"] == len(open_dataset(data).clips)
        assert of["frames"] > 0
        assert all(failure["reason"] for failure in of["failures"]), key


def test_a_killed_job_ends_with_the_same_bytes(
    data: Path, models: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mimetic.extraction, "SHARD", 4)
    keys = [f"{name}+model={folder}" for name, folder in models.items()]
    clips = open_dataset(data).clips
    extract(clips, features(keys), Store(tmp_path / "whole"), workers=0)
    code = (
        "import sys, mimetic.extraction as e; e.SHARD = 4\n"
        "from mimetic.datasets import open_dataset; from mimetic.features import *; from mimetic.store import Store\n"
        "from pathlib import Path\n"
        "if __name__ == '__main__':\n"
        "    e.extract(open_dataset(Path(sys.argv[1])).clips, features(sys.argv[3:]), Store(sys.argv[2]), workers=2)"
    )
    script = tmp_path / "job.py"
    script.write_text(code)
    job = subprocess.Popen([sys.executable, str(script), str(data), str(tmp_path / "killed"), *keys])
    deadline = time.monotonic() + 120
    while len(contents(tmp_path / "killed")) < 9 and time.monotonic() < deadline:
        time.sleep(0.002)
    os.kill(job.pid, signal.SIGKILL)
    job.wait()
    assert 9 <= len(contents(tmp_path / "killed")) < len(contents(tmp_path / "whole"))
    extract(clips, features(keys), Store(tmp_path / "killed"), workers=0)
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")


def test_a_checkpoint_that_is_nowhere_is_told_before_any_clip_is_opened(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(mimetic.media, "open_container", lambda _path: pytest.fail("opened a clip"))
    with pytest.raises(SystemExit) as ended:
        main(["extract", str(data), "--with", "wavlm", "--model", "./nowhere", "--store", str(tmp_path / "store")])
    told = capsys.readouterr().err.strip().splitlines()
    assert ended.value.code == 2
    assert "wavlm needs ./nowhere" in told[-1]
    assert not (tmp_path / "store").exists()


def test_what_is_said_is_written_down_and_read_as_the_clips_words(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whisper = make_whisper(tmp_path / "whisper", script=[0.0, " so it goes", 1.0])
    said = tmp_path / "said"
    call = ["transcribe", str(data / "raw"), "--model", str(whisper), "--vad", "none", "--out", str(said), "--json"]
    with pytest.raises(SystemExit):
        main([*call, "--workers", "0"])
    told = json.loads(capsys.readouterr().out)
    assert told["spoken"] > 0
    assert told["spoken"] + len(told["missing"]) + len(told["failures"]) == told["clips"]
    with pytest.raises(SystemExit):
        main([*call, "--workers", "0"])
    assert json.loads(capsys.readouterr().out)["kept"] == told["spoken"]
    options = ["--words", str(said), "--store", str(tmp_path / "store"), "--workers", "0", "--json"]
    with pytest.raises(SystemExit):
        main(["extract", str(data / "raw"), "--with", "words-hashed", *options])
    extracted = json.loads(capsys.readouterr().out)["extractors"]["words-hashed"]
    assert extracted["clips"] - len(extracted["failures"]) == told["spoken"]
