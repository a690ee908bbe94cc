"""Our own training, measured: a store of features in, what opening it and its epochs cost out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mimetic.batches import Ragged, Ready
from mimetic.benching.cases import CASES
from mimetic.benching.clips import Made
from mimetic.benching.measuring import Cost
from mimetic.datasets import open_dataset
from mimetic.devices import one_thread
from mimetic.network import Network, Outputs, score_tracks
from mimetic.recipes import Recipe
from mimetic.records import Dataset
from mimetic.store import Store
from mimetic.training.loop import Trainer
from mimetic.training.material import Material, Shelf
from mimetic.training.once import passes

CPU = torch.device("cpu")

JUDGED = 32
"""Clips whose scores by both ways are compared."""


class Frames:
    """Counts the rows that encoders go through, and how many of them are clips' own."""

    def __init__(self, network: Network) -> None:
        self.computed, self.needed = 0, 0
        for branch in network.branches:
            branch.register_forward_pre_hook(self._count)

    def _count(self, _branch: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        self.computed += inputs[0].shape[0] * inputs[0].shape[1]
        self.needed += int(inputs[1].sum())

    def count_once(self, material: Material, parts: Sequence[Ragged]) -> None:
        """Count what was gone through before training."""
        for tracks, part in zip(material.parts, parts, strict=True):
            if isinstance(part, Ready):
                self.computed += sum(tracks.computed(clips) for clips in passes(tracks))
                self.needed += int(tracks.lengths.sum())


class Weighing(Trainer):
    """Trains as ever, and knows the bytes of its largest step: its clips' own rows, as float32."""

    largest = 0

    def _outputs(self, clips: NDArray[np.intp]) -> tuple[Outputs, Tensor]:
        rows = sum(int(part.lengths[clips].sum()) * part.dim for part in self.material.parts)
        self.largest = max(self.largest, 4 * rows)
        return super()._outputs(clips)


def trainer_of(recipe: Recipe, material: Material) -> Weighing:
    """Make a recipe's trainer, its weights drawn from seed 0."""
    torch.manual_seed(0)
    return Weighing(recipe, material, (), 0, CPU)


def judged(material: Material) -> NDArray[np.intp]:
    """Choose the clips whose scores are compared: some of every length."""
    rows = np.concatenate([material.split.valid, material.split.train])
    order = rows[np.argsort(material.parts[0].lengths[rows], kind="stable")]
    return order[np.linspace(0, len(order) - 1, min(JUDGED, len(order))).astype(np.intp)]


def warm_up() -> None:
    """Import what torch imports when it first takes a step."""
    weight = nn.Parameter(torch.zeros(1))
    weight.sum().backward()  # type: ignore[no-untyped-call]
    torch.optim.AdamW([weight], fused=True).step()


def train_made(made: Made, case: str, epochs: int, seconds: float = 0.0) -> Cost:
    """Train a case on made clips, or on the first ``seconds`` of each."""
    recipe = CASES[case]
    recipe = replace(recipe, parts=tuple(replace(part, seconds=seconds) for part in recipe.parts))
    return train_ours(made.dataset, made.store, recipe, epochs)


def train_stored(root: Path, case: str, epochs: int) -> Cost:
    """Train a case on a data set that is there, with its features."""
    cost = Cost()
    with cost.measured("data set"):
        dataset = open_dataset(root)
    found = train_ours(dataset, Store(dataset.store or root / "features"), CASES[case], epochs)
    found.cpu |= cost.cpu
    found.wall |= cost.wall
    return found


def train_ours(dataset: Dataset, store: Store, recipe: Recipe, epochs: int) -> Cost:
    """Open a data set's features and train a recipe on them for some epochs; the last one counts."""
    cost = Cost()
    with one_thread():
        with cost.measured("load"):
            material = Shelf(dataset, store).material(recipe)
        with cost.measured("prepare"):
            trainer = trainer_of(recipe, material)
        scores = score_tracks(trainer.network.eval(), material.parts, judged(material), CPU)
        frames, optimiser = Frames(trainer.network), trainer.optimiser()
        rates = trainer.rates(optimiser)
        for _ in range(epochs):
            with cost.measured("epoch"):
                trainer.epoch(optimiser, rates)
    frames.count_once(material, trainer.parts)
    cost.facts = {
        "scores": scores.tolist(),
        "clips": len(material.split.train),
        "frames": frames.needed // epochs,
        "computed": frames.computed / max(frames.needed, 1),
        "largest": trainer.largest,
        "parameters": 4 * sum(p.numel() for p in trainer.network.parameters()),
    }
    return cost
