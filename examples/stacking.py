"""Many models as one: what `auto` tries on arrays, how it weighs them, and what the mixture is worth.

``python examples/stacking.py``
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

import mimetic

Clips = dict[str, list[object]]


def make_clips(count: int = 120, *, seed: int = 0) -> tuple[Clips, NDArray[np.float64], NDArray[np.intp]]:
    """Make clips of thirty people: each of voice, face and words shows what is felt, and each is wrong by itself."""
    draw = np.random.default_rng(seed)
    felt = draw.random(count)
    heard, seen = felt + draw.normal(scale=0.4, size=count), felt + draw.normal(scale=0.5, size=count)
    voice = [draw.normal(size=(draw.integers(5, 60), 6)) + 2 * h for h in heard]
    face = [draw.normal(size=(draw.integers(5, 60), 6)) + 2 * s if draw.random() < 0.8 else None for s in seen]
    words = ["so " * int(4 * f + 2 * draw.random()) + "there" for f in felt]
    return {"audio": voice, "face": face, "text": words}, felt, np.arange(count) % 30


def main() -> None:
    """Fit, ask what was mixed, and predict with less than was there in training."""
    clips, y, person = make_clips()
    model = mimetic.MultimodalRegressor().fit(clips, y, groups=person)

    # out_of_fold_ is said of each clip by models that have seen neither the clip nor its person
    score = mimetic.interval(y, model.out_of_fold_, groups=person)
    print(f"out of fold  {score.value:.2f} ({score.low:.2f} to {score.high:.2f})")
    print(f"mixed by     {model.model_.chosen}")

    # a single modality, fitted in the same way on the same folds, is the line to beat
    alone = mimetic.MultimodalRegressor().fit({"audio": clips["audio"]}, y, groups=person)
    found = mimetic.compare(y, model.out_of_fold_, alone.out_of_fold_, groups=person)
    print(f"minus voice  {found.difference:+.2f} ({found.low:+.2f} to {found.high:+.2f}): {found.verdict}")

    print("voice only  ", model.predict({"audio": clips["audio"][:3]}).round(2))
    low, high = np.moveaxis(model.predict_interval({"audio": clips["audio"][:3]}), -1, 0)
    print("nine in ten ", [f"{a:.2f} to {b:.2f}" for a, b in zip(low, high, strict=True)])


if __name__ == "__main__":
    main()
