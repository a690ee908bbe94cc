"""The poster's fusions on the simulated twin, each beside the best score that anybody can reach there.

``python examples/poster_on_the_twin.py OUT --size small`` takes a minute, and its figures say nothing but that it runs;
``--size lite`` has the challenge's numbers of clips. Simulated: nothing here is about people.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import mimetic
from mimetic.datasets.simulated import make
from mimetic.recipes import RECIPES, with_settings

ROWS = ("gte.mlp", "wav2vec2-affect.attention", "dinov2-face.attention", "F1", "F5")


def main(out: Path, size: str, epochs: int | None) -> None:
    """Make the twin if it is not there, train each row, print the table."""
    make(out / "twin", size=size)
    dataset, store = mimetic.open_dataset(out / "twin"), mimetic.Store(out / "twin" / "features")
    print(dataset.note, "\n")
    print(f"{'recipe':26} {'validation, 95 % interval':>25}  ceiling  published (real data)")
    for name in ROWS:
        published = RECIPES[name].published["validation"]
        recipe = RECIPES[name] if epochs is None else shortened(RECIPES[name], epochs)
        run = mimetic.train(dataset, recipe, store, out / "runs")  # stage one is found if a row above has trained it
        valid = run.outcome.part("valid")
        score = mimetic.interval(valid.true, valid.predicted, resamples=1000)
        told = f"{score.value:.3f} ({score.low:.3f} to {score.high:.3f})"
        print(f"{name:26} {told:>25}    {ceiling(out / 'twin', recipe):.3f}  {published:.4f}")


def ceiling(twin: Path, recipe: mimetic.Recipe) -> float:
    """Give the best mean Pearson that there is on the validation clips, from what the recipe sees."""
    known = json.loads((twin / "truth" / "ceilings.json").read_text("utf-8"))["sets"]
    seen = recipe.parts[0].feature if len(recipe.parts) == 1 else "+".join(recipe.modalities)
    return float(known[seen]["valid"]["noisy"]["mean"])


def shortened(recipe: mimetic.Recipe, epochs: int) -> mimetic.Recipe:
    """Give the recipe with fewer epochs in both stages."""
    places = ["fit.epochs", *(f"parts.{number}.fit.epochs" for number in range(len(recipe.parts)))]
    return with_settings(recipe, dict.fromkeys(places, epochs))


if __name__ == "__main__":
    told = argparse.ArgumentParser(description=__doc__)
    told.add_argument("out", type=Path, nargs="?", default=Path("poster"))
    told.add_argument("--size", default="small")
    told.add_argument("--epochs", type=int)
    main(**vars(told.parse_args()))
