"""How much memory a long clip costs: the peak above the loaded process, of one minute and of twenty.

Each clip is extracted in a process of its own: a short clip first, so that everything is loaded, then the one that is
measured. What has to hold: twenty minutes cost at most 1.1 times what one does, and 64 MB.

    python benchmarks/memory.py --out results
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from mimetic.benching.checkpoints import make_bert, make_dinov2, make_wav2vec2
from mimetic.benching.films import make_clip

FACTOR, MORE = 1.1, 64.0
MINUTES = (1, 20)

CHILD = """
import json, sys
from pathlib import Path
from mimetic.extraction import extract
from mimetic.features import features
from mimetic.records import Clip
from mimetic.store import Store

def status(name):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(name))

store, names, short, long = sys.argv[1:]
wanted = features(names.split(","))
for name, path in (("short", short), ("long", long)):
    loaded = status("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")
    clip = Clip(id=name, path=Path(path), text="so it goes " * 40)
    told = extract([clip], wanted, Store(Path(store, name)), workers=0)
    assert not any(summary.failures for summary in told.values()), told
print(json.dumps({"loaded": loaded, "peak": status("VmHWM"), "rows": {k: s.frames for k, s in told.items()}}))
"""


def main(
    out: Annotated[Path, typer.Option(help="Where the figures go.")] = Path("results"),
    only: Annotated[str, typer.Option(help="The one that is measured; all if not told.")] = "",
) -> None:
    """Measure every extractor alone, and all together."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        names = {
            "dinov2-frame": f"dinov2-frame+model={make_dinov2(place / 'dinov2', size='tiny')}",
            "wav2vec2": f"wav2vec2+model={make_wav2vec2(place / 'wav2vec2', size='tiny')}",
            "gte": f"gte+model={make_bert(place / 'bert', size='tiny')}",
            "face-appearance": "face-appearance",
            "logmel": "logmel",
            "motion-blocks": "motion-blocks",
        }
        names["all of them"] = ",".join(names.values())
        short = make_clip(place / "short.mp4", 5)
        clips = {minutes: make_clip(place / f"{minutes}.mp4", 60 * minutes) for minutes in MINUTES}
        results = []
        for name, features in names.items() if not only else [(only, names[only])]:
            peaks = {m: _peak(place / f"{name}-{m}", features, short, clip) for m, clip in clips.items()}
            one, many = (peaks[minutes] for minutes in MINUTES)
            limit = FACTOR * one + MORE
            results.append({"name": name, "one": one, "twenty": many, "limit": limit, "holds": many <= limit})
            sys.stdout.write(f"{name:16} {one:7.1f} {many:7.1f} MB, limit {limit:7.1f}\n")
    out.mkdir(exist_ok=True)
    told = {"machine": f"{os.cpu_count()} CPUs", "unit": "MB above the loaded process", "results": results}
    (out / "memory.json").write_text(json.dumps(told, indent=1) + "\n")
    (out / "memory.md").write_text(_page(results))


def _peak(store: Path, features: str, short: Path, clip: Path) -> float:
    """Give the megabytes that a clip costs above the loaded process, at most."""
    call = [sys.executable, "-c", CHILD, str(store), features, str(short), str(clip)]
    told = json.loads(subprocess.run(call, check=True, capture_output=True, text=True).stdout)
    return float(told["peak"] - told["loaded"])


def _page(results: list[dict[str, float]]) -> str:
    lines = [f"| {r['name']} | {r['one']:.0f} | {r['twenty']:.0f} | {r['limit']:.0f} |" for r in results]
    return "\n".join(
        [
            "# Memory that a long clip costs",
            "",
            "Made clips (640 by 360, 25 frames a second), models of a small size with random weights; megabytes at the",
            "peak above the loaded process, each clip in a process of its own. Made by `python benchmarks/memory.py`.",
            "",
            "| extractor | 1 minute | 20 minutes | limit: 1.1 times, and 64 |",
            "|---|---|---|---|",
            *lines,
            "",
        ]
    )


if __name__ == "__main__":
    typer.run(main)
