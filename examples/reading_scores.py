"""Read a finished run: what it says of each clip, what that is worth, whether another is better, and a page of it all.

``python examples/reading_scores.py RUNS`` where RUNS is the folder that `mimetic train ... light` made.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

import mimetic
from mimetic.evaluation import compare_runs
from mimetic.report import write_report
from mimetic.runs import runs_of


def main(folder: Path) -> None:
    """Print, and write a report beside the runs."""
    fusion = runs_of(sorted(folder.glob("light-*")))
    voice = runs_of(sorted(folder.glob("logmel.meanstd-*")))

    # a system is its runs, one a seed; the score is their mean, the interval is over clips
    found = mimetic.evaluate(fusion)
    print(f"{found.recipe}, {len(fusion)} seeds: {found.mean_pearson.value:.3f}")
    for name, score in found.targets.items():
        print(f"  {name:16} {score.pearson.value:+.3f} ({score.pearson.low:+.3f} to {score.pearson.high:+.3f})")
    if found.warning:
        print(f"  {found.warning}")

    # two systems are compared clip by clip
    gap = compare_runs(fusion, voice)
    print(f"minus voice: {gap.difference:+.3f} ({gap.low:+.3f} to {gap.high:+.3f}), {gap.verdict}")

    # what lies under it: every clip, its part, its label, its score, what it had
    valid = fusion[0].outcome.part("valid")
    error = np.nanmean(np.abs(valid.true - valid.predicted), axis=1)
    for row in np.argsort(-error)[:3]:
        had = [name for name, there in zip(fusion[0].recipe.modalities, valid.presence[row], strict=True) if there]
        print(f"  {valid.clips[row]}: off by {error[row]:.2f} a target, had {', '.join(had)}")

    print(write_report([*fusion, *voice], folder / "report.html"))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path("runs"))
