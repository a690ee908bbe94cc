"""One stage of one seed: a recipe, its material and the runs of its parts in; a network and its history out."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from mimetic.batches import Ragged, make_batch
from mimetic.clocking import Timing, untimed
from mimetic.network import Branch, Network, Outputs, score_tracks
from mimetic.recipes import Fit, Recipe
from mimetic.records import Json, MimeticError, UsageError
from mimetic.runs import Outcome
from mimetic.scores import pearson
from mimetic.training.material import Material
from mimetic.training.objective import Objective
from mimetic.training.once import ready
from mimetic.training.rates import Rates
from mimetic.world import ALONE, World


class Trained(Protocol):
    """What a part has learned alone: a run, or what stands for one."""

    def network(self) -> Network:
        """Give the network."""


class Trainer:
    """Trains one recipe with one seed, an epoch at a time, and keeps the network of the best."""

    def __init__(
        self,
        recipe: Recipe,
        material: Material,
        before: Sequence[Trained],
        seed: int,
        device: torch.device,
        world: World = ALONE,
        clock: Timing = untimed,
    ) -> None:
        """Begin.

        Raises
        ------
        UsageError
            if a step has fewer clips than there are processes.
        """
        self.recipe, self.material, self.device, self._world = recipe, material, device, world
        self._clock = clock
        self.history: list[Json] = []
        self.best_epoch = 0
        self._frozen = bool(before) and not recipe.adapt
        self._objective = Objective(recipe, material.dataset.labels, material.split.train, device)
        self._draw = np.random.default_rng([seed, len(recipe.parts)])
        with clock("what is done once"):
            self.network = self._network(before)
            self.parts = ready(recipe, material, self.network.eval().parts, device, frozen=self._frozen)
        self._averaged = self._average()
        self._best = copy.deepcopy(self.network.state_dict())
        if (fewest := min(map(len, self._steps(material.split.train)))) < world.size:
            told = f"a step of {recipe.name} has {fewest} clips, and there are {world.size} processes"
            raise UsageError(told, remedy="Start fewer, or give --set fit.clips=N with more.")

    def _average(self) -> AveragedModel | None:
        """Give what keeps the moving average of the weights, if the recipe has one."""
        if not (decay := self.fit.average):
            return None
        return AveragedModel(self.network, multi_avg_fn=get_ema_multi_avg_fn(decay))  # type: ignore[no-untyped-call]

    @property
    def judged(self) -> Network:
        """The network that is judged and kept: that of the averaged weights, where they are averaged."""
        if self._averaged is None:
            return self.network
        assert isinstance(self._averaged.module, Network)
        return self._averaged.module

    @property
    def fit(self) -> Fit:
        """How this stage is trained."""
        return self.recipe.fit

    def _network(self, before: Sequence[Trained]) -> Network:
        dims = [part.dim for part in self.material.parts]
        network = Network(self.recipe, dims, len(self.material.dataset.targets))
        network.fit(torch.from_numpy(self.material.dataset.labels[self.material.split.train]))
        for modality, branch in enumerate(network.branches):
            assert isinstance(branch, Branch)
            if before:
                _take(
                    branch, before[modality].network(), network.heads[modality] if len(network.heads) else branch.head
                )
            else:
                branch.fit(self.material.parts[modality], self.material.split.train.tolist())
        if self._frozen:
            network.branches.requires_grad_(requires_grad=False)
        return network.to(self.device)

    def optimiser(self) -> torch.optim.AdamW:
        """Give the optimiser of all that learns: the encoders at their share of the rate, after stage one."""
        rate = self.fit.rate
        branches = [p for p in self.network.branches.parameters() if p.requires_grad]
        groups = [{"params": self.network.own, "lr": rate}]
        if branches:
            groups.append({"params": branches, "lr": rate * self.recipe.adapt if self.recipe.before else rate})
        return torch.optim.AdamW(groups, lr=rate, weight_decay=self.fit.decay, fused=self.device.type != "mps")

    def rates(self, optimiser: torch.optim.Optimizer) -> Rates:
        """Give what moves the optimiser's rates, and ends the training."""
        return Rates(optimiser, self.fit, steps=self.steps_an_epoch)

    @property
    def steps_an_epoch(self) -> int:
        """How many steps one epoch has."""
        return len(self._steps(self.material.split.train))

    def epochs(self) -> Iterator[Json]:
        """Train, and give each epoch's line of history."""
        optimiser = self.optimiser()
        rates = self.rates(optimiser)
        for epoch in range(1, self.fit.epochs + 1):
            loss = self.epoch(optimiser, rates)
            line = {"epoch": epoch, "loss": loss, "rate": optimiser.param_groups[0]["lr"], **self._validate()}
            self.history.append(line)
            if not math.isfinite(loss):
                message = f"{self.recipe.name} has a loss of {loss} after epoch {epoch}"
                raise MimeticError(message, remedy="Lower its rate; if that is of no use, extract its features anew.")
            yield line
            if rates.judge(line["mean_pearson"]):
                self.best_epoch = epoch
                self._best = copy.deepcopy(self.judged.state_dict())
            if rates.stop:
                return

    def epoch(self, optimiser: torch.optim.AdamW, rates: Rates) -> float:
        """Go through the training clips once, in an order that belongs to the seed; give the mean loss."""
        self._train_mode()
        learning = [p for p in self.network.parameters() if p.requires_grad]
        total = torch.zeros((), device=self.device)
        steps = self._steps(self._draw.permutation(self.material.split.train))
        for clips in steps:
            rates.step()
            loss = self._loss(clips, learning)
            optimiser.zero_grad(set_to_none=True)
            with self._clock("backward"):
                loss.backward()  # type: ignore[no-untyped-call]
                self._world.sum_gradients(learning)
            with self._clock("optimiser"):
                self._step(optimiser, learning)
            total += loss.detach()
        return float(total) / len(steps)

    def _loss(self, clips: NDArray[np.intp], learning: Sequence[nn.Parameter]) -> Tensor:
        """Give the loss of a step's clips."""
        outputs, present = self._outputs(clips)
        with self._clock("forward"):
            loss = self._objective(clips, outputs, present)
            if self.fit.penalty and self._world.leads:  # what processes have of the gradient is summed
                loss = loss + self.fit.penalty * sum(w.square().sum() for w in learning if w.ndim > 1)
        return loss

    def _step(self, optimiser: torch.optim.AdamW, learning: Sequence[nn.Parameter]) -> None:
        """Move what learns along its gradient, and the average of the weights after it."""
        nn.utils.clip_grad_norm_(learning, self.fit.max_norm)
        optimiser.step()
        if self._averaged is not None:
            self._averaged.update_parameters(self.network)

    def _outputs(self, clips: NDArray[np.intp]) -> tuple[Outputs, Tensor]:
        """Give what the network says of a step's clips, and what each had, ``(clip, modality)`` bool.

        Of several processes each computes its share; what is drawn of a clip is the same whoever does.
        """
        keep, world = self._kept(clips), self._world
        own = clips[world.rank :: world.size]
        kept = None if keep is None else keep[world.rank :: world.size]
        with self._clock("reading"):
            batch = make_batch(self._seen(clips), own, self.device, keep=kept)
        with self._clock("forward"):
            said, count = self.network.outputs(batch), len(clips)
        gates = None if said.gates is None else world.gathered(said.gates, count)
        alone = tuple(world.gathered(scores, count) for scores in said.alone)
        present = world.gathered((batch.lengths > 0).to(said.scores.dtype), count) > 0
        return Outputs(scores=world.gathered(said.scores, count), gates=gates, alone=alone), present

    def _steps(self, order: NDArray[np.intp]) -> list[NDArray[np.intp]]:
        """Cut an order into steps of exactly the recipe's clips; the last takes what is left, at least half as many."""
        size = self.fit.clips
        steps = max(1, (len(order) + size // 2) // size)
        return np.split(order, range(size, steps * size, size))

    def _train_mode(self) -> None:
        """Dropout on, but never inside an encoder that is frozen."""
        self.network.train()
        if self._frozen:
            self.network.branches.eval()

    def _seen(self, clips: NDArray[np.intp]) -> list[Ragged]:
        """Give what is seen of a step's clips: all, or what is drawn of each."""
        both = zip(self.parts, self.recipe.parts, strict=True)
        return [
            tracks.drawn(clips, self._draw, crop=part.crop, masked=part.masked) if part.crop or part.masked else tracks
            for tracks, part in both
        ]

    def _kept(self, clips: NDArray[np.intp]) -> NDArray[np.bool_] | None:
        """Draw which modalities each clip keeps: of those that it has, at least one; all tracks of it, or none."""
        if not self.recipe.modality_dropout or len(self.recipe.parts) == 1:
            return None
        kinds = list(dict.fromkeys(part.modality for part in self.recipe.parts))
        places = [kinds.index(part.modality) for part in self.recipe.parts]
        present = np.zeros((len(clips), len(kinds)), np.bool_)
        for place, tracks in zip(places, self.material.parts, strict=True):
            present[:, place] |= tracks.lengths[clips] > 0
        draws = self._draw.random(present.shape)
        kept = draws >= self.recipe.modality_dropout
        kept[np.arange(len(clips)), np.where(present, draws, -1.0).argmax(axis=1)] = True
        return kept[:, places]

    def _validate(self) -> Json:
        rows = self.material.split.valid
        values = pearson(self.material.dataset.labels[rows], self.predict(rows))
        by_target = dict(zip(self.material.dataset.targets, map(_plain, values), strict=True))
        known = [value for value in by_target.values() if value is not None]
        return {"mean_pearson": float(np.mean(known)) if known else None, "pearson": by_target}

    def predict(self, clips: NDArray[np.intp]) -> NDArray[np.float64]:
        """Score clips with the network as it stands, ``(clip, target)``."""
        with self._clock("scoring"):
            return score_tracks(self.judged.eval(), self.parts, clips, self.device)

    def outcome(self) -> Outcome:
        """Go back to the network of the best epoch, and score every clip of the data set with it."""
        self.network.load_state_dict(self._best)
        self._averaged = None
        dataset = self.material.dataset
        everybody = np.arange(len(dataset.clips))
        return Outcome(
            clips=tuple(clip.id for clip in dataset.clips),
            parts=tuple(self.material.split.part_of(len(dataset.clips))),
            true=dataset.labels,
            predicted=self.predict(everybody),
            presence=np.stack([part.lengths > 0 for part in self.material.parts], axis=1),
        )


def _take(branch: Branch, trained: Network, head: nn.Module | None) -> None:
    """Give a branch what its part learned alone; and its own head, where it has one."""
    alone = trained.branches[0]
    assert isinstance(alone, Branch)
    branch.standardise.load_state_dict(alone.standardise.state_dict())
    branch.principal.load_state_dict(alone.principal.state_dict())
    branch.encoder.load_state_dict(alone.encoder.state_dict())
    if head is not None:
        head.load_state_dict(trained.fusion.state_dict())


def _plain(value: float) -> float | None:
    return None if math.isnan(value) else float(value)
