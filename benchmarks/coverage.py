"""Do the intervals hold the truth as often as they say? Fresh clips of the simulated twin, people redrawn each time.

One fixed predictor (and another, for differences) is scored on a million clips: that is the truth. Then samples of a
data set's size are drawn, with people who have several clips each and scripts that several people speak, and it is
counted how often the 95 % interval holds it that draws whole people, whole scripts, both, or clips, which knows of
neither. Under the null, where two predictors are equally good by construction, it is counted how often a difference is
claimed.

    python benchmarks/coverage.py --out results
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import ArrayLike, NDArray

from mimetic.datasets.simulated.ceilings import best_predictor
from mimetic.datasets.simulated.crowd import Crowd, strangers
from mimetic.parallel import Lost, processors, unordered
from mimetic.records import Json
from mimetic.resampling import bootstrap, joined, sample_of, ways_of
from mimetic.scores import pearson

Floats = NDArray[np.float64]

FIRST, SECOND = ("gte",), ("wav2vec2-affect",)
SEED = 20_261_123
REPEATS = 2000


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
        said = predictions(crowd)
        said = (*said, *twins(said[0], np.random.default_rng([SEED, number])))
        drawn = [self.draws(crowd, said, way, number) for way in (None, *ways_of(crossed(crowd)))]
        chosen = dict(zip(("clips", "people", "scripts"), ([way] for way in drawn), strict=False))
        found: dict[str, bool] = {}
        for name, ways in {**chosen, "people and scripts": drawn[1:]}.items():
            for kind, place, true in (("score", 0, self.true[0]), ("difference", 1, self.true[1]), ("claimed", 2, 0.0)):
                values = [(value[place], resampled[place]) for value, resampled in ways]
                low, high = np.quantile(joined(values[0][0], [of for _, of in values]), [0.025, 0.975])
                found[f"{kind}: {name}"] = bool((low <= true <= high) != (kind == "claimed"))
        return found

    def draws(self, crowd: Crowd, said: Sequence[Floats], way: ArrayLike | None, seed: int) -> tuple[Floats, Floats]:
        """Give score, difference and difference of twins, ``(3,)`` and ``(3, resample)``: one pass for all of them.

        These are the numbers of which ``interval`` and ``compare`` give the ends.
        """
        sample = sample_of(crowd.labels, list(said), way)
        return tuple(_contrasts(of.mean(axis=-1)) for of in bootstrap(sample, pearson, self.resamples, seed))


def _contrasts(scores: Floats) -> Floats:
    first, second, one, other = scores
    return np.stack([first, first - second, one - other])


def crossed(crowd: Crowd) -> NDArray[np.int64]:
    """Give each clip's person and script."""
    return np.column_stack([crowd.people, crowd.scripts])


def table(shares: Mapping[str, float]) -> list[str]:
    """Give a line a way to draw."""
    names = [name.partition(": ")[2] for name in shares if name.startswith("score: ")]
    kinds = ("score", "difference", "claimed")
    return [f"| {name} | " + " | ".join(f"{shares[f'{kind}: {name}']:.1%}" for kind in kinds) + " |" for name in names]


def margin(share: float, repeats: int) -> float:
    """Give the half width of a counted share's own 95 % interval, the normal approximation."""
    return float(1.96 * np.sqrt(share * (1 - share) / repeats))


def main(
    out: Annotated[Path, typer.Option(help="Where the figures go.")] = Path("results"),
    repeats: int = REPEATS,
    resamples: int = 1000,
    clips: int = 4588,
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
    told = {"repeats": repeats, "resamples": resamples, "clips": clips, "draws": draws, "truth": true, "shares": shares}
    sys.stdout.write("\n".join([*write(out, told), f"{time.monotonic() - started:.0f} s", ""]))


def write(out: Path, told: Json) -> list[str]:
    """Write what was counted, as JSON and as Markdown; give the lines of the latter."""
    repeats, true = told["repeats"], told["truth"]
    command = "python benchmarks/coverage.py" + (f" --repeats {repeats}" if repeats != REPEATS else "")
    text = [
        "# How often 95 % intervals hold the truth",
        "",
        f"Simulated clips; {repeats:,} samples of {told['clips']:,} clips, people and scripts redrawn each time,",
        f"{told['resamples']:,} resamples. The truth ({true[0]:.4f}, difference {true[1]:.4f}) is of",
        f"{told['draws']:,} clips. Made by `{command}`.",
        "",
        "| drawn | a score's interval holds the truth | a difference's does | a difference claimed where none is |",
        "|---|---|---|---|",
        *table(told["shares"]),
        "",
        "Clips share people (about 31 each) and, across people, scripts (about 1.5 each), as in the data set that is",
        f"simulated. With {repeats:,} samples a share of 95 % is known to within {margin(0.95, repeats):.1%}.",
        "",
    ]
    out.mkdir(exist_ok=True)
    (out / "coverage.json").write_text(json.dumps(told, indent=1) + "\n")
    (out / "coverage.md").write_text("\n".join(text))
    return text


if __name__ == "__main__":
    typer.run(main)
