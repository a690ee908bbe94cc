"""Own data, from a table to an interval: texts with two numbers each, a model, what it is worth, what it says.

``python examples/own_data.py OUT``
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import numpy as np

import mimetic
from mimetic.extraction import extract
from mimetic.features import features
from mimetic.recipes import RECIPES, with_settings
from mimetic.store import Store

WARM = ("lovely", "glad", "bright", "friend")
COLD = ("dull", "alone", "grey", "late")


def write_table(path: Path, *, clips: int = 240, seed: int = 0) -> None:
    """Write what you would have: an id, a text, a person, a part, and numbers. These are made up."""
    draw = np.random.default_rng(seed)
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["id", "text", "person", "part", "joy", "pride"])
        for clip in range(clips):
            joy = draw.random()
            words = [str(draw.choice(WARM if draw.random() < joy else COLD)) for _ in range(12)]
            part = "valid" if clip % 4 == 0 else "train"
            table.writerow([clip, " ".join(words), f"p{clip % 40}", part, f"{joy:.3f}", f"{draw.random():.3f}"])


def main(out: Path) -> None:
    """Go from the table to a prediction."""
    out.mkdir(parents=True, exist_ok=True)
    write_table(out / "texts.csv")

    dataset = mimetic.open_dataset(out / "texts.csv")
    print(
        f"{len(dataset.clips)} clips, targets {', '.join(dataset.targets)}, known of them: {', '.join(dataset.columns)}"
    )

    recipe = with_settings(RECIPES["words-hashed.mlp"], {"fit.epochs": 20})
    store = Store(out / "texts.features")
    extract(dataset.clips, features(["words-hashed"]), store, workers=0)
    run = mimetic.train(dataset, recipe, store, out / "runs")

    # joy is in the words, and pride is noise: the intervals ought to say so
    valid = run.outcome.part("valid")
    for name, score in zip(run.targets, mimetic.interval(valid.true, valid.predicted).targets, strict=True):
        print(f"{name:8} {score.value:+.2f} ({score.low:+.2f} to {score.high:+.2f})")

    scores = mimetic.predict(run, [mimetic.Clip(id="new", text="a lovely bright friend")])
    print("new     ", dict(zip(scores.targets, scores.values[0].round(2).tolist(), strict=True)))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path("own-data"))
