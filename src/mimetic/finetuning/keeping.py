"""What is left of a tuning: checkpoints of the extractors that have learned, and a finished run on their features."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np

from mimetic.batches import load_tracks
from mimetic.extraction import source_of
from mimetic.features import Feature, feature
from mimetic.finetuning.bench import Bench
from mimetic.finetuning.live import Live
from mimetic.finetuning.loop import Tuner
from mimetic.network import count_parameters, score_tracks
from mimetic.recipes import Recipe, with_features
from mimetic.records import Json
from mimetic.runs import Outcome, Run, write_run
from mimetic.sharing import shared
from mimetic.store import write_atomically
from mimetic.tuned import NAME, Tuned

ENCODERS = "encoders"

COPIED = ("*.json", "*.txt", "*.model")
"""What goes beside a checkpoint's weights: tokenizer, preprocessing, and what else is told in text."""


def save_encoder(bench: Bench, live: Live, out: Path) -> Path:
    """Write the checkpoint of an extractor that has learned, whole or not at all; give its folder."""
    place = out / ENCODERS / f"{live.feature.name}-{bench.signature.run[:8]}"
    with whole_folder(place) as beside:
        copy_words(live.feature.checkpoint, beside)
        live.model.save(beside)
        write_record(bench, live.feature, beside)
    return place


@contextmanager
def whole_folder(place: Path) -> Iterator[Path]:
    """Give a folder beside to write to; at the end it is put in the place of what is there."""
    beside = place.with_name(f".{place.name}.{os.getpid()}.part")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(parents=True)
    try:
        yield beside
        shutil.rmtree(place, ignore_errors=True)
        beside.rename(place)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def copy_words(checkpoint: Path, folder: Path) -> None:
    """Copy all of a checkpoint but its weights: its configuration, its tokenizer, how its inputs are prepared."""
    for pattern in COPIED:
        for file in checkpoint.glob(pattern):
            if not file.name.startswith("model.safetensors"):
                shutil.copyfile(file, folder / file.name)


def write_record(bench: Bench, wanted: Feature, folder: Path) -> None:
    """Write down from which clips the checkpoint has learned."""
    write_atomically(folder / NAME, (json.dumps(_record(bench, wanted), indent=1) + "\n").encode())


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


def on_checkpoints(bench: Bench, places: Mapping[int, Path]) -> Recipe:
    """Give the recipe on the features of the checkpoints."""
    taken = {}
    for number, place in places.items():
        wanted = bench.parts[number][1]
        others = [pair for pair in wanted.key.split("+")[1:] if not pair.startswith("model=")]
        taken[wanted.key] = feature("+".join([wanted.name, *others, f"model={place.absolute()}"])).key
    named = {part.feature: taken.get(feature(part.feature).key, part.feature) for part in bench.tuning.recipe.parts}
    return with_features(replace(bench.tuning.recipe, stages=1), named)


def finish(bench: Bench, recipe: Recipe, tuner: Tuner, out: Path) -> Run:
    """Score every clip from the stored features of the checkpoints, and write the run."""
    dataset, split, network = bench.dataset, bench.split, tuner.joint.network
    parts = tuple(load_tracks(bench.store, feature(part.feature), dataset) for part in recipe.parts)
    outcome = Outcome(
        clips=tuple(clip.id for clip in dataset.clips),
        parts=tuple(split.part_of(len(dataset.clips))),
        true=dataset.labels,
        predicted=score_tracks(network.eval(), parts, np.arange(len(dataset.clips)), bench.device),
        presence=np.stack([part.lengths > 0 for part in parts], axis=1),
    )
    return write_run(
        out,
        recipe=recipe,
        signature=bench.signature,
        facts={**_facts(bench, recipe, tuner), "parameters": count_parameters(network, recipe)},
        weights=network.cpu().state_dict(),
        history=tuner.history,
        outcome=outcome,
    )


def _facts(bench: Bench, recipe: Recipe, tuner: Tuner) -> Json:
    dataset, split, prints = bench.dataset, bench.split, bench.fingerprints
    sizes = {part: len(getattr(split, part)) for part in ("train", "valid", "test")}
    told = {"name": dataset.name, "clips": len(dataset.clips), "note": dataset.note, "shared": shared(dataset)}
    return {
        "targets": list(dataset.targets),
        "features": [feature(part.feature).identity for part in recipe.parts],
        "data": {**told, "fingerprint": prints["data"]},
        "split": {"name": split.name, "fingerprint": prints["split"], **sizes},
        "best_epoch": tuner.best_epoch,
        "tuning": {**bench.tuning.content, "set_aside": len(tuner.judge)},
    }
