"""Pretrained encoders, trained on the labels themselves: alone with a head, or several at once through a fusion.

In go a data set, its store and a ``Tuning``; out come checkpoints that are extractors like any other
(``minilm+model=OUT/encoders/...``) and a finished run on their features, which ``predict`` and the rest take as every
run. The features themselves are extracted the ordinary way, so that a raw clip and a stored one are the same to it.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import nn

from mimetic.batches import Ragged, load_tracks
from mimetic.devices import choose_device, one_thread
from mimetic.extraction import extract, source_of
from mimetic.features import Feature, feature
from mimetic.finetuning.depth import add_lora, freeze
from mimetic.finetuning.joint import Joint
from mimetic.finetuning.live import Live
from mimetic.finetuning.loop import Tuner, split_inner
from mimetic.finetuning.prepared import Prepared, prepare
from mimetic.finetuning.settings import Tuning as Tuning
from mimetic.finetuning.settings import alone as alone
from mimetic.finetuning.settings import with_choices as with_choices
from mimetic.licences import check_licences
from mimetic.models import TrainableModel
from mimetic.network import Branch, Network, count_parameters, score_tracks
from mimetic.recipes import Recipe, with_features
from mimetic.records import BadData, Dataset, Json
from mimetic.runs import FORMAT, Outcome, Run, Signature, find_run, write_run
from mimetic.splits import Split, split_dataset
from mimetic.store import Store, digest, write_atomically
from mimetic.training.material import data_fingerprint
from mimetic.tuned import NAME, Tuned

ENCODERS, WORK = "encoders", ".tuning"
COPIED = ("*.json", "*.txt", "*.model")
"""What goes beside a checkpoint's weights: tokenizer, preprocessing, and what else is told in text."""

Watch = Callable[[str, Json], None]
"""Called after each epoch with the recipe's name and the epoch's line of history."""

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

    @property
    def parts(self) -> list[tuple[int, Feature, bool]]:
        """Each part's number and feature, and whether it learns."""
        features = [feature(part.feature) for part in self.tuning.recipe.parts]
        live = {feature(name).key for name in self.tuning.live}
        return [(number, wanted, wanted.key in live) for number, wanted in enumerate(features)]


def finetune(
    dataset: Dataset,
    tuning: Tuning,
    store: Store,
    out: Path,
    *,
    seed: int = 0,
    device: str = "auto",
    workers: int | None = None,
    accepted: Collection[str] = (),
    watch: Watch = lambda _name, _line: None,
    progress: Progress = lambda _done, _total: None,
) -> Run:
    """Train a recipe's extractors with it; give the finished run on what they have become.

    A tuning that is finished is not done again; one that was stopped goes on from where it has last written down how
    far it is, and ends with the same weights.

    Raises
    ------
    BadData
        if the split has no training or validation clips, or the data set no targets.
    StoreError
        if the store lacks a feature that does not learn.
    UsageError
        for a licence that has not been accepted, or a device that this machine does not have.
    """
    check_licences([feature(name) for name in tuning.live], accepted)
    bench = _bench(dataset, tuning, store, out, seed, device)
    if (finished := find_run(out, bench.signature)) is not None:
        return finished
    lives, networks = _lives(bench, progress)
    with torch.random.fork_rng(), one_thread():
        torch.manual_seed(seed)
        tuner, unwrap = _tuner(bench, lives, networks)
        for line in tuner.run():
            watch(tuning.recipe.name, line)
    unwrap()
    places = {number: _save(bench, live, out) for number, live in lives.items()}
    recipe = _on_checkpoints(bench, places)
    wanted = [feature(recipe.parts[number].feature) for number in places]
    extract(dataset.clips, wanted, store, workers=workers, device=device, accepted=accepted, progress=progress)
    run = _finish(bench, recipe, tuner, out)
    shutil.rmtree(bench.work, ignore_errors=True)
    return run


def _bench(dataset: Dataset, tuning: Tuning, store: Store, out: Path, seed: int, device: str) -> Bench:
    if not dataset.targets:
        raise BadData(f"{dataset.name} has no labels to train on", remedy="Give a data set with targets.")
    split = split_dataset(dataset, tuning.recipe.split)
    rows = [part.tolist() for part in (split.train, split.valid, split.test)]
    features = [feature(part.feature).identity for part in tuning.recipe.parts]
    told = [FORMAT, "tuned", tuning.content, data_fingerprint(dataset), split.name, rows, features]
    system = digest(told, size=16)
    signature = Signature(system=system, run=digest([system, seed], size=16), seed=seed)
    return Bench(
        dataset=dataset,
        store=store,
        split=split,
        tuning=tuning,
        seed=seed,
        signature=signature,
        work=out / WORK / signature.run,
        device=torch.device(choose_device(device)),
    )


def _lives(bench: Bench, progress: Progress) -> tuple[dict[int, Live], dict[int, nn.Module]]:
    """Open the extractors that learn, each with its inputs."""
    lives: dict[int, Live] = {}
    for number, wanted, learns in bench.parts:
        if learns:
            prepared = prepare(bench.dataset.clips, wanted, bench.work.parent / "inputs", progress=progress)
            lives[number] = _live(bench, number, wanted, prepared)
    return lives, {number: live.network for number, live in lives.items()}


def _live(bench: Bench, number: int, wanted: Feature, prepared: Prepared) -> Live:
    extractor = wanted.make()
    model = cast("TrainableModel", extractor.load(str(bench.device)))
    _settle(model.network, bench.tuning)
    seconds = bench.tuning.recipe.parts[number].seconds
    return Live(wanted, model, prepared, seconds=seconds, budget=int(extractor.budget))


def _settle(network: nn.Module, tuning: Tuning) -> None:
    """Make what a network does of itself while it learns what the tuning says."""
    config: Any = network.config
    for name, value in (("layerdrop", tuning.layer_drop), ("mask_time_prob", tuning.time_mask)):
        if hasattr(config, name):
            setattr(config, name, value)
    if hasattr(config, "apply_spec_augment"):
        config.apply_spec_augment = tuning.time_mask > 0
    if tuning.recompute:
        told: Any = network
        enable = getattr(told, "activation_checkpointing_enable", None) or told.gradient_checkpointing_enable
        enable({"use_reentrant": False})


def _tuner(
    bench: Bench, lives: Mapping[int, Live], networks: Mapping[int, nn.Module]
) -> tuple[Tuner, Callable[[], None]]:
    """Give what trains, and what puts LoRA's matrices into the weights afterwards."""
    recipe, dataset = bench.tuning.recipe, bench.dataset
    wrapped = []
    for network in networks.values():
        freeze(network, bench.tuning)
        if bench.tuning.rank:
            wrapped.append(add_lora(network, bench.tuning.rank))
    learn, judge = split_inner(bench.split, bench.tuning.inner, bench.seed)
    cached = _cached(bench)
    dims = [wanted.dim for _, wanted, _ in bench.parts]
    network = Network(recipe, dims, len(dataset.targets))
    for number, tracks in enumerate(cached):
        branch = network.branches[number]
        assert isinstance(branch, Branch)
        if tracks is not None:
            branch.fit(tracks, learn.tolist())
    joint = Joint(network, lives, cached).to(bench.device)
    tuner = Tuner(joint, bench.tuning, dataset, learn=learn, judge=judge, folder=bench.work, seed=bench.seed)
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


# ------------------------------------------------------------------------------------------ what is left


def _save(bench: Bench, live: Live, out: Path) -> Path:
    """Write the checkpoint of an extractor that has learned, whole or not at all; give its folder."""
    wanted = live.feature
    place = out / ENCODERS / f"{wanted.name}-{bench.signature.run[:8]}"
    beside = place.with_name(f".{place.name}.{os.getpid()}.part")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(parents=True)
    try:
        for pattern in COPIED:
            for file in wanted.checkpoint.glob(pattern):
                if not file.name.startswith("model.safetensors"):
                    shutil.copyfile(file, beside / file.name)
        live.model.save(beside)
        write_atomically(beside / NAME, _json(_record(bench, wanted)))
        shutil.rmtree(place, ignore_errors=True)
        beside.rename(place)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return place


def _record(bench: Bench, wanted: Feature) -> Json:
    clips = [bench.dataset.clips[row] for row in bench.split.train.tolist()]
    return Tuned(
        extractor=wanted.key,
        model=str(wanted.options.get("model") or wanted.entry.model),
        data=bench.dataset.name,
        note=bench.dataset.note,
        split=bench.split.name,
        seed=bench.seed,
        clips={clip.id: source_of(clip, wanted.entry.view, wanted.view_options) for clip in clips},
    ).as_json()


def _json(content: Json) -> bytes:
    return (json.dumps(content, indent=1) + "\n").encode()


def _on_checkpoints(bench: Bench, places: Mapping[int, Path]) -> Recipe:
    """Give the recipe on the features of the checkpoints."""
    taken = {}
    for number, place in places.items():
        wanted = bench.parts[number][1]
        others = [pair for pair in wanted.key.split("+")[1:] if not pair.startswith("model=")]
        taken[wanted.key] = feature("+".join([wanted.name, *others, f"model={place.absolute()}"])).key
    named = {part.feature: taken.get(feature(part.feature).key, part.feature) for part in bench.tuning.recipe.parts}
    return with_features(replace(bench.tuning.recipe, stages=1), named)


def _finish(bench: Bench, recipe: Recipe, tuner: Tuner, out: Path) -> Run:
    dataset, split, network = bench.dataset, bench.split, tuner.joint.network
    parts = tuple(load_tracks(bench.store, feature(part.feature), dataset) for part in recipe.parts)
    outcome = Outcome(
        clips=tuple(clip.id for clip in dataset.clips),
        parts=tuple(split.part_of(len(dataset.clips))),
        true=dataset.labels,
        predicted=score_tracks(network.eval(), parts, np.arange(len(dataset.clips)), bench.device),
        presence=np.stack([part.lengths > 0 for part in parts], axis=1),
    )
    facts: Json = {
        "targets": list(dataset.targets),
        "features": [feature(part.feature).identity for part in recipe.parts],
        "data": {
            "name": dataset.name,
            "clips": len(dataset.clips),
            "note": dataset.note,
            "fingerprint": data_fingerprint(dataset),
        },
        "split": {
            "name": split.name,
            "fingerprint": digest([split.name, *(r.tolist() for r in (split.train, split.valid, split.test))]),
            **{part: len(getattr(split, part)) for part in ("train", "valid", "test")},
        },
        "best_epoch": tuner.best_epoch,
        "parameters": count_parameters(network, recipe),
        "tuning": {**bench.tuning.content, "inner": len(tuner.judge)},
    }
    return write_run(
        out,
        recipe=recipe,
        signature=bench.signature,
        facts=facts,
        network=network.cpu(),
        history=tuner.history,
        outcome=outcome,
    )
