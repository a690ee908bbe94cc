"""Do the intervals hold the truth as often as they say? Fresh clips of the simulated twin, people redrawn each time.

One fixed predictor (and another, for differences) is scored on a million clips: that is the truth. Then samples of a
data set's size are drawn, with people who have several clips each, and it is counted how often the 95 % interval over
people holds it, and how often the one over clips does, which does not know of them. Under the null, where two
predictors are equally good by construction, it is counted how often a difference is claimed.

    python benchmarks/coverage.py --out results
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray

from mimetic.datasets.simulated.ceilings import best_predictor
from mimetic.datasets.simulated.crowd import Crowd, strangers
from mimetic.evidence.intervals import compare, interval
from mimetic.parallel import Lost, processors, unordered

Floats = NDArray[np.float64]

FIRST, SECOND = ("gte",), ("wav2vec2-affect",)
SEED = 20_261_123


def predictions(crowd: Crowd) -> tuple[Floats, Floats]:
    """Give what two fixed predictors say of clips: one of the words, one of the voice."""
    nobody = np.zeros(len(crowd.labels), np.bool_)
    return best_predictor(crowd, FIRST, nobody), best_predictor(crowd, SECOND, nobody)


def twins(predicted: Floats, draw: np.random.Generator) -> tuple[Floats, Floats]:
    """Give two predictors that are equally good: the same one with noise of its own each."""
    noise = predicted.std(axis=0)
    return predicted + noise * draw.normal(size=predicted.shape), predicted + noise * draw.normal(size=predicted.shape)


def truth(clips: int) -> tuple[float, float]:
    """Give the first predictor's score on very many clips, and by how much it is better than the second."""
    sums = np.zeros((2, 6, 6))
    for crowd in strangers(clips, SEED):
        for total, said in zip(sums, predictions(crowd), strict=True):
            y = crowd.labels
            total += np.stack([np.ones_like(y), y, said, y * y, said * said, y * said]).sum(axis=1)
    n, y, p, yy, pp, yp = np.moveaxis(sums, 1, 0)
    scores = ((n * yp - y * p) / np.sqrt((n * yy - y * y) * (n * pp - p * p))).mean(axis=1)
    return float(scores[0]), float(scores[0] - scores[1])


@dataclass(frozen=True)
class Repeat:
    """One sample: whether each interval holds the truth, and whether a difference is claimed where there is none."""

    clips: int
    resamples: int
    true: tuple[float, float]

    def start(self) -> Callable[[int], dict[str, bool]]:
        """Give what a worker calls."""
        return self.run

    def run(self, number: int) -> dict[str, bool]:
        """Draw the sample of this number."""
        (crowd,) = strangers(self.clips, SEED + 1 + number)
        one, other = predictions(crowd)
        same = twins(one, np.random.default_rng([SEED, number]))
        people, resamples = crowd.people, self.resamples
        score = interval(crowd.labels, one, groups=people, resamples=resamples, seed=number)
        alone = interval(crowd.labels, one, resamples=resamples, seed=number)
        paired = compare(crowd.labels, one, other, groups=people, resamples=resamples, seed=number)
        null = compare(crowd.labels, *same, groups=people, resamples=resamples, seed=number)
        return {
            "score, over people": score.low <= self.true[0] <= score.high,
            "score, over clips": alone.low <= self.true[0] <= alone.high,
            "difference, over people": paired.low <= self.true[1] <= paired.high,
            "null, a difference claimed": not null.low <= 0 <= null.high,
        }


def main(
    out: Annotated[Path, typer.Option(help="Where the figures go.")] = Path("results"),
    repeats: int = 2000,
    resamples: int = 1000,
    clips: int = 1000,
    draws: int = 1_000_000,
) -> None:
    """Count, and write what was found."""
    started = time.monotonic()
    true = truth(draws)
    counts: dict[str, int] = {}
    for _, found in unordered(Repeat(clips, resamples, true).start, range(repeats), workers=processors()):
        if isinstance(found, Lost):
            raise SystemExit(found.reason)
        for name, holds in found.items():
            counts[name] = counts.get(name, 0) + holds
    shares = {name: count / repeats for name, count in counts.items()}
    told = {"repeats": repeats, "resamples": resamples, "clips": clips, "truth": true, "shares": shares}
    out.mkdir(exist_ok=True)
    (out / "coverage.json").write_text(json.dumps(told, indent=1) + "\n")
    lines = [f"| {name} | {share:.1%} |" for name, share in shares.items()]
    text = [
        "# How often 95 % intervals hold the truth",
        "",
        f"Simulated clips; {repeats:,} samples of {clips:,} clips, people redrawn each time, {resamples:,} resamples;",
        f"the truth ({true[0]:.4f}, difference {true[1]:.4f}) is of {draws:,} clips.",
        "Made by `python benchmarks/coverage.py`.",
        "",
        "| interval | share |",
        "|---|---|",
        *lines,
        "",
    ]
    (out / "coverage.md").write_text("\n".join(text))
    sys.stdout.write("\n".join([*text, f"{time.monotonic() - started:.0f} s", ""]))


if __name__ == "__main__":
    typer.run(main)
