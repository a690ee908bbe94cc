"""Files made to harm: mutated, packed to burst, claiming the impossible; each is read or refused, and nothing else."""

from __future__ import annotations

import io
import json
import struct
import subprocess
import sys
import time
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

import mimetic.media
from clips import write_clip
from hostile import CORPUS, TARGETS
from mimetic.extraction import extract
from mimetic.faces import Given
from mimetic.features import feature, features
from mimetic.imports import import_features
from mimetic.media import Media
from mimetic.parallel import ROOM, Lost, unordered
from mimetic.records import Clip, ClipError, UsageError
from mimetic.sources import open_source
from mimetic.store import Store

HERE = Path(__file__).parent
COUNT = 60
"""Mutations of each target; `make fuzz` tries many more."""


@pytest.fixture(scope="module")
def tallies() -> dict[str, dict[str, object]]:
    """Run a short campaign in a process of its own, fenced in."""
    command = [sys.executable, str(HERE / "hostile.py"), "--seed", "0", "--count", str(COUNT)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.stdout, done.stderr[-2000:]
    found: dict[str, dict[str, object]] = json.loads(done.stdout)["targets"]
    return found


@pytest.mark.parametrize("target", TARGETS)
def test_a_mutated_file_is_read_or_refused_and_nothing_else(target: str, tallies: dict[str, dict[str, object]]) -> None:
    assert tallies[target]["faults"] == []
    assert tallies[target]["tried"] == COUNT


def test_every_way_in_has_a_corpus_and_the_other_way_round() -> None:
    assert {path.name for path in CORPUS.iterdir()} == set(TARGETS)


@pytest.mark.parametrize(
    "code",
    [
        "open('/tmp/climbed', 'w')",
        "__import__('os').system('true')",
        "__import__('socket').create_connection(('::1', 1))",
    ],
)
def test_the_fence_holds(code: str, tmp_path: Path) -> None:
    program = f"import sys; sys.path.insert(0, {str(HERE)!r}); import hostile; hostile.fence({str(tmp_path)!r}); {code}"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert "FENCE" in done.stderr


# ------------------------------------------------------------------------------------------------ zips


def zipped(path: Path, members: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def array(rows: int = 4, dim: int = 3) -> bytes:
    file = io.BytesIO()
    np.save(file, np.ones((rows, dim), np.float32))
    return file.getvalue()


def test_a_path_that_climbs_out_of_an_archive_is_a_name_and_writes_nothing(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    path = zipped(tmp_path / "in" / "x.zip", {"../../a.npy": array(), "/tmp/b.npy": array()})
    wanted = feature("own-vision+name=x+dim=3+fps=5")
    import_features([Clip(id="a"), Clip(id="b")], path, wanted, Store(tmp_path / "in" / "store"))
    assert [found.name for found in tmp_path.iterdir()] == ["in"]
    assert not Path("/tmp/b.npy").exists()


def test_a_bomb_in_an_archive_costs_its_clip_alone_and_little_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mimetic.sources.LARGEST", 1 << 20)
    path = zipped(tmp_path / "x.zip", {"a.npy": bytes(8 << 20), "b.npy": array()}, zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 20_000
    with open_source(path) as source:
        with pytest.raises(ClipError, match="larger than"):
            source.read("a.npy")
        assert source.read("b.npy").shape == (4, 3)


def test_a_link_in_an_archive_is_not_followed(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("a.npy")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr(link, "/etc/passwd")
    with open_source(tmp_path / "x.zip") as source, pytest.raises(ClipError, match="is no array"):
        source.read("a.npy")


# ----------------------------------------------------------------------------------------------- clips


def png(width: int, height: int) -> bytes:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(3_000))) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


@pytest.mark.parametrize("size", [100_000, 40_000, 16_000])
def test_a_small_file_that_claims_a_huge_picture_costs_its_clip_alone(size: int, tmp_path: Path) -> None:
    (tmp_path / "bomb.png").write_bytes(png(size, size))
    assert (tmp_path / "bomb.png").stat().st_size < 4096
    clips = [Clip(id="a", path=tmp_path / "bomb.png"), Clip(id="b", path=write_clip(tmp_path / "b.mp4", seconds=0.5))]
    store = Store(tmp_path / "store")
    extract(clips, features(["face-appearance"]), store, workers=0)
    assert "cannot be decoded" in (store["face-appearance"].reason("a") or "")
    assert store["face-appearance"].reason("b") is None


def test_pictures_beyond_the_bound_are_not_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_clip(tmp_path / "a.mp4", seconds=0.5, sound=False)
    monkeypatch.setattr(mimetic.media, "PIXELS", 32 * 32)
    with Media(path) as media:
        assert not list(media.decode(rates=[5]))
    assert "cannot be decoded" in media.reasons["frames"]


def test_a_stream_without_end_is_left_after_a_while(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_clip(tmp_path / "a.mp4", seconds=3.0)
    monkeypatch.setattr(mimetic.media, "LONGEST", 1.0)
    with Media(path) as media:
        frames = sum(len(piece.times) for rate, piece in media.decode(rates=[5], sound=True) if rate)
    assert frames < 10
    assert any("is left after" in warning for warning in media.warnings)


def test_a_crop_that_claims_a_huge_picture_is_a_frame_without_a_face(tmp_path: Path) -> None:
    (tmp_path / "0.jpg").write_bytes(png(60_000, 60_000))
    (tmp_path / "1.jpg").write_bytes(b"no picture")
    pieces = list(Given().read(tmp_path, rate=30.0, size=32))
    assert not any(piece.valid.any() for piece in pieces)


# --------------------------------------------------------------------------------------------- workers


@dataclass(frozen=True)
class Greedy:
    def __call__(self) -> object:
        return take


def take(size: int) -> str:
    try:
        return str(len(bytearray(size)))
    except MemoryError:
        return "refused"


def test_a_worker_that_wants_too_much_memory_is_refused_it() -> None:
    told = dict(unordered(Greedy(), [ROOM + (1 << 30), 1000], workers=1, limit=60.0))
    assert told == {0: "refused", 1: "1000"}


def test_a_clip_that_hangs_a_decoder_is_given_up_in_time(tmp_path: Path) -> None:
    started = time.monotonic()
    told = dict(unordered(Spinning(), [0, 1], workers=1, limit=1.0))
    assert isinstance(told[0], Lost)
    assert told[1] == "done"
    assert time.monotonic() - started < 60


@dataclass(frozen=True)
class Spinning:
    def __call__(self) -> object:
        return spin


def spin(item: int) -> str:
    while item == 0:
        pass
    return "done"


# ------------------------------------------------------------------------------------- runs of strangers


def test_an_outcome_whose_offsets_point_anywhere_is_refused(tmp_path: Path) -> None:
    import shutil

    from mimetic.records import BadRun
    from mimetic.runs import Run

    shutil.copytree(CORPUS / "run", tmp_path / "run")
    path = tmp_path / "run" / "scores.arrow"
    whole = path.read_bytes()
    at = whole.index(struct.pack("<3i", 0, 5, 10))  # where each clip's id begins
    path.write_bytes(whole[: at + 4] + struct.pack("<i", 1 << 30) + whole[at + 8 :])
    with pytest.raises(BadRun, match=r"scores\.arrow is missing or damaged"):
        assert Run(tmp_path / "run").outcome


@pytest.mark.parametrize("nested", ["[" * 100_000, '{"a":' * 100_000])
def test_json_nested_without_end_is_refused(nested: str, tmp_path: Path) -> None:
    from mimetic.checkpoints import read_config
    from mimetic.ledger import Ledger
    from mimetic.records import BadData
    from mimetic.runs import Run

    for name in ("config.json", "submissions.json"):
        (tmp_path / name).write_text(nested)
    for read, error in ((read_config, UsageError), (Run, UsageError), (Ledger, BadData)):
        with pytest.raises(error):
            read(tmp_path)
