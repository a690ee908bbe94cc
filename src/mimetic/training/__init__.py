"""The loop: a recipe, a data set and its features in, a finished Run out.

Stage one trains each part alone, with its own head; stage two trains the fusion on them, the encoders frozen or at a
fraction of the rate. The best epoch is the one with the best mean Pearson on validation. A run that is already there,
told by its signature, is not trained again.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from mimetic.clocking import Timing, untimed
from mimetic.devices import choose_device, one_thread
from mimetic.network import count_parameters
from mimetic.recipes import Recipe, stage_one
from mimetic.records import Dataset, Json
from mimetic.runs import Run, find_run, write_run
from mimetic.store import Store
from mimetic.training.loop import Trainer
from mimetic.training.material import Material, Shelf
from mimetic.world import here

Watch = Callable[[Recipe, int, Json], None]
"""Called after each epoch with the recipe, the seed and the epoch's line of history."""


def train(
    dataset: Dataset,
    recipe: Recipe,
    store: Store,
    out: Path,
    *,
    seed: int = 0,
    device: str = "auto",
    watch: Watch = lambda _recipe, _seed, _line: None,
) -> Run:
    """Train a recipe, and what its parts need before; give the finished run.

    Every feature must be in the store for every clip (``extract`` puts it there).

    >>> from mimetic.datasets import open_dataset
    >>> from mimetic.recipes import RECIPES, with_settings
    >>> recipe = with_settings(RECIPES["words-hashed.mlp"], {"fit.epochs": 2})
    >>> train(open_dataset(Path("DATA")), recipe, Store("DATA/features"), Path("runs")).recipe.modalities
    ('text',)

    Raises
    ------
    BadData
        if the split has no training or validation clips, or the data set no targets.
    UsageError
        for a device that this machine does not have.
    StoreError
        if a clip has no row for a feature.
    """
    return train_on(Shelf(dataset, store), recipe, out, seed=seed, device=device, watch=watch)


def train_on(
    shelf: Shelf,
    recipe: Recipe,
    out: Path,
    *,
    seed: int = 0,
    device: str = "auto",
    watch: Watch = lambda _recipe, _seed, _line: None,
    clock: Timing = untimed,
) -> Run:
    """Train as ``train``; many recipes and seeds share what a shelf has mapped.

    Under ``torchrun`` all processes train it together. Where nothing is dropped out, the result is one process's; else
    each draws its own dropout. A ``clock`` is told where the time goes.
    """
    device = choose_device(device)
    with clock("opening"):
        material = shelf.material(recipe)
    signature = material.sign(recipe, seed)
    if (finished := find_run(out, signature)) is not None:
        return finished
    world = here()
    before = [
        train_on(shelf, part, out, seed=seed, device=device, watch=watch, clock=clock) for part in stage_one(recipe)
    ]
    with torch.random.fork_rng(), one_thread():
        torch.manual_seed(seed)
        trainer = Trainer(recipe, material, before, seed, torch.device(device), world, clock)
        if world.rank:
            torch.manual_seed(int(np.random.SeedSequence([seed, world.rank]).generate_state(1)[0]))
        for line in trainer.epochs():
            watch(recipe, seed, line)
        outcome = trainer.outcome()
    if world.leads:
        with clock("writing"):
            write_run(
                out,
                recipe=recipe,
                signature=signature,
                facts=_facts(recipe, material, trainer),
                weights=trainer.network.state_dict(),
                history=trainer.history,
                outcome=outcome,
            )
    world.wait()
    run = find_run(out, signature)
    assert run is not None
    return run


def _facts(recipe: Recipe, material: Material, trainer: Trainer) -> Json:
    return {
        **material.facts(),
        "best_epoch": trainer.best_epoch,
        "parameters": count_parameters(trainer.network, recipe),
    }
