"""``mimetic bench extraction``: raw clips to features, by ours, by the field's way, and by the machine's own limit.

Processor seconds from the first clip to the last, of all processes together, with models loaded and warm; what loading
and conversion cost is told beside. All of it in turns, in one run.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mimetic.backends import AUTO, BACKENDS, Converted
from mimetic.benching.ceiling import compute_bare
from mimetic.benching.films import RATE
from mimetic.benching.frames import extract_theirs
from mimetic.benching.measuring import Cost, in_turns, machine, median, spread
from mimetic.benching.workloads import HEAVY, LIGHT, TEXT, TINY, WARM, Workload
from mimetic.converting import Order, Ready, convert
from mimetic.conveying import Crews
from mimetic.extraction import source_of
from mimetic.features import Feature
from mimetic.models import ModelEntry
from mimetic.parallel import processors
from mimetic.records import Clip, Json
from mimetic.shards import Task, write
from mimetic.store import Store

FIELD = "the field's way"
TARGETS: Mapping[tuple[str, str], float] = {
    ("heavy", "fp32"): 2.5,
    ("heavy", "bf16"): 4.5,
    ("heavy", "int8"): 6.5,
    ("light", "fp32"): 6.0,
}
"""How many times less than the field's way ours has to cost."""

SHARE = 0.85
"""How much of ours the machine's own limit has to be."""

TEXTS = 128
"""Texts that ranges of text encoders are measured on, and distances."""

Counter = Callable[[int, int], None]
Cell = tuple[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """What is measured, and how often."""

    workloads: tuple[Workload, ...] = (HEAVY, LIGHT)
    repeats: int = 3
    backend: str = AUTO
    grown: Workload | None = LIGHT


FULL = Plan()
QUICK = Plan(workloads=(TINY,), repeats=1, backend="torch", grown=None)


def bench_extraction(folder: Path, plan: Plan, *, progress: Counter) -> Json:
    """Measure all of a plan with clips and checkpoints made in ``folder``; give the figures."""
    prepared = {
        (workload.name, precision): _prepare(workload, precision, folder, plan.backend)
        for workload in plan.workloads
        for precision in workload.precisions
        if _is_possible(precision)
    }
    jobs: dict[tuple[str, ...], tuple[Any, ...]] = {}
    for workload in plan.workloads:
        clips = workload.films(folder)
        theirs = folder / "field"
        jobs[workload.name, FIELD] = extract_theirs, clips, workload.features(folder, "fp32"), theirs
    for (name, precision), made in prepared.items():
        jobs[name, precision, "ours"] = extract_ours, made.clips, made.features, made.converted, folder
        jobs[name, precision, "limit"] = compute_bare, made.clips, made.features, made.converted
    costs = in_turns(jobs, repeats=plan.repeats, ready=warm_up, progress=progress)
    return {
        "machine": machine(),
        "repeats": plan.repeats,
        "workloads": [_described(workload) for workload in plan.workloads],
        "results": [_result(cell, costs, made) for cell, made in prepared.items()],
        "growth": _growth(plan.grown, folder) if plan.grown else [],
    }


def warm_up() -> None:
    """Import what is measured with."""
    import torch

    torch.set_num_threads(1)


@dataclass(frozen=True, kw_only=True, slots=True)
class Prepared:
    """A workload in a precision: its clips, its features, who computes them, and what that was found out by."""

    clips: list[Clip]
    features: tuple[Feature, ...]
    ready: Mapping[str, Ready]
    seconds: float

    @property
    def converted(self) -> dict[str, Converted]:
        """Who computes, by feature."""
        return {key: each.converted for key, each in self.ready.items()}


def _is_possible(precision: str) -> bool:
    return any(entry.is_there and precision in entry.precisions for entry in BACKENDS.values())


def _prepare(workload: Workload, precision: str, folder: Path, backend: str) -> Prepared:
    """Make the clips and checkpoints, and have networks converted, in a process of its own."""
    clips, features = workload.films(folder), workload.features(folder, precision)
    heavy = tuple(feature for feature in features if isinstance(feature.entry, ModelEntry))
    chosen = "openvino" if precision == "int8" else backend
    place = folder / f"converted-{workload.name}-{precision}"
    order = Order(
        features=heavy,
        backends=dict.fromkeys((feature.key for feature in heavy), chosen),
        places={feature.key: place / str(number) for number, feature in enumerate(heavy)},
        clips=(*workload.sample(folder), *_texts()),
    )
    place.mkdir(parents=True, exist_ok=True)
    found = in_turns({0: (_converted, order)}, repeats=1, ready=warm_up, progress=lambda _done, _total: None)
    cost = found[0][0]
    return Prepared(clips=clips, features=features, ready=cost.facts["ready"], seconds=cost.cpu["convert"])


def _texts() -> tuple[Clip, ...]:
    draw, words = random.Random(0), TEXT.split()
    return tuple(
        Clip(id=f"text {number}", text=" ".join(draw.choices(words, k=draw.randint(4, 30)))) for number in range(TEXTS)
    )


def _converted(order: Order) -> Cost:
    cost = Cost()
    with cost.measured("convert"):
        cost.facts["ready"] = convert(order)
    return cost


def extract_ours(
    clips: Sequence[Clip], features: Sequence[Feature], converted: Mapping[str, Converted], folder: Path
) -> Cost:
    """Extract the clips' features into a store; the first clip is for loading, and not counted."""
    cost, workers = Cost(), processors()
    warm, counted = [clip for clip in clips if clip.id == WARM], [clip for clip in clips if clip.id != WARM]
    store = Store(folder / f"store-{os.getpid()}")
    with Crews(features, workers=workers, converted=converted, folder=folder) as crews:
        before = _tree_seconds()
        list(crews.convey([warm] * 2 * workers))
        between = _tree_seconds()
        with cost.measured("wall"):
            given = [result for result in crews.convey([counted]) if result is not None]
            write(_task(counted, features), given[0], store)
        cost.cpu |= {"load": between - before, "extract": _tree_seconds() - between}
    cost.facts["rows"] = {f.key: sum(store[f.key].length(clip.id) for clip in counted) for f in features}
    return cost


def _task(clips: Sequence[Clip], features: Sequence[Feature]) -> Task:
    sources = {f.key: tuple(source_of(clip, f.entry.view, f.view_options) for clip in clips) for f in features}
    kept = dict.fromkeys(sources, frozenset[str]())
    return Task(index=0, clips=tuple(clips), features=tuple(features), sources=sources, kept=kept)


def _tree_seconds() -> float:
    """Add up the processor seconds of this process and of those that it has started and that still run."""
    pids = [os.getpid(), *(child.pid for child in multiprocessing.active_children() if child.pid)]
    return sum(map(_seconds_of, pids))


def _seconds_of(pid: int) -> float:
    """Read the kernel's count of a process's user and system time, in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _described(workload: Workload) -> Json:
    shape = f"{workload.width} x {workload.height}, {RATE} frames a second"
    clips = f"{workload.clips} clips of {workload.seconds:g} s, {shape}"
    return {"name": workload.name, "clips": clips, "extractors": list(workload.extractors)}


def _result(cell: Cell, costs: Mapping[tuple[str, ...], Sequence[Cost]], made: Prepared) -> Json:
    ours, limit, theirs = costs[*cell, "ours"], costs[*cell, "limit"], costs[cell[0], FIELD]
    own, other = median(ours, "extract"), median(theirs, "extract")
    least = median(limit, "compute") + median(limit, "decode")
    target = TARGETS.get(cell)
    return {
        "name": f"{cell[0]}, {cell[1]}",
        "ratio": other / own,
        "ours": own,
        "theirs": other,
        "unit": "CPU s",
        "limit": least,
        "decoding": median(limit, "decode"),
        "share": least / own,
        "spread": {"ours": spread(ours, "extract"), "theirs": spread(theirs, "extract")},
        "loading": median(ours, "load"),
        "conversion": made.seconds,
        "rows": {_plain(key): count for key, count in ours[0].facts["rows"].items()},
        "computed": {_plain(key): each.told for key, each in made.ready.items()},
        "target": target,
        "met": None if target is None else other / own >= target and least / own >= SHARE,
    }


def _plain(key: str) -> str:
    """Name a feature and its checkpoint without the folder that it lay in."""
    return re.sub(r"model=[^+]*/", "model=", key)


def _growth(workload: Workload, folder: Path) -> list[Json]:
    """Measure ours once against the number of clips, their length, and the number of extractors."""
    half = replace(workload, clips=max(1, workload.clips // 2))
    kinds = {
        **{f"{each.clips} clips": each for each in (half, workload, replace(workload, clips=2 * workload.clips))},
        **{f"{s:g} s a clip": replace(half, seconds=s) for s in (workload.seconds / 2, 2 * workload.seconds)},
        **{f"{n} extractors": replace(half, extractors=workload.extractors[:n]) for n in (1, 2, 3)},
    }
    lines = []
    for what, each in kinds.items():
        made = _prepare(each, "fp32", folder, "torch")
        job = (extract_ours, made.clips, made.features, made.converted, folder)
        found = in_turns({0: job}, repeats=1, ready=warm_up, progress=lambda _done, _total: None)
        cpu, seconds = found[0][0].cpu["extract"], each.clips * each.seconds
        lines.append({"what": what, "seconds": seconds, "cpu": cpu, "cpu_a_second": cpu / seconds})
    return lines
