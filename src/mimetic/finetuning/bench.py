"""What a tuning works with: a data set, a store and a ``Tuning`` in; extractors with their inputs, and a Tuner, out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray

from mimetic.batches import Ragged, load_tracks
from mimetic.devices import choose_device
from mimetic.features import Feature, feature
from mimetic.finetuning.depth import add_lora, freeze
from mimetic.finetuning.drawing import split_inner
from mimetic.finetuning.joint import Joint
from mimetic.finetuning.live import Live
from mimetic.finetuning.loop import Tuner
from mimetic.finetuning.prepared import Prepared, prepare, sources_of
from mimetic.finetuning.settings import Tuning
from mimetic.finetuning.settling import settle, start_at
from mimetic.models import TrainableModel
from mimetic.network import Branch, Network
from mimetic.records import BadData, Dataset, Json
from mimetic.runs import FORMAT, Signature
from mimetic.splits import Split, split_dataset
from mimetic.store import Store, digest
from mimetic.training.material import data_fingerprint, provenance
from mimetic.world import World, here

WORK, INPUTS = ".tuning", "inputs"

Progress = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True)
class Bench:
    """All that a tuning works with."""

    dataset: Dataset
    store: Store
    split: Split
    tuning: Tuning
    seed: int
    signature: Signature
    work: Path
    device: torch.device
    world: World

    @property
    def fingerprints(self) -> Json:
        """What signs data and split, as every run has it."""
        rows = (self.split.train, self.split.valid, self.split.test)
        return {
            "data": data_fingerprint(self.dataset),
            "split": digest([self.split.name, *(each.tolist() for each in rows)]),
        }

    @property
    def parts(self) -> list[tuple[int, Feature, bool]]:
        """Each part's number and feature, and whether it learns."""
        features = [feature(part.feature) for part in self.tuning.recipe.parts]
        live = {feature(name).key for name in self.tuning.live}
        return [(number, wanted, wanted.key in live) for number, wanted in enumerate(features)]


def make_bench(
    dataset: Dataset,
    tuning: Tuning,
    store: Store,
    out: Path,
    *,
    seed: int,
    device: str,
    train: NDArray[np.intp] | None = None,
) -> Bench:
    """Gather it; ``train`` are other training clips than the split's.

    Raises
    ------
    BadData
        if the split has no training or validation clips, or the data set no targets.
    StoreError
        if the store lacks a feature that does not learn.
    """
    if not dataset.targets:
        raise BadData(f"{dataset.name} has no labels to train on", remedy="Give a data set with targets.")
    split = split_dataset(dataset, tuning.recipe.split)
    split = split if train is None else replace(split, train=train)
    bench = Bench(
        dataset=dataset,
        store=store,
        split=split,
        tuning=tuning,
        seed=seed,
        signature=Signature(system="", run="", seed=seed),
        work=out / WORK,
        device=torch.device(choose_device(device)),
        world=here(),
    )
    told = [FORMAT, "tuned", tuning.content, bench.fingerprints, _provenances(bench)]
    system = digest(told, size=16)
    signature = Signature(system=system, run=digest([system, seed], size=16), seed=seed)
    return replace(bench, signature=signature, work=out / WORK / signature.run)


def _provenances(bench: Bench) -> list[Json]:
    """Say what signs each part's features: of those that learn, the model as it is, and what its inputs are made of."""
    return [
        {"feature": wanted.identity, "from": digest(sources_of(bench.dataset.clips, wanted))}
        if learns
        else provenance(bench.store, wanted, bench.dataset)
        for _, wanted, learns in bench.parts
    ]


def open_lives(bench: Bench, progress: Progress) -> dict[int, Live]:
    """Open the extractors that learn, each with its inputs, by the number of their part."""
    return {
        number: _live(bench, number, wanted, inputs_of(bench, wanted, progress))
        for number, wanted, learns in bench.parts
        if learns
    }


def inputs_of(bench: Bench, wanted: Feature, progress: Progress) -> Prepared:
    """Make what an extractor takes of every clip, unless it is there."""
    return prepare(bench.dataset.clips, wanted, bench.work.parent / INPUTS, progress=progress)


def _live(bench: Bench, number: int, wanted: Feature, prepared: Prepared) -> Live:
    extractor = wanted.make()
    model = cast("TrainableModel", extractor.load(str(bench.device)))
    settle(model.network, bench.tuning)
    seconds = bench.tuning.recipe.parts[number].seconds
    return Live(wanted, model, prepared, seconds=seconds, budget=int(extractor.budget))


def make_tuner(bench: Bench, lives: Mapping[int, Live]) -> tuple[Tuner, Callable[[], None]]:
    """Give what trains, and what puts LoRA's matrices into the weights afterwards."""
    recipe, dataset = bench.tuning.recipe, bench.dataset
    wrapped = []
    for live in lives.values():
        freeze(live.network, bench.tuning)
        if bench.tuning.rank:
            wrapped.append(add_lora(live.network, bench.tuning.rank))
    learn, judge = split_inner(bench.split, bench.tuning.inner, bench.seed)
    cached = _cached(bench)
    dims = [wanted.dim for _, wanted, _ in bench.parts]
    network = Network(recipe, dims, len(dataset.targets))
    if bench.tuning.z_scored:
        start_at(network.fusion, dataset.labels[learn])
    for number, tracks in enumerate(cached):
        branch = network.branches[number]
        assert isinstance(branch, Branch)
        if tracks is not None:
            branch.fit(tracks, learn.tolist())
    joint = Joint(network, lives, cached).to(bench.device)
    told: dict[str, Any] = {"folder": bench.work, "seed": bench.seed, "world": bench.world}
    tuner = Tuner(joint, bench.tuning, dataset, learn=learn, judge=judge, **told)
    return tuner, lambda: _unwrap(wrapped)


def _unwrap(wrapped: Sequence[Any]) -> None:
    for each in wrapped:
        each.merge_and_unload()


def _cached(bench: Bench) -> list[Ragged | None]:
    parts = bench.tuning.recipe.parts
    return [
        None if learns else load_tracks(bench.store, wanted, bench.dataset).beginning(parts[number].seconds)
        for number, wanted, learns in bench.parts
    ]
