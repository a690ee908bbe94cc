"""What extraction costs, by extractor and backend, and what that makes of 17 thousand, a million and 100 million clips.

Processor seconds and bytes are measured as ``mimetic plan`` measures them, on made clips; checkpoints are of their
published size with random weights, for what a model costs does not depend on what it has learned. Each extractor is
measured alone, so that its seconds hold all of the decoding. What a driver does for each clip before work begins, and
a store's reading, are measured too. All beyond that is arithmetic.

    python benchmarks/scaling.py --out results
"""

from __future__ import annotations

import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import typer

from mimetic.benching.checkpoints import make_bert, make_dinov2, make_wav2vec2
from mimetic.benching.films import make_clip
from mimetic.devices import one_thread
from mimetic.extraction import SHARD, extract
from mimetic.features import feature
from mimetic.planning import Cost, plan
from mimetic.records import Clip
from mimetic.stocktaking import verify
from mimetic.store import Store

SECONDS = (8.0, 12.0)
"""Lengths of the made clips."""

TEXT = "so it goes on and on, and nobody knows why it went so well until it did not " * 2

PRICE = 0.04
"""Of a core hour, in whatever money: stated, not looked up."""

SIZES = {"17 k": 17_000, "1 M": 1_000_000, "100 M": 100_000_000}
CORES = {"17 k": 16, "1 M": 256, "100 M": 10_000}
DISK = 1e9
"""Bytes a second that a shared disk is taken to give."""

HOURS = ("computing h", "reading h", "writing h", "driver h")

LIGHT = ("words-hashed", "logmel", "face-appearance", "motion-blocks")
HEAVY = ("gte", "wav2vec2", "dinov2-face")

WAYS = (
    ("torch", "fp32"),
    ("torch", "bf16"),
    ("openvino", "fp32"),
    ("openvino", "bf16"),
    ("openvino", "int8"),
    ("onnx", "fp32"),
)
"""Backends of pretrained models, and precisions."""

Json = dict[str, Any]


def main(
    out: Annotated[Path, typer.Option(help="Where the figures go.")] = Path("results"),
    only: Annotated[str, typer.Option(help="Extractors, with commas; all if not told.")] = "",
) -> None:
    """Measure, and write the figures; what was measured before and is not asked for stays."""
    out.mkdir(exist_ok=True)
    path = out / "scaling.json"
    told: Json = json.loads(path.read_text()) if path.is_file() else {"costs": {}}
    told |= {"machine": _machine(), "versions": {name: version(name) for name in ("mimetic", "torch", "av")}}
    with tempfile.TemporaryDirectory() as folder, one_thread():
        clips = [
            Clip(id=str(i), path=make_clip(Path(folder, f"{i}.mp4"), seconds, seed=i), text=TEXT)
            for i, seconds in enumerate(SECONDS)
        ]
        told["clip"] = {"seconds": sum(SECONDS) / len(SECONDS), "bytes": _mean_size(clips)}
        for name, backend, precision, wanted in _extractors(Path(folder), set(filter(None, only.split(",")))):
            cost = _measured(clips, wanted, backend)
            told["costs"][f"{name} {backend} {precision}"] = {"seconds": cost.seconds, "bytes": cost.bytes}
            sys.stdout.write(f"{name:16} {backend:8} {precision:5} {cost.seconds:8.2f} CPU s a clip\n")
            sys.stdout.flush()
            path.write_text(json.dumps(told, indent=1) + "\n")
        told["around"] = _around(Path(folder))
    told["sizes"] = _sizes(told)
    path.write_text(json.dumps(told, indent=1) + "\n")
    (out / "scaling.md").write_text(_page(told))


def _machine() -> str:
    return f"{os.cpu_count()} CPUs ({platform.machine()}), shared with other work"


def _mean_size(clips: list[Clip]) -> float:
    return sum(clip.path.stat().st_size for clip in clips if clip.path) / len(clips)


def _measured(clips: list[Clip], wanted: str, backend: str) -> Cost:
    """Measure one extractor.

    Raises
    ------
    RuntimeError
        if its network could not be converted.
    """
    told = None if backend == "none" else backend
    found = feature(wanted)
    cost = plan(clips, [found], sample=len(clips), device="cpu", accepted=[found.name], backend=told).costs[0]
    if cost.computed.get("backend", "torch") != (told or "torch"):
        raise RuntimeError(f"{wanted}: {cost.computed}")
    return cost


def _extractors(folder: Path, only: set[str]) -> Iterator[tuple[str, str, str, str]]:
    """Give name, backend, precision and the feature that is measured; checkpoints are made when they are asked for."""
    makers: dict[str, Callable[[Path], Path]] = {
        "gte": make_bert,
        "wav2vec2": make_wav2vec2,
        "dinov2-face": make_dinov2,
    }
    for name in (*LIGHT, "motion-landmarks", "egemaps", "minilm", *makers):
        if only and name not in only:
            continue
        if name not in (*HEAVY, "minilm"):
            yield name, "none", "fp32", name
            continue
        model = f"+model={makers[name](folder / name)}" if name in makers else ""
        for backend, precision in WAYS:
            yield name, backend, precision, f"{name}{model}+precision={precision}"


def _around(folder: Path) -> Json:
    """Measure what a driver does for each clip, and what reading a store back costs: on many short clips of words."""
    count = 4_000
    clips = [Clip(id=f"{i:06d}", text=f"{TEXT} {i}") for i in range(count)]
    store, wanted = Store(folder / "store"), [feature("words-hashed")]
    extract(clips, wanted, store, workers=0)
    again = _timed(lambda: extract(clips, wanted, Store(folder / "store"), workers=0))
    size = sum(path.stat().st_size for path in store.path.rglob("*.arrow"))
    checked = _timed(lambda: verify(Store(folder / "store")))
    media = make_clip(folder / "one.mp4", 8.0)
    looked = _timed(lambda: [_fingerprint(media) for _ in range(1_000)])
    return {
        "plan_seconds_per_million": 1e6 * again / count,
        "fingerprint_seconds_per_million": 1e6 * looked / 1_000,
        "verify_bytes_a_second": size / checked,
    }


def _fingerprint(path: Path) -> str:
    from mimetic.media import fingerprint

    return fingerprint(path)


def _timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _sizes(told: Json) -> Json:
    """Say what each size needs: of the extractors that need no model, and of three of base size."""
    sets = {
        "light": [f"{name} none fp32" for name in LIGHT],
        "three models, torch fp32": [f"{name} torch fp32" for name in HEAVY],
        "three models, openvino int8": [f"{name} openvino int8" for name in HEAVY],
    }
    costs, found = told["costs"], {}
    for name, members in sets.items():
        if not all(member in costs for member in members):
            continue
        seconds = sum(costs[member]["seconds"] for member in members)
        size = sum(costs[member]["bytes"] for member in members)
        found[name] = {label: _needs(told, seconds, size, len(members), label) for label in SIZES}
    return found


def _needs(told: Json, seconds: float, size: float, features: int, label: str) -> Json:
    clips, cores, around = SIZES[label], CORES[label], told["around"]
    driver = (around["plan_seconds_per_million"] + around["fingerprint_seconds_per_million"]) * clips / 1e6 / 3600
    times = {
        "computing": seconds * clips / cores / 3600,
        "reading clips": told["clip"]["bytes"] * clips / DISK / 3600,
        "writing features": size * clips / DISK / 3600,
        "one driver": driver,
    }
    return {
        "core_hours": seconds * clips / 3600,
        "money": seconds * clips / 3600 * PRICE,
        "bytes": size * clips,
        "shards": -(-clips // SHARD) * features,
        "cores": cores,
        "hours": times,
        "first_bottleneck": max(times, key=lambda what: times[what]),
    }


# ------------------------------------------------------------------------------------------------ page


def _page(told: Json) -> str:
    clip = told["clip"]
    mean = f"{clip['seconds']:g} s and {clip['bytes'] / 1e6:.2f} MB on average"
    return "\n".join(
        [
            "# What extraction costs",
            "",
            f"Made clips (640 by 360, 25 frames a second, {mean}); checkpoints of their published size",
            f"with random weights. Measured by `python benchmarks/scaling.py` on {told['machine']};",
            f"money at {PRICE:g} a core hour, which is stated, not looked up. Each extractor alone, decoding included;",
            "the conversion of networks, once an extraction, is not.",
            "",
            "| extractor | backend | precision | CPU s per 1,000 clips | MB | money |",
            "|---|---|---|---|---|---|",
            *(_cost_line(name, cost) for name, cost in told["costs"].items()),
            "",
            *_size_lines(told),
            "",
        ]
    )


def _cost_line(name: str, cost: Json) -> str:
    seconds, size = 1_000 * cost["seconds"], cost["bytes"] / 1e3
    return f"| {' | '.join(name.split())} | {seconds:,.0f} | {size:,.1f} | {seconds / 3600 * PRICE:.3f} |"


def _size_lines(told: Json) -> Iterator[str]:
    around = told["around"]
    looked, asked = around["fingerprint_seconds_per_million"], around["plan_seconds_per_million"]
    checked = around["verify_bytes_a_second"] / 1e6
    yield f"Of a million clips, a driver looks at the files in {looked:,.0f} s (from the cache), and at the rows of a"
    yield f"feature in {asked:,.0f} s; `store verify` reads {checked:,.0f} MB a second of small shards (words-hashed)."
    yield "Hours below are arithmetic:"
    yield f"that many cores, all busy, and {DISK / 1e9:g} GB a second from a shared disk, which is an assumption."
    yield ""
    columns = ("extractors", "clips", "cores", "core hours", "money", "TB", "shards", *HOURS)
    yield f"| {' | '.join(columns)} |"
    yield "|---" * len(columns) + "|"
    for name, labels in told["sizes"].items():
        for label, of in labels.items():
            hours = " | ".join(f"{value:,.2f}" for value in of["hours"].values())
            yield (
                f"| {name} | {label} | {of['cores']:,} | {of['core_hours']:,.0f} | {of['money']:,.0f} |"
                f" {of['bytes'] / 1e12:,.3f} | {of['shards']:,} | {hours} |"
            )


if __name__ == "__main__":
    typer.run(main)
