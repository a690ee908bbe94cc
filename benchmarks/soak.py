"""Whether a long extraction stays as small as a short one: short clips in, memory, handles, threads and files out.

One process extracts the same few clips again and again, under other ids, into a store that is removed after each round.
Figures are of this process, after a first round that loads everything.

    python benchmarks/soak.py [--minutes 3] [--out results]
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from clips import write_clip
from mimetic.extraction import SHARD, extract
from mimetic.features import LIGHT, features
from mimetic.records import Clip
from mimetic.store import Store


def figures(place: Path) -> dict[str, int]:
    """Give what this process holds now."""
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return {
        "memory, MB": int(status["VmRSS"].split()[0]) >> 10,
        "handles": sum(1 for _ in Path("/proc/self/fd").iterdir()),
        "threads": int(status["Threads"]),
        "temporary files": sum(1 for _ in place.iterdir()),
    }


def main() -> None:
    """Extract until the time is over; write what was held at the start, at most and at the end."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=3.0)
    parser.add_argument("--out", type=Path)
    told = parser.parse_args()
    wanted = features(LIGHT)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        made = [
            Clip(id=str(n), path=write_clip(place / "clips" / f"{n}.mp4", seconds=0.4, seed=n)) for n in range(SHARD)
        ]
        (place / "tmp").mkdir()
        tempfile.tempdir = str(place / "tmp")
        seen: list[dict[str, int]] = []
        started, done = time.monotonic(), 0
        while time.monotonic() - started < 60 * told.minutes:
            clips = [replace(clip, id=f"{done}-{clip.id}") for clip in made]
            extract(clips, wanted, Store(place / "store"), workers=0)
            shutil.rmtree(place / "store")
            done += len(clips)
            seen.append(figures(place / "tmp"))
    rows = [f"| {name} | {seen[0][name]} | {max(s[name] for s in seen)} | {seen[-1][name]} |" for name in seen[0]]
    head = f"{done:,} clips of 0.4 s through {len(wanted)} extractors in {told.minutes:g} minutes, one process.\n\n"
    text = head + "| | after the first 32 | at most | at the end |\n|---|---|---|---|\n" + "\n".join(rows) + "\n"
    sys.stdout.write(text)
    if told.out:
        (told.out / "soak.md").write_text("# Soak of extraction\n\nMade by `python benchmarks/soak.py`.\n\n" + text)


if __name__ == "__main__":
    main()
