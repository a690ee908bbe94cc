"""Files made to harm, by the thousand: a seed in, what our parsers made of each mutation out.

A target is one of our ways in, with a small corpus of good files of our making (``tests/corpus/<target>/``). A mutation
may be read, or refused by one of our own errors, which names it; anything else is a fault. Run as a program, nothing in
the process may open a file to write outside its own folder, start a process, or reach for the network: an audit hook
sees to that, and memory and time have a limit.

    python tests/hostile.py --seed 0 --count 200 [--target NAME] [--minutes M]
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
import warnings
import zlib
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

CORPUS = Path(__file__).parent / "corpus"
HANG = 10
"""Processor seconds that one file may take."""

ROOM = 3 << 30
"""Bytes that the process may grow by."""


# --------------------------------------------------------------------------------------- the ways in


def read_words_file(path: Path) -> None:
    from mimetic.records import Clip
    from mimetic.words import read_words

    read_words(Clip(id="x", words=path))


def read_words_table(path: Path) -> None:
    from mimetic.transcripts import read_table

    read_table(path)


def read_foreign(path: Path) -> None:
    from mimetic.features import feature
    from mimetic.imports.placing import track_of
    from mimetic.records import Clip, ClipError
    from mimetic.sheets import as_sheet
    from mimetic.sources import open_source

    where = path if path.suffix == ".zip" else path.parent
    with open_source(where) as source:
        for name in source.names()[:20]:
            try:
                source.fingerprint(name)
                content = source.read(name)
                for held in list(content.values()) if isinstance(content, dict) else [content]:
                    sheet = as_sheet(held)
                    wanted = feature(f"own-vision+name=x+fps=5+dim={max(1, sheet.values.shape[-1])}")
                    track_of(sheet, wanted, None, Clip(id="x"))
            except ClipError:
                continue


def read_shard(path: Path) -> None:
    from mimetic.store import Shard

    shard = Shard(path)
    shard.verify()
    for clip in shard.clips:
        shard.source(clip), shard.reason(clip), shard.length(clip)
        shard.track(clip)


def read_run(path: Path) -> None:
    from mimetic.runs import Run

    folder = path.parent / "run"
    if not folder.is_dir():
        shutil.copytree(CORPUS / "run", folder)
    try:
        shutil.copyfile(path, folder / path.name)
        run = Run(folder)
        for read in (lambda: run.history, lambda: run.outcome, lambda: run.features, run.network):
            read()
    finally:
        shutil.copyfile(CORPUS / "run" / path.name, folder / path.name)


def read_recipe(path: Path) -> None:
    from mimetic.recipes import RECIPES
    from mimetic.recipes.settings import read_recipe as read

    read(path, RECIPES)


def read_dataset(path: Path) -> None:
    from mimetic.datasets import open_dataset

    folder = path.parent / path.stem
    (folder / "raw").mkdir(parents=True, exist_ok=True)
    for name in ("00001.mp4", "00002.mp4"):
        (folder / "raw" / name).touch()
    for kept in (CORPUS / "dataset" / "clips.csv", CORPUS / "dataset" / "train_split.csv", path):
        if (kept.name == "train_split.csv") == (path.name == "train_split.csv"):
            shutil.copyfile(kept, folder / kept.name)
    dataset = open_dataset(folder / path.name if path.name == "clips.csv" else folder)
    assert len(dataset.labels) == len(dataset.clips)


def read_submission(path: Path) -> None:
    from mimetic.records import Clip, Dataset
    from mimetic.submission import check_submission

    clips = tuple(Clip(id=f"{number:05d}", part="test") for number in range(4))
    names = ("Admiration", "Joy")
    check_submission(path, Dataset(name="x", clips=clips, targets=names, labels=np.full((4, 2), np.nan)))


def read_ledger(path: Path) -> None:
    from mimetic.ledger import Ledger

    Ledger(path.parent).origin(path)


def read_journal(path: Path) -> None:
    from mimetic.journal import FOLDER, underway

    (path.parent / FOLDER).mkdir(exist_ok=True)
    shutil.copyfile(path, path.parent / FOLDER / path.name)
    underway([path.parent])


def read_checkpoint(path: Path) -> None:
    from mimetic.checkpoints import read_config
    from mimetic.tuned import read_tuned

    read_config(path.parent)
    read_tuned(path.parent)


def read_clip(path: Path) -> None:
    from mimetic.media import Media

    with Media(path) as media:
        for _ in media.decode(rates=[2.0], sound=True):
            pass


TARGETS: dict[str, Callable[[Path], None]] = {
    "words": read_words_file,
    "words-table": read_words_table,
    "foreign": read_foreign,
    "shard": read_shard,
    "run": read_run,
    "recipe": read_recipe,
    "dataset": read_dataset,
    "submission": read_submission,
    "ledger": read_ledger,
    "journal": read_journal,
    "checkpoint": read_checkpoint,
    "clip": read_clip,
}
"""Every way in for files of others. Each has a folder of good ones in the corpus."""


# ---------------------------------------------------------------------------------------- mutations


def mutated(data: bytes, draw: np.random.Generator, others: list[bytes]) -> bytes:
    """Change a file in one to four places."""
    for _ in range(int(draw.integers(1, 5))):
        data = CHANGES[int(draw.integers(len(CHANGES)))](data, draw, others)
    return data[: 1 << 20]


def _place(data: bytes, draw: np.random.Generator) -> int:
    return int(draw.integers(len(data) + 1))


def _flip(data: bytes, draw: np.random.Generator, _: list[bytes]) -> bytes:
    at = _place(data, draw)
    return data[:at] + bytes(byte ^ (1 << int(draw.integers(8))) for byte in data[at : at + 1]) + data[at + 1 :]


def _cut(data: bytes, draw: np.random.Generator, _: list[bytes]) -> bytes:
    return data[: _place(data, draw)]


def _drop(data: bytes, draw: np.random.Generator, _: list[bytes]) -> bytes:
    at = _place(data, draw)
    return data[:at] + data[at + int(draw.integers(1, 64)) :]


def _double(data: bytes, draw: np.random.Generator, _: list[bytes]) -> bytes:
    at, size = _place(data, draw), int(draw.integers(1, 256))
    return data[:at] + data[at : at + size] * int(draw.integers(2, 20)) + data[at + size :]


def _insert(data: bytes, draw: np.random.Generator, _: list[bytes]) -> bytes:
    at = _place(data, draw)
    return data[:at] + WORDS[int(draw.integers(len(WORDS)))] + data[at:]


def _overwrite(data: bytes, draw: np.random.Generator, _: list[bytes]) -> bytes:
    at, word = _place(data, draw), NUMBERS[int(draw.integers(len(NUMBERS)))]
    return data[:at] + word + data[at + len(word) :]


def _splice(data: bytes, draw: np.random.Generator, others: list[bytes]) -> bytes:
    other = others[int(draw.integers(len(others)))]
    return data[: _place(data, draw)] + other[_place(other, draw) :]


def _noise(data: bytes, draw: np.random.Generator, _: list[bytes]) -> bytes:
    at, size = _place(data, draw), int(draw.integers(1, 32))
    return data[:at] + draw.bytes(size) + data[at + size :]


CHANGES = (_flip, _cut, _drop, _double, _insert, _overwrite, _splice, _noise)

NUMBERS = tuple(
    number.to_bytes(size, order)
    for size in (1, 2, 4, 8)
    for number in (0, 1, (1 << 8 * size - 1) - 1, 1 << 8 * size - 1, (1 << 8 * size) - 1)
    for order in ("little", "big")
)
"""Numbers at the ends of their ranges, over sizes and offsets."""

WORDS = (
    *(b"../../../../tmp/climbed", b"/etc/passwd", b"file:///etc/passwd", b"http://127.0.0.1:1/", b"\0", b"\n", b'"'),
    *(b"999999999999999999999999", b"-1", b"1e999", b"nan", b"-inf", b"[" * 5000, b"{" * 500, b"(" * 500, b"true"),
    *(b"null", b"[]", b"{}", b"\xff\xfe", b"\xed\xa0\x80", b"<!ENTITY a 'b'>", b"&a;" * 20, b"\\ud800", b"00:00:99"),
    *(
        b"cos\nsystem\n(S'touch climbed'\ntR.",
        b"__reduce__",
        b"__import__('os').system('x')",
        b"," * 300,
        b"PK\x05\x06",
    ),
)
"""What breaks careless parsers."""


# ------------------------------------------------------------------------------------------ the campaign


@dataclass
class Tally:
    """How many mutations of a target were tried, and what became of them; ``faults`` is what must not be."""

    tried: int = 0
    read: int = 0
    refused: int = 0
    slowest: float = 0.0
    faults: list[str] = field(default_factory=list)


def seeds(target: str) -> list[Path]:
    return sorted(path for path in (CORPUS / target).iterdir() if path.is_file())


def mutations(target: str, *, seed: int) -> Iterator[tuple[Path, bytes]]:
    """Yield mutated files of a target without end: the good file's path, and the bytes."""
    paths = seeds(target)
    contents = [path.read_bytes() for path in paths]
    draw = np.random.default_rng([seed, zlib.crc32(target.encode())])
    while True:
        number = int(draw.integers(len(paths)))
        alike = [held for path, held in zip(paths, contents, strict=True) if path.suffix == paths[number].suffix]
        yield paths[number], mutated(contents[number], draw, alike)


def _alarm(*_: object) -> None:
    raise TimeoutError


def tried(target: str, name: str, data: bytes, folder: Path, tally: Tally) -> None:
    """Hand one file to its parser."""
    from mimetic.records import MimeticError

    path = folder / name
    path.write_bytes(data)
    tally.tried += 1
    started = time.perf_counter()
    signal.setitimer(signal.ITIMER_PROF, HANG)
    try:
        TARGETS[target](path)
        tally.read += 1
    except MimeticError:
        tally.refused += 1
    except Exception as error:
        kept = Path(tempfile.gettempdir()) / f"fault-{target}-{zlib.crc32(data):08x}-{name}"
        shutil.copyfile(path, kept)
        tally.faults.append(f"{name}: {type(error).__name__}: {str(error)[:200]} ({kept.name})")
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        path.unlink(missing_ok=True)
    tally.slowest = max(tally.slowest, time.perf_counter() - started)


def campaign(target: str, *, seed: int, count: int, folder: Path, until: float = float("inf")) -> Tally:
    """Try ``count`` mutations of a target, or as many as there is time for."""
    tally = Tally()
    folder.mkdir(parents=True, exist_ok=True)
    for path, data in mutations(target, seed=seed):
        if tally.tried >= count or time.monotonic() > until:
            return tally
        tried(target, path.name, data, folder, tally)
    return tally


def fence(folder: Path) -> None:
    """From here on, this process writes inside a folder, starts nothing, and reaches nobody."""
    inside = (str(folder), tempfile.gettempdir() + "/fault-", "/dev/null")

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event in ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork", "socket.connect"):
            raise RuntimeError(f"FENCE {event} {arguments}")
        if event == "open" and isinstance(arguments[0], str | bytes):
            flags = int(arguments[2] or 0)
            writes = flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC)
            if writes and not os.fsdecode(arguments[0]).startswith(inside):
                raise RuntimeError(f"FENCE {event} {arguments}")
        if event in ("os.rename", "os.remove", "os.mkdir", "os.symlink", "os.link", "os.truncate"):
            place = os.fsdecode(arguments[0])
            if place.startswith("/") and not place.startswith(inside):
                raise RuntimeError(f"FENCE {event} {arguments}")

    sys.addaudithook(hook)


def _limit_memory() -> None:
    status = Path("/proc/self/status").read_text().splitlines()
    held = next(int(line.split()[1]) << 10 for line in status if line.startswith("VmData"))
    resource.setrlimit(resource.RLIMIT_DATA, (held + ROOM, held + ROOM))


def main() -> int:
    """Run a campaign in this process, fenced in; print its tallies as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--minutes", type=float, default=float("inf"))
    parser.add_argument("--target", action="append", choices=TARGETS)
    told = parser.parse_args()
    warnings.simplefilter("ignore")
    sys.dont_write_bytecode = True
    signal.signal(signal.SIGPROF, _alarm)
    from mimetic.network import Network  # what parsers need is imported before the fence stands

    assert Network
    wanted = told.target or list(TARGETS)
    with tempfile.TemporaryDirectory() as place:
        for target in wanted:  # imports, and proof that the good files are read
            for path in seeds(target):
                warm = Path(place) / "warm" / target
                warm.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, warm / path.name)
                TARGETS[target](warm / path.name)
                (warm / path.name).unlink()
        fence(Path(place))
        _limit_memory()
        tallies = {}
        for target in wanted:
            until = time.monotonic() + 60 * told.minutes / len(wanted)
            tallies[target] = campaign(
                target, seed=told.seed, count=told.count, folder=Path(place) / target, until=until
            )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    found = {"peak_mb": peak, "targets": {name: asdict(tally) for name, tally in tallies.items()}}
    sys.stdout.write(json.dumps(found, indent=1) + "\n")
    return int(any(tally.faults for tally in tallies.values()))


if __name__ == "__main__":
    raise SystemExit(main())
