"""``mimetic bench training``: which trainings are measured against which, and what comes of it as figures.

The clips are made, and so is everything about them but what they cost. A way of the field's is measured on a part of
the clips, as many short ones as long, for one epoch, and its time scaled up to all of them; ours on all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mimetic.benching.cases import CASES, RECURRENT, TARGETS
from mimetic.benching.clips import Made
from mimetic.benching.field import WAYS, train_theirs
from mimetic.benching.measuring import Cost, in_turns, machine, median, spread
from mimetic.benching.mmsa import check_installed, train_mmsa
from mimetic.benching.ours import train_made, train_stored, warm_up
from mimetic.records import Json

UNIT = "CPU s, the first epoch"
OURS = "ours"
MAXIMUM, LONGEST, OPENED = WAYS
MMSA = "MMSA's own loop, its EF-LSTM"
FRAMES, POOLED, READ, PER_PARAMETER = 1.15, 4.0, 12.0, 5.0
"""Limits: frames computed per frame needed; peak memory as so many largest steps, pooled or read row by row, and
parameters."""

Counter = Callable[[int, int], None]
Jobs = dict[tuple[str, str], tuple[object, ...]]
"""What is measured: by case and way, the function and its arguments."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """How much is measured: made clips, the cases and how often; of how many clips the field's ways are."""

    clips: int = 2_000
    longest: int = 1_500
    part: int = 128
    repeats: int = 3
    cases: tuple[str, ...] = tuple(CASES)
    opened: tuple[str, ...] = ("mean", "LSTM 3x64")  # cases that are also measured with a file opened a clip
    grown: tuple[str, ...] = ("attention", "LSTM 3x64")  # cases whose cost is told against clips and lengths
    mmsa: tuple[str, ...] = ()  # cases beside which MMSA trains its own network on the same features


FULL = Plan()
QUICK = Plan(clips=60, longest=80, part=16, repeats=1, cases=("mean", "LSTM 3x64"), opened=("mean",), grown=("mean",))

SHARES, SECONDS = (0.25, 0.5, 1.0), (1.0, 4.0, 15.0)
"""Shares of the clips, and seconds of each that are seen, that growth is told for."""


def bench_training(folder: Path, plan: Plan, *, progress: Counter) -> Json:
    """Measure all of a plan on clips that are made in ``folder``; give the figures."""
    if plan.mmsa:
        check_installed()
    made = Made(folder, plan.clips, plan.longest)
    made.write()
    jobs: Jobs = {}
    for case in plan.cases:
        jobs[case, OURS] = (train_made, made, case, 1)
        for way in WAYS:
            if way != OPENED or case in plan.opened:
                jobs[case, way] = (train_theirs, made, case, way, plan.part)
    jobs |= {(case, MMSA): (train_mmsa, made, case, plan.part) for case in plan.mmsa}
    costs = in_turns(jobs, repeats=plan.repeats, ready=warm_up, progress=progress)
    growing: Jobs = {name: job for case in plan.grown for name, job in _growing(made, case).items()}
    grown = in_turns(growing, repeats=1, ready=warm_up, progress=lambda _done, _total: None)
    return {
        "machine": machine(),
        "clips": plan.clips,
        "measured_on": min(plan.part, plan.clips),
        "repeats": plan.repeats,
        "results": [_result(*key, costs) for key in costs if key[1] != OURS],
        "ours": [_own(case, costs[case, OURS]) for case in plan.cases],
        "growth": [_grown(*key, cost[0]) for key, cost in grown.items()],
    }


def bench_stored(root: Path, cases: Sequence[str], *, progress: Counter) -> Json:
    """Measure ours alone on a data set that is there, one epoch a case."""
    jobs: Jobs = {(case, OURS): (train_stored, root, case, 1) for case in cases}
    costs = in_turns(jobs, repeats=1, ready=warm_up, progress=progress)
    return {
        "machine": machine(),
        "results": [],
        "ours": [_own(case, costs[case, OURS]) for case in cases],
        "growth": [],
    }


def _growing(made: Made, case: str) -> Jobs:
    fewer = [Made(made.root, max(20, int(share * made.clips)), made.longest) for share in SHARES]
    clips: Jobs = {(case, f"{some.clips:,} clips"): (train_made, some, case, 1) for some in fewer}
    shorter: Jobs = {(case, f"{seconds:g} s of each"): (train_made, made, case, 1, seconds) for seconds in SECONDS}
    return {**clips, **shorter}


def _result(case: str, way: str, costs: Mapping[tuple[str, str], Sequence[Cost]]) -> Json:
    """Give one line: ours against one way of the field's."""
    ours, theirs = costs[case, OURS], costs[case, way]
    own, other = median(ours, "epoch") + median(ours, "prepare"), median(theirs, "epoch")
    target = TARGETS.get(case) if way == MAXIMUM else None
    return {
        "name": f"{case}: {way}",
        "ratio": other / own,
        "ours": own,
        "theirs": other,
        "unit": UNIT,
        "spread": {"ours": spread(ours, "epoch"), "theirs": spread(theirs, "epoch")},
        "difference": _difference(ours[0].facts["scores"], theirs[0].facts.get("scores")),
        "computed": theirs[0].facts["computed"],
        "load": median(theirs, "load"),
        "peak": _peak(theirs),
        "target": target,
        "met": None if target is None else other / own >= target,
    }


def _difference(ours: Sequence[Sequence[float]], theirs: Sequence[Sequence[float]] | None) -> float | None:
    """Give how far the scores of both ways are apart at most; ``None`` where theirs are another network's."""
    return None if theirs is None else float(np.abs(np.array(ours) - np.array(theirs)).max())


def _own(case: str, costs: Sequence[Cost]) -> Json:
    """Give what ours costs: time, frames, memory beside its limit, and opening."""
    facts = costs[0].facts
    times = READ if case in RECURRENT else POOLED
    limit = times * facts["largest"] + PER_PARAMETER * facts["parameters"]
    peak = _peak(costs)
    return {
        "name": case,
        "cpu": median(costs, "epoch"),
        "once": median(costs, "prepare"),
        "wall": median(costs, "epoch", of="wall"),
        "load": sum(median(costs, name, of="wall") for name in ("data set", "load") if name in costs[0].wall),
        "clips": facts["clips"],
        "frames": facts["frames"],
        "computed": facts["computed"],
        "peak": peak,
        "limit": limit,
        "met": (peak is None or peak <= limit) and facts["computed"] <= FRAMES,
    }


def _peak(costs: Sequence[Cost]) -> int | None:
    known = [cost.peak for cost in costs if cost.peak is not None]
    return max(known) if known else None


def _grown(case: str, what: str, cost: Cost) -> Json:
    frames, cpu = cost.facts["frames"], cost.cpu["epoch"] + cost.cpu["prepare"]
    own = {"name": case, "what": what, "clips": cost.facts["clips"], "frames": frames, "cpu": cpu}
    return own | {"microseconds_a_frame": 1e6 * cpu / frames, "milliseconds_a_clip": 1e3 * cpu / cost.facts["clips"]}
