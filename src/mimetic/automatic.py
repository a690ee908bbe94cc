"""``mimetic train DATA auto``: a data set and its store in, a Run out that is used like any other.

Its recipe lists the features that were at hand; ``members.json`` beside the weights says what was made of them. Folds
are of the training clips alone, by person where the data set knows people: validation clips stay what they are.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import load_file

from mimetic.auto import Auto, Tell, fit_auto, fit_floor
from mimetic.batches import Ragged
from mimetic.features import Feature, feature
from mimetic.features.letters import read_letters
from mimetic.modalities import Modalities, Value
from mimetic.recipes import Part, Recipe
from mimetic.records import BadData, Dataset, Json, UsageError
from mimetic.runs import MEMBERS, WEIGHTS, Outcome, Run, find_run, write_run
from mimetic.scores import pearson
from mimetic.sentences import EXTRACTOR, is_installed
from mimetic.splits import OFFICIAL, RECUT, groups_of
from mimetic.stacking import mean_defined
from mimetic.store import Store
from mimetic.training import Watch
from mimetic.training.choosing import has_media
from mimetic.training.material import Material, Shelf
from mimetic.words import find_words

Floats = NDArray[np.float64]

AUTO, FLOOR = "auto", "floor"
ABOUT = {
    AUTO: "every model that the data allow, mixed out of fold",
    FLOOR: "clip statistics with ridge: the line to beat",
}
"""What can be trained without a recipe."""

LETTERS = "letters"
MEDIA = ("logmel", "face-appearance", "motion-blocks")
"""What is extracted from media files, as it needs no model."""

PEOPLE = ("group", "person", "subject", "participant", "speaker", "actor", "user", "session", "script")
"""Columns that say which clips belong together, the first that a data set has."""


def group_column(dataset: Dataset) -> str | None:
    """Name the column by which clips belong together, if the data set has one."""
    by_name = {name.strip().lower().removesuffix("id").rstrip("_- "): name for name in dataset.columns}
    return next((by_name[name] for name in PEOPLE if name in by_name), None)


def choose_split(dataset: Dataset) -> str:
    """Give the data set's own split; where it has none, a fifth that validates, whole groups if there are any."""
    if len(dataset.indices("train")) and len(dataset.indices("valid")):
        return OFFICIAL
    column = group_column(dataset)
    if column is not None and len({name for name in dataset.column(column) if name}) >= 5:
        return f"1/5:{column}"
    return RECUT


def choose_features(dataset: Dataset, store: Store, *, kind: str = AUTO) -> tuple[Feature, ...]:
    """Give what there is to learn from: what the store has, and what needs no download.

    MiniLM only where its extra is installed, and not for the line to beat.

    Raises
    ------
    BadData
        if there is nothing.
    """
    words = any(clip.text is not None or find_words(clip) is not None for clip in dataset.clips)
    held = store.keys()
    keys = [key for key in held if key not in (LETTERS, "words-hashed") and _is_whole(dataset, store, key)]
    keys += [LETTERS] * words + [EXTRACTOR] * (words and kind == AUTO and is_installed())
    keys += list(MEDIA) * has_media(dataset)
    if not keys:
        raise BadData(f"{dataset.name} has nothing to learn from", remedy="Give media files, words or features.")
    return tuple(feature(key) for key in dict.fromkeys(keys))


def _is_whole(dataset: Dataset, store: Store, key: str) -> bool:
    try:
        feature(key)
    except UsageError:
        return False
    return all(clip.id in store[key] for clip in dataset.clips)


def recipe_for(dataset: Dataset, store: Store, *, kind: str = AUTO) -> Recipe:
    """Give the recipe that stands for ``auto``, or ``floor``, on a data set: what it reads, and how it is split."""
    parts = tuple(Part(feature=of.key, encoder="statistics") for of in choose_features(dataset, store, kind=kind))
    return Recipe(name=kind, parts=parts, split=choose_split(dataset), about=ABOUT[kind])


def train_automatically(
    shelf: Shelf,
    recipe: Recipe,
    out: Path,
    *,
    seed: int = 0,
    device: str = "cpu",
    tell: Tell = lambda _text: None,
    watch: Watch = lambda _recipe, _seed, _line: None,
) -> Run:
    """Fit what ``recipe_for`` gave, from features that are in the store; give the finished run.

    Raises
    ------
    BadData
        if the split has no training clips, or they do not suffice.
    StoreError
        if a clip has no row for a feature.
    """
    material, dataset = shelf.material(recipe), shelf.dataset
    signature = material.sign(recipe, seed)
    if (finished := find_run(out, signature)) is not None:
        return finished
    clips = as_modalities([feature(part.feature) for part in recipe.parts], material.parts)
    train = material.split.train
    column = group_column(dataset)
    groups = None if column is None else groups_of(dataset, column)[train]
    tell("reading features")
    if recipe.name == FLOOR:
        model, fair = fit_floor(clips[train], dataset.labels[train], groups, seed=seed)
    else:
        model, fair = fit_auto(clips[train], dataset.labels[train], groups, seed=seed, device=device, tell=tell)
    predicted = model.predict(clips)
    predicted[train] = fair
    config, arrays = model.saved()
    line = history_line(material, predicted)
    watch(recipe, seed, line)
    return write_run(
        out,
        recipe=recipe,
        signature=signature,
        facts=_facts(recipe, material, model, arrays, column),
        weights={name: torch.from_numpy(np.ascontiguousarray(value)) for name, value in arrays.items()},
        history=[line],
        outcome=outcome_of(material, predicted),
        members=config["members"],
    )


def _facts(
    recipe: Recipe, material: Material, model: Auto, arrays: Mapping[str, NDArray[Any]], column: str | None
) -> Json:
    config, _ = model.saved()
    return {
        **material.facts(),
        "kind": recipe.name,
        "best_epoch": 1,
        "parameters": {recipe.name: sum(int(value.size) for value in arrays.values())},
        "auto": {
            "grouped_by": column,
            "sentences": any(part.feature == EXTRACTOR for part in recipe.parts),
            **{name: config[name] for name in ("chosen", "scores")},
        },
        "margins": config["margins"],
    }


def history_line(material: Material, predicted: Floats) -> Json:
    """Give its one line of history: what is left of the labels' variance out of fold, and the validation scores."""
    train, valid, labels = material.split.train, material.split.valid, material.dataset.labels
    left = np.nanmean((labels[train] - predicted[train]) ** 2, axis=0) / np.nanvar(labels[train], axis=0)
    scores = pearson(labels[valid], predicted[valid])
    by_target = {
        name: None if np.isnan(score) else float(score)
        for name, score in zip(material.dataset.targets, scores, strict=True)
    }
    mean = mean_defined(scores) if any(score is not None for score in by_target.values()) else None
    return {"epoch": 1, "loss": float(np.nanmean(left)), "rate": 0.0, "mean_pearson": mean, "pearson": by_target}


def outcome_of(material: Material, predicted: Floats) -> Outcome:
    """Give what it says of every clip: of the training clips, what it says without having seen them."""
    dataset = material.dataset
    return Outcome(
        clips=tuple(clip.id for clip in dataset.clips),
        parts=tuple(material.split.part_of(len(dataset.clips))),
        true=dataset.labels,
        predicted=predicted,
        presence=np.stack([part.lengths > 0 for part in material.parts], axis=1),
    )


def as_modalities(features: Sequence[Feature], parts: Sequence[Ragged]) -> Modalities:
    """Give features as arrays by name, and letters as texts."""
    return Modalities(
        {of.key: _texts(part) if of.name == LETTERS else part.values for of, part in zip(features, parts, strict=True)}
    )


def _texts(part: Ragged) -> list[Value]:
    return [None if values is None else read_letters(values) for values in part.values]


def load_auto(run: Run) -> Auto:
    """Open the model of a run that ``train_automatically`` made.

    Raises
    ------
    BadRun
        if its files are missing or damaged, or its features are computed otherwise now.
    """
    run.check_features()
    with run.whole(WEIGHTS) as path:
        arrays = load_file(path)
    with run.whole(MEMBERS) as path:
        members = json.loads(path.read_text("utf-8"))
    return Auto.restored({**run.config, **run.config["auto"], "members": members}, arrays)
