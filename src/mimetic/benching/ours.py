"""Our own training, measured: a store of features in, what opening it and its epochs cost out."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mimetic.batches import make_batch
from mimetic.benching.cases import CASES
from mimetic.benching.clips import Made
from mimetic.benching.measuring import Cost
from mimetic.devices import one_thread
from mimetic.network import Network, Outputs, score_tracks
from mimetic.records import Dataset
from mimetic.store import Store
from mimetic.training.loop import Trainer
from mimetic.training.material import Material, Shelf

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


class Weighing(Trainer):
    """Trains as ever, and knows the bytes of its largest step: its clips' own rows, as float32."""

    largest = 0

    def _outputs(self, clips: NDArray[np.intp]) -> tuple[Outputs, Tensor]:
        rows = sum(int(part.lengths[clips].sum()) * part.dim for part in self.material.parts)
        self.largest = max(self.largest, 4 * rows)
        return super()._outputs(clips)


def trainer_of(case: str, material: Material) -> Weighing:
    """Make a case's trainer, its weights drawn from seed 0."""
    torch.manual_seed(0)
    return Weighing(CASES[case], material, (), 0, CPU)


def judged(material: Material) -> NDArray[np.intp]:
    """Choose the clips whose scores are compared: some of every length."""
    rows = np.concatenate([material.split.valid, material.split.train])
    order = rows[np.argsort(material.parts[0].lengths[rows], kind="stable")]
    return order[np.linspace(0, len(order) - 1, min(JUDGED, len(order))).astype(np.intp)]


def train_made(made: Made, case: str, epochs: int) -> Cost:
    """Train a case on made clips."""
    return train_ours(made.dataset, made.store, case, epochs)


def train_ours(dataset: Dataset, store: Store, case: str, epochs: int) -> Cost:
    """Open a data set's features and train a case on them for some epochs; the last one counts."""
    cost = Cost()
    with one_thread():
        with cost.measured("load"):
            material = Shelf(dataset, store).material(CASES[case])
        with cost.measured("prepare"):
            trainer = trainer_of(case, material)
        scores = score_tracks(trainer.network.eval(), material.parts, judged(material), CPU)
        frames, optimiser = Frames(trainer.network), trainer.optimiser()
        rates = trainer.rates(optimiser)
        for _ in range(epochs):
            with cost.measured("epoch"):
                trainer.epoch(optimiser, rates)
    cost.facts = {
        "scores": scores.tolist(),
        "clips": len(material.split.train),
        "frames": frames.needed // epochs,
        "computed": frames.computed / frames.needed,
        "largest": trainer.largest,
        "parameters": 4 * sum(p.numel() for p in trainer.network.parameters()),
    }
    return cost


def read_once(made: Made, case: str) -> Cost:
    """Make the batches of one epoch of a case, and do nothing with them."""
    cost = Cost()
    material = Shelf(made.dataset, made.store).material(CASES[case])
    with cost.measured("epoch"):
        for start in range(0, len(material.split.train), CASES[case].fit.clips):
            make_batch(material.parts, material.split.train[start : start + CASES[case].fit.clips], CPU)
    return cost
