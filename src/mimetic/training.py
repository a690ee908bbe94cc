"""The loop: a recipe, a data set and its features in, a finished Run out.

Stage one trains each part alone, with a linear head; stage two trains the fusion on them, the encoders frozen or at a
fraction of the rate. The best epoch is the one with the best mean Pearson on validation. A run that is already there,
told by its signature, is not trained again.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mimetic.batches import Ragged, load_tracks, make_batch
from mimetic.devices import choose_device, one_thread
from mimetic.features import feature
from mimetic.network import Network, Standardise, count_parameters, score_tracks
from mimetic.recipes import Fit, Recipe, stage_one
from mimetic.records import BadData, Dataset, Json, MimeticError
from mimetic.runs import FORMAT, Outcome, Run, Signature, find_run, write_run
from mimetic.scores import mixture, pearson
from mimetic.splits import Split, split_dataset
from mimetic.store import Store, digest

IMPROVEMENT = 1e-4
"""What a validation score must gain to count as better."""

Watch = Callable[[Recipe, int, Json], None]
"""Called after each epoch with the recipe, the seed and the epoch's line of history."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Material:
    """A data set as one recipe sees it: tracks by part and what they are, labels, split, and what signs them."""

    dataset: Dataset
    split: Split
    parts: tuple[Ragged, ...]
    labels: Tensor
    identities: tuple[Json, ...]
    fingerprints: Mapping[str, str]


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

    Raises
    ------
    BadData
        if the split has no training or validation clips, or the data set no targets.
    UsageError
        for a device that this machine does not have.
    StoreError
        if a clip has no row for a feature.
    """
    device = choose_device(device)
    material = _material(dataset, recipe, store)
    signature = sign(recipe, material, seed)
    if (finished := find_run(out, signature)) is not None:
        return finished
    before: list[Run] = []
    if len(recipe.parts) > 1:
        before = [train(dataset, part, store, out, seed=seed, device=device, watch=watch) for part in stage_one(recipe)]
    with torch.random.fork_rng(), one_thread():
        torch.manual_seed(seed)
        trainer = _Trainer(recipe, material, before, seed, torch.device(device))
        for line in trainer.epochs():
            watch(recipe, seed, line)
        outcome = trainer.outcome()
    return write_run(
        out,
        recipe=recipe,
        signature=signature,
        facts=_facts(recipe, material, trainer),
        network=trainer.network,
        history=trainer.history,
        outcome=outcome,
    )


# ------------------------------------------------------------------------------------------- material


def sign(recipe: Recipe, material: Material, seed: int) -> Signature:
    """Give the signature of a recipe on a data set, its split and its features."""
    content = {"format": FORMAT, "recipe": recipe.content, **material.fingerprints}
    system = digest(content, size=16)
    return Signature(system=system, run=digest([system, seed], size=16), seed=seed)


def _material(dataset: Dataset, recipe: Recipe, store: Store) -> Material:
    if not dataset.targets:
        raise BadData(f"{dataset.name} has no labels to train on", remedy="Give a data set with targets.")
    split = split_dataset(dataset, recipe.split)
    keys = [feature(part.feature).key for part in recipe.parts]
    fingerprints = {
        "data": digest([dataset.targets, [clip.id for clip in dataset.clips], _hexed(dataset.labels)]),
        "split": digest([split.name, *(rows.tolist() for rows in (split.train, split.valid, split.test))]),
        "features": digest([_provenance(store, key, dataset) for key in keys]),
    }
    return Material(
        dataset=dataset,
        split=split,
        parts=tuple(load_tracks(store, feature(part.feature), dataset) for part in recipe.parts),
        labels=torch.from_numpy(dataset.labels.astype(np.float32)),
        identities=tuple(store[key].newest(dataset.clips[0].id).identity for key in keys),
        fingerprints=fingerprints,
    )


def _provenance(store: Store, key: str, dataset: Dataset) -> Json:
    stored = store[key]
    identities = {digest(stored.newest(clip.id).identity) for clip in dataset.clips if clip.id in stored}
    sources = [stored.source(clip.id) for clip in dataset.clips if clip.id in stored]
    return {"feature": key, "made by": sorted(identities), "from": digest(sources)}


def _hexed(labels: NDArray[np.float64]) -> str:
    return np.ascontiguousarray(labels).tobytes().hex()


# --------------------------------------------------------------------------------------------- the loop


class _Trainer:
    """One stage of one seed."""

    def __init__(self, recipe: Recipe, material: Material, before: list[Run], seed: int, device: torch.device) -> None:
        self.recipe, self.material, self.device = recipe, material, device
        self.history: list[Json] = []
        self.best_epoch = 0
        self._loss = mixture(recipe.fit.loss)
        self._draw = np.random.default_rng([seed, len(recipe.parts)])
        self._labels = material.labels.to(device)
        self.network = self._network(before)
        self._best = copy.deepcopy(self.network.state_dict())

    @property
    def fit(self) -> Fit:
        return self.recipe.fit

    def _network(self, before: list[Run]) -> Network:
        dims = [part.dim for part in self.material.parts]
        network = Network(self.recipe, dims, len(self.material.dataset.targets))
        for modality, branch in enumerate(network.branches):
            if before:
                branch.load_state_dict(before[modality].network().branches[0].state_dict())
            elif isinstance(standardise := branch.get_submodule("standardise"), Standardise):
                standardise.fit(self.material.parts[modality], self.material.split.train.tolist())
        if before and not self.recipe.adapt:
            network.branches.requires_grad_(requires_grad=False)
        return network.to(self.device)

    def _optimiser(self) -> torch.optim.AdamW:
        rate, decay = self.fit.rate, self.fit.decay
        slow = len(self.recipe.parts) > 1
        branches = [p for p in self.network.branches.parameters() if p.requires_grad]
        own = [*self.network.tokens.parameters(), *self.network.fusion.parameters()]
        groups = [{"params": own, "lr": rate}]
        if branches:
            groups.append({"params": branches, "lr": rate * self.recipe.adapt if slow else rate})
        return torch.optim.AdamW(groups, lr=rate, weight_decay=decay)

    def epochs(self) -> Iterator[Json]:
        """Train, and give each epoch's line of history."""
        optimiser = self._optimiser()
        best, stale, waited = -math.inf, 0, 0
        for epoch in range(1, self.fit.epochs + 1):
            loss = self._epoch(optimiser)
            line = {"epoch": epoch, "loss": loss, "rate": optimiser.param_groups[0]["lr"], **self._validate()}
            self.history.append(line)
            if not math.isfinite(loss):
                message = f"{self.recipe.name} has a loss of {loss} after epoch {epoch}"
                raise MimeticError(message, remedy="Lower its rate; if that is of no use, extract its features anew.")
            yield line
            score = line["mean_pearson"] if line["mean_pearson"] is not None else -math.inf
            if score > best + IMPROVEMENT or epoch == 1:
                best, stale, waited = score, 0, 0
                self.best_epoch = epoch
                self._best = copy.deepcopy(self.network.state_dict())
                continue
            stale, waited = stale + 1, waited + 1
            if stale > self.fit.plateau:
                stale = 0
                for group in optimiser.param_groups:
                    group["lr"] *= 0.5
            if waited >= self.fit.patience:
                return

    def _epoch(self, optimiser: torch.optim.AdamW) -> float:
        """Go through the training clips once, in an order that belongs to the seed; give the mean loss."""
        self._train_mode()
        order = self._draw.permutation(self.material.split.train)
        total = torch.zeros((), device=self.device)
        steps = np.array_split(order, max(1, round(len(order) / self.fit.clips)))
        for clips in steps:
            batch = make_batch(self.material.parts, clips, self.device, keep=self._kept(clips))
            loss = self._loss(self._labels[torch.from_numpy(clips).to(self.device)], self.network(batch))
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(self.network.parameters(), self.fit.max_norm)
            optimiser.step()
            total += loss.detach()
        return float(total) / len(steps)

    def _train_mode(self) -> None:
        """Dropout on, but never inside an encoder that is frozen."""
        self.network.train()
        if len(self.recipe.parts) > 1 and not self.recipe.adapt:
            self.network.branches.eval()

    def _kept(self, clips: NDArray[np.intp]) -> NDArray[np.bool_]:
        """Draw which modalities each clip keeps: of those that it has, at least one."""
        draws = self._draw.random((len(clips), len(self.recipe.parts)))
        kept = draws >= self.recipe.modality_dropout
        present = np.stack([part.lengths[clips] > 0 for part in self.material.parts], axis=1)
        kept[np.arange(len(clips)), np.where(present, draws, -1.0).argmax(axis=1)] = True
        return kept

    def _validate(self) -> Json:
        rows = self.material.split.valid
        values = pearson(self.material.dataset.labels[rows], self.predict(rows))
        by_target = dict(zip(self.material.dataset.targets, map(_plain, values), strict=True))
        known = [value for value in by_target.values() if value is not None]
        return {"mean_pearson": float(np.mean(known)) if known else None, "pearson": by_target}

    def predict(self, clips: NDArray[np.intp]) -> NDArray[np.float64]:
        """Score clips with the network as it stands, ``(clip, target)``."""
        return score_tracks(self.network.eval(), self.material.parts, clips, self.device)

    def outcome(self) -> Outcome:
        """Go back to the network of the best epoch, and score every clip of the data set with it."""
        self.network.load_state_dict(self._best)
        dataset = self.material.dataset
        everybody = np.arange(len(dataset.clips))
        return Outcome(
            clips=tuple(clip.id for clip in dataset.clips),
            parts=tuple(self.material.split.part_of(len(dataset.clips))),
            true=dataset.labels,
            predicted=self.predict(everybody),
            presence=np.stack([part.lengths > 0 for part in self.material.parts], axis=1),
        )


def _plain(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


def _facts(recipe: Recipe, material: Material, trainer: _Trainer) -> Json:
    split, dataset = material.split, material.dataset
    return {
        "targets": list(dataset.targets),
        "features": material.identities,
        "data": {
            "name": dataset.name,
            "clips": len(dataset.clips),
            "note": dataset.note,
            "fingerprint": material.fingerprints["data"],
        },
        "split": {
            "name": split.name,
            "fingerprint": material.fingerprints["split"],
            **{part: len(getattr(split, part)) for part in ("train", "valid", "test")},
        },
        "best_epoch": trainer.best_epoch,
        "parameters": count_parameters(trainer.network, recipe),
    }
