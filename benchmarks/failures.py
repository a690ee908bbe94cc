"""Nodes that are lost, and nodes that are slow: how much work is done twice, and how much longer it takes. Simulated.

The rules are those of ``mimetic.cluster``: a worker has one shard in hand; a lost node's shards are done again from
their beginning by whoever is free; a node that is lost is replaced after a while; nobody does a shard that another has
in hand. Clips' costs are log-normal, a share of nodes is several times slower, and nodes live exponentially long.
Everything is drawn from seeds.

    python benchmarks/failures.py --out results
"""

from __future__ import annotations

import heapq
import json
import sys
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import matplotlib
import numpy as np
import typer
from numpy.typing import NDArray

matplotlib.use("agg")
from matplotlib import pyplot as plt

SEEDS = (0, 1, 2, 3, 4)
BEGINS, ENDS = -2, -1


@dataclass(frozen=True, kw_only=True)
class Setting:
    """A cluster, and what happens to it. Seconds are of a core; ``life`` and ``replaced`` are hours of a node."""

    clips: int = 1_000_000
    shard: int = 32
    nodes: int = 16
    workers: int = 16
    seconds: float = 10.0
    spread: float = 0.8
    life: float = 24.0
    replaced: float = 0.25
    slow: float = 0.05
    slowness: float = 4.0


@dataclass(frozen=True)
class Told:
    """What came of it: hours until the last shard, hours without any trouble, share of work repeated, nodes lost."""

    hours: float
    ideal: float
    repeated: float
    lost: int


class Cluster:
    """One simulated extraction."""

    def __init__(self, setting: Setting, seed: int) -> None:
        self.setting, self._draw = setting, np.random.default_rng([seed, 53])
        self._costs = _shard_costs(setting, self._draw)
        self._waiting = list(range(len(self._costs)))[::-1]
        self._events: list[
            tuple[float, int, int, int]
        ] = []  # time, node, its generation, worker, or what becomes of it
        self._hands: dict[tuple[int, int], tuple[int, float]] = {}  # node and worker: shard, and since when
        self._generation = [0] * setting.nodes
        self._speed = np.ones(setting.nodes)
        self._idle: set[tuple[int, int]] = set()
        self._wasted, self._lost, self._left = 0.0, 0, len(self._costs)

    def run(self) -> Told:
        """Go from event to event until the last shard is there."""
        for node in range(self.setting.nodes):
            self._start(node, 0.0)
        now = 0.0
        while self._left:
            now, node, generation, worker = heapq.heappop(self._events)
            if generation != self._generation[node]:
                continue
            if worker == BEGINS:
                self._start(node, now)
            elif worker == ENDS:
                self._lose(node, now)
            else:
                del self._hands[node, worker]
                self._left -= 1
                self._give(node, worker, now)
        work = float(self._costs.sum())
        ideal = work / (self.setting.nodes * self.setting.workers)
        return Told(now / 3600, ideal / 3600, self._wasted / work, self._lost)

    def _start(self, node: int, now: float) -> None:
        """Begin a node's life, at its own speed."""
        self._speed[node] = 1 / self.setting.slowness if self._draw.random() < self.setting.slow else 1.0
        life = self._draw.exponential(self.setting.life * 3600)
        heapq.heappush(self._events, (now + life, node, self._generation[node], ENDS))
        for worker in range(self.setting.workers):
            self._give(node, worker, now)

    def _give(self, node: int, worker: int, now: float) -> None:
        if not self._waiting:
            self._idle.add((node, worker))
            return
        shard = self._waiting.pop()
        self._hands[node, worker] = shard, now
        end = now + self._costs[shard] / self._speed[node]
        heapq.heappush(self._events, (end, node, self._generation[node], worker))

    def _lose(self, node: int, now: float) -> None:
        """Put what a node had in hand back, and let another take its place after a while."""
        delay = self.setting.replaced * 3600
        self._lost += 1
        self._generation[node] += 1
        self._idle = {place for place in self._idle if place[0] != node}
        for worker in range(self.setting.workers):
            if (node, worker) in self._hands:
                shard, since = self._hands.pop((node, worker))
                self._wasted += (now - since) * self._speed[node]
                self._waiting.append(shard)
        while self._idle and self._waiting:
            self._give(*self._idle.pop(), now)
        heapq.heappush(self._events, (now + delay, node, self._generation[node], BEGINS))


def _shard_costs(setting: Setting, draw: np.random.Generator) -> NDArray[np.float64]:
    """Draw what each clip costs, and add up each shard, in seconds of a core."""
    middle = np.log(setting.seconds) - setting.spread**2 / 2
    clips = draw.lognormal(middle, setting.spread, setting.clips)
    return np.add.reduceat(clips, np.arange(0, setting.clips, setting.shard))


def main(
    out: Annotated[Path, typer.Option(help="Where the figures go.")] = Path("results"),
    picture: Annotated[Path, typer.Option(help="Where the picture goes.")] = Path("docs/failures.png"),
) -> None:
    """Try shard sizes, and lives of nodes."""
    results: list[dict[str, Any]] = []
    for life in (2.0, 24.0, 720.0):
        for shard in (1, 8, 32, 128, 512):
            setting = replace(Setting(), life=life, shard=shard, clips=200_000)
            told = [Cluster(setting, seed).run() for seed in SEEDS]
            results.append({"life": life, "shard": shard, **_summary(told)})
            line = results[-1]
            sys.stdout.write(
                f"life {life:5g} h, shard {shard:4}: {line['lost']:6.1f} nodes lost,"
                f" {line['repeated']:.3%} repeated, {line['longer']:.3f} times the ideal\n"
            )
    out.mkdir(exist_ok=True)
    content = {"setting": {**asdict(Setting()), "clips": 200_000}, "seeds": list(SEEDS), "results": results}
    (out / "failures.json").write_text(json.dumps(content, indent=1) + "\n")
    (out / "failures.md").write_text(_page(results))
    _draw_picture(results, picture)


def _summary(told: list[Told]) -> dict[str, float]:
    return {
        "lost": float(np.mean([one.lost for one in told])),
        "repeated": float(np.mean([one.repeated for one in told])),
        "longer": float(np.mean([one.hours / one.ideal for one in told])),
        "longest": float(np.max([one.hours / one.ideal for one in told])),
    }


def _page(results: list[dict[str, Any]]) -> str:
    setting = Setting()
    lines = [
        f"| {r['life']:g} | {r['shard']} | {r['lost']:.1f} | {r['repeated']:.2%} | {r['longer']:.2f} |"
        f" {r['longest']:.2f} |"
        for r in results
    ]
    return "\n".join(
        [
            "# Nodes that are lost, and nodes that are slow: simulated",
            "",
            f"200,000 clips of {setting.seconds:g} s of a core on average (log-normal, {setting.spread:g}), on"
            f" {setting.nodes} nodes of {setting.workers}",
            f"workers; {setting.slow:.0%} of nodes {setting.slowness:g} times slower; a lost node is replaced after"
            f" {60 * setting.replaced:g} minutes.",
            f"{len(SEEDS)} seeds. No machine was lost to make this table: `python benchmarks/failures.py`.",
            "",
            "| a node lives, h | clips a shard | nodes lost | work repeated | times the ideal | at worst |",
            "|---|---|---|---|---|---|",
            *lines,
            "",
        ]
    )


def _draw_picture(results: list[dict[str, Any]], path: Path) -> None:
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
    for life in sorted({r["life"] for r in results}):
        mine = [r for r in results if r["life"] == life]
        shards = [r["shard"] for r in mine]
        left.plot(shards, [100 * r["repeated"] for r in mine], marker="o", label=f"a node lives {life:g} h")
        right.plot(shards, [r["longer"] for r in mine], marker="o", label=f"a node lives {life:g} h")
    left.set(xscale="log", yscale="log", xlabel="clips in a shard", ylabel="work repeated, %")
    right.set(xscale="log", xlabel="clips in a shard", ylabel="time, against no trouble at all")
    for axes in (left, right):
        axes.axvline(32, color="0.8", linewidth=1, zorder=0)
        axes.spines[["top", "right"]].set_visible(False)
    left.legend(frameon=False)
    figure.suptitle("Simulated: lost and slow nodes (grey: the shard of 32 that is used)", fontsize=10)
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    typer.run(main)
