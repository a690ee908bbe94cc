"""Whether a long extraction stays as small as a short one: thousands of short clips into one store.

One call of ``extract``, with its worker processes; every few seconds a thread looks at what this process and those it
started hold. Out come ``soak.json`` and ``soak.md``: medians of each quarter of the time. Stopped (Ctrl-C), it writes
what it has seen. It ends with 1 if the last quarter takes more than the second. Linux alone.

    python benchmarks/soak.py --clips 20000 --out results
"""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from threading import Event, Thread
from typing import Annotated

import typer

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from clips import write_clip
from mimetic.extraction import extract
from mimetic.features import LIGHT, features
from mimetic.records import Clip
from mimetic.store import Store

DISTINCT = 64
"""Clips that are made; the others are further names of their files."""

SECONDS = 0.4
EVERY = 5.0
"""Seconds between two looks."""

ALLOWED, SLACK_MB = 1.05, 20.0
"""What the last quarter may take at most: this multiple of the second one, or so much more."""

NAMES = {"memory": "memory, MB", "handles": "handles", "threads": "threads", "files": "temporary files"}


@dataclass(frozen=True, kw_only=True)
class Look:
    """What the processes hold together at a moment; ``files`` are those in the temporary folder."""

    second: float
    memory: float
    handles: int
    threads: int
    files: int


def family(pid: int) -> Iterator[int]:
    """Give a process and all that came of it."""
    yield pid
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            yield from family(int(child))


def look(started: float, place: Path) -> Look:
    """Look at this process and its workers now."""
    memory, handles, threads = 0, 0, 0
    for pid in family(os.getpid()):
        try:
            status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
            memory += int(status["VmRSS"].split()[0])
            threads += int(status["Threads"])
            handles += sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())
        except (OSError, KeyError):  # a worker that has just ended
            continue
    files = sum(1 for _ in place.iterdir())
    second = round(time.monotonic() - started, 1)
    return Look(second=second, memory=memory / 1024, handles=handles, threads=threads, files=files)


def named(folder: Path, count: int) -> list[Clip]:
    """Make some clips, and give their files as many names as are wanted."""
    made = [write_clip(folder / "made" / f"{n}.mp4", seconds=SECONDS, seed=n) for n in range(min(count, DISTINCT))]
    (folder / "clips").mkdir()
    clips = []
    for number in range(count):
        path = folder / "clips" / f"{number:06}.mp4"
        path.hardlink_to(made[number % len(made)])
        clips.append(Clip(id=f"{number:06}", path=path))
    return clips


def soak(count: int, workers: int) -> tuple[list[Look], int]:
    """Extract; give what was seen, and how many clips were done."""
    looks: list[Look] = []
    over, done = Event(), [0]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        clips = named(folder, count)
        (place := folder / "tmp").mkdir()
        tempfile.tempdir = str(place)
        started = time.monotonic()

        def watch() -> None:
            while not over.wait(EVERY):
                looks.append(look(started, place))

        def progress(so_far: int, _total: int) -> None:
            done[0] = so_far
            if so_far and so_far % 1000 == 0:
                sys.stderr.write(f"{so_far:,} clips, {time.monotonic() - started:.0f} s\n")

        watching = Thread(target=watch)
        watching.start()
        try:
            extract(clips, features(LIGHT), Store(folder / "store"), workers=workers, progress=progress)
        except KeyboardInterrupt:
            sys.stderr.write("stopped\n")
        finally:
            over.set()
            watching.join()
            tempfile.tempdir = None
    return looks, done[0]


def quarters(looks: Sequence[Look]) -> list[dict[str, float]]:
    """Give the medians of each quarter of the looks; the last is taken by itself at the end."""
    cut = [looks[len(looks) * k // 4 : len(looks) * (k + 1) // 4] for k in range(4)]
    return [{name: median(getattr(one, name) for one in part) for name in NAMES} for part in cut]


def is_flat(found: Sequence[dict[str, float]]) -> bool:
    """Tell whether the last quarter takes no more than the second."""
    second, last = found[1], found[3]
    grown = last["memory"] > max(second["memory"] * ALLOWED, second["memory"] + SLACK_MB)
    return not grown and all(last[name] <= second[name] + 2 for name in ("handles", "threads", "files"))


def main(
    count: Annotated[int, typer.Option("--clips", min=1, help="How many clips.")] = 20_000,
    workers: Annotated[int, typer.Option(min=0, help="Processes that decode; 0: this one.")] = 1,
    out: Annotated[Path | None, typer.Option(help="A folder for soak.json and soak.md.")] = None,
) -> None:
    """Extract, and write what was held."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    looks, done = soak(count, workers)
    if len(looks) < 4:
        sys.exit("too short to tell: give more --clips")
    found = quarters(looks)
    minutes = looks[-1].second / 60
    head = f"{done:,} clips of {SECONDS:g} s through {len(LIGHT)} extractors, one store, {minutes:.0f} minutes, "
    head += (
        f"{workers} worker process{'es' * (workers != 1)}. Medians of each quarter of the time, all processes together:"
    )
    rows = [f"| {NAMES[name]} | " + " | ".join(f"{part[name]:.0f}" for part in found) + " |" for name in NAMES]
    verdict = "flat" if is_flat(found) else "not flat"
    lines = ["| | first | second | third | last |", "|---|---|---|---|---|", *rows, "", f"In a word: {verdict}.", ""]
    text = "\n".join([head, "", *lines])
    sys.stdout.write(text)
    if out:
        title = "# Soak of extraction\n\nMade by `python benchmarks/soak.py`.\n\n"
        (out / "soak.md").write_text(title + text)
        (out / "soak.json").write_text(json.dumps({"clips": done, "looks": [asdict(one) for one in looks]}) + "\n")
    sys.exit(verdict != "flat")


if __name__ == "__main__":
    typer.run(main)
