"""A pretrained encoder, trained on the labels: frozen beside tuned, on the same clips.

``python examples/finetuning.py OUT`` takes MiniLM, which comes with the extra `sentence`; another checkpoint of its
family is ``--model FOLDER``. The texts are made up: what they show is how, and not how much.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

import mimetic
from mimetic.evaluation import compare_runs
from mimetic.extraction import extract
from mimetic.features import features
from mimetic.finetuning import alone, finetune, with_choices
from mimetic.records import Dataset
from mimetic.store import Store

WORDS = ("so", "it", "goes", "on", "and", "then", "home", "again")


def make_texts(clips: int = 80, *, seed: int = 0) -> Dataset:
    """Make texts whose number is how often one word stands in them."""
    draw = np.random.default_rng(seed)
    texts = [" ".join(draw.choice(WORDS, draw.integers(4, 16))) for _ in range(clips)]
    return Dataset(
        name="made-up texts",
        clips=tuple(
            mimetic.Clip(id=f"{n:03d}", text=text, part="valid" if n % 4 == 0 else "train")
            for n, text in enumerate(texts)
        ),
        targets=("goes",),
        labels=np.array([[text.split().count("goes") / 6] for text in texts]),
    )


def main(out: Path, model: str | None, epochs: int) -> None:
    """Train a head on the frozen encoder, then the encoder with it, and compare."""
    dataset, store = make_texts(), Store(out / "features")
    (encoder,) = features([f"minilm+model={model}" if model else "minilm"])
    recipe = alone(encoder.key)

    extract(dataset.clips, [encoder], store, workers=0)
    frozen = mimetic.train(dataset, recipe, store, out / "runs")

    # a fifth of the training clips is set aside to say when to stop; the validation clips only judge
    tuning = with_choices(recipe, [encoder.name], {"rate": 1e-4, "inner": 0.2, "fit.epochs": epochs})
    tuned = finetune(dataset, tuning, store, out / "runs", workers=0)

    for name, run in (("frozen", frozen), ("tuned", tuned)):
        score = mimetic.evaluate([run]).mean_pearson
        print(f"{name:7} {score.value:.2f} ({score.low:.2f} to {score.high:.2f})")
    gap = compare_runs([tuned], [frozen])
    print(f"tuned minus frozen: {gap.difference:+.2f} ({gap.low:+.2f} to {gap.high:+.2f}), {gap.verdict}")

    # what has learned is an extractor like any other; what it learned from, it may not judge
    print("the tuned encoder:", tuned.recipe.parts[0].feature.partition("+")[0])


if __name__ == "__main__":
    told = argparse.ArgumentParser(description=__doc__)
    told.add_argument("out", type=Path, nargs="?", default=Path("tuned"))
    told.add_argument("--model")
    told.add_argument("--epochs", type=int, default=2)
    main(**vars(told.parse_args()))
