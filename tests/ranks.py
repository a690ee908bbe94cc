"""One of several processes that train together; ``torchrun`` starts it: CHECKPOINT OUT AT_ONCE [STEP to die at]."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import mimetic.finetuning.loop as loop
from mimetic.extraction import extract
from mimetic.features import feature
from mimetic.recipes import Part, Recipe
from mimetic.runs import Run
from mimetic.store import Store
from mimetic.training import train
from mimetic.world import World, entered
from test_finetuning import FIT, said, settings, tuned


def extract_words(out: Path) -> None:
    extract(said().clips, [feature("words-hashed")], Store(out / "features"), workers=0)


def trained(out: Path) -> Run:
    """Train a network on stored features, without dropout."""
    part = Part(feature="words-hashed", encoder="mean", head_options={"dropout": 0.0})
    recipe = Recipe(name="words", parts=(part,), fusion=part.head, options=part.head_options, fit=FIT)
    return train(said(), recipe, Store(out / "features"), out / "trained")


def main(checkpoint: str, out: str, at_once: str, die_at: str = "") -> None:
    take = loop.Tuner._take_step

    def dying(self: loop.Tuner) -> float:
        if str(self.step) == die_at:
            os.kill(os.getpid(), signal.SIGKILL)
        return take(self)

    loop.Tuner._take_step = dying  # type: ignore[method-assign]
    loop.EVERY = 0.0
    with entered("cpu") as (world, device):
        assert world == World(int(os.environ["RANK"]), 2)
        tuned(settings(Path(checkpoint), at_once=int(at_once)), Path(out), device=device)
        world.led(lambda: extract_words(Path(out)))
        trained(Path(out))


if __name__ == "__main__":
    main(*sys.argv[1:])
