"""A recipe trained on arrays instead of a data set: modalities and labels in, a network that scores arrays out.

The stages, the loss and the loop are those of ``mimetic train``; what differs is that nothing is stored on the way.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from mimetic.batches import Ragged
from mimetic.devices import one_thread
from mimetic.modalities import Modalities, Value
from mimetic.network import Network, score_tracks
from mimetic.recipes import Recipe, stage_one, with_features
from mimetic.records import MODALITIES, Clip, Dataset, Track, UsageError
from mimetic.splits import Split
from mimetic.training.loop import Trainer
from mimetic.training.material import Material

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Fitted:
    """A network and the modalities that its parts read, in order; scores are ``level + spread`` times its own."""

    recipe: Recipe
    modalities: tuple[str, ...]
    widths: tuple[int, ...]
    network: Network
    level: Floats
    spread: Floats

    def predict(self, clips: Modalities, device: str = "cpu") -> Floats:
        """Give ``(clip, target)``; of a clip without any of the modalities, the network's prior."""
        parts = ragged_of(clips, self.modalities, self.widths)
        scores = score_tracks(self.network, parts, np.arange(len(clips)), torch.device(device))
        return self.level + self.spread * scores


def own_feature(modality: str, width: int) -> str:
    """Give the name under which a recipe knows arrays of a modality; of a name that is none of the field's, audio's."""
    return f"own-{modality if modality in MODALITIES else 'audio'}+dim={width}"


def recipe_on(recipe: Recipe, clips: Modalities) -> tuple[Recipe, tuple[str, ...]]:
    """Put arrays in the place of a recipe's features; give it with the modality that each part reads.

    Raises
    ------
    UsageError
        if the arrays lack a modality of the recipe, or have one that it does not read.
    """
    lacking = [modality for modality in recipe.modalities if modality not in clips.arrays]
    strange = [name for name in clips if name not in recipe.modalities]
    if lacking or strange:
        message = f"{recipe.name} reads {', '.join(recipe.modalities)}, and X has {', '.join(clips)}"
        raise UsageError(message, remedy="Give arrays of those, or recipe='auto', which reads whatever there is.")
    taken = {part.feature: own_feature(part.modality, clips.widths[part.modality] or 1) for part in recipe.parts}
    return with_features(recipe, taken), recipe.modalities


def fit_recipe(
    recipe: Recipe,
    modalities: Sequence[str],
    clips: Modalities,
    labels: Floats,
    train: Rows,
    valid: Rows,
    *,
    seed: int = 0,
    device: str = "cpu",
) -> Fitted:
    """Train a recipe whose parts read ``modalities``; the best epoch is the one with the best score on ``valid``.

    Labels are brought to mean 0 and deviation 1 first (over ``train``), so that no target outweighs another.
    """
    widths = tuple(clips.widths[name] or 1 for name in modalities)
    level, spread = _scale(labels[train])
    material = _material(ragged_of(clips, modalities, widths), (labels - level) / spread, train, valid)
    with torch.random.fork_rng(), one_thread():
        torch.manual_seed(seed)
        network = _train(recipe, material, seed, torch.device(device)).cpu().eval()
    return Fitted(
        recipe=recipe, modalities=tuple(modalities), widths=widths, network=network, level=level, spread=spread
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Alone:
    """What a part has learned alone, as the next stage takes it up."""

    trained: Network

    def network(self) -> Network:
        return self.trained


def _train(recipe: Recipe, material: Material, seed: int, device: torch.device) -> Network:
    before = [
        _Alone(_train(part, replace(material, parts=(tracks,)), seed, device))
        for part, tracks in zip(stage_one(recipe), material.parts, strict=False)
    ]
    trainer = Trainer(recipe, material, before, seed, device)
    for _ in trainer.epochs():
        pass
    trainer.outcome()  # goes back to the best epoch
    return trainer.network


def _scale(labels: Floats) -> tuple[Floats, Floats]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a target without labels
        level, spread = np.nanmean(labels, axis=0), np.nanstd(labels, axis=0)
    return np.nan_to_num(level), np.where(spread > 1e-9, spread, 1.0)


def _material(parts: tuple[Ragged, ...], labels: Floats, train: Rows, valid: Rows) -> Material:
    clips = tuple(Clip(id=f"{place:06d}") for place in range(len(labels)))
    targets = tuple(map(str, range(labels.shape[1])))
    return Material(
        dataset=Dataset(name="arrays", clips=clips, targets=targets, labels=labels),
        split=Split(name="arrays", train=train, valid=valid, test=np.zeros(0, np.intp)),
        parts=parts,
        identities=(),
        labels=torch.from_numpy(labels.astype(np.float32)),
        fingerprints={},
        shared={},
    )


def ragged_of(clips: Modalities, names: Sequence[str], widths: Sequence[int]) -> tuple[Ragged, ...]:
    """Give arrays as a network reads them; of a modality that these clips do not have, nothing.

    Raises
    ------
    UsageError
        for a modality with other columns than it had.
    """
    parts = []
    for name, width in zip(names, widths, strict=True):
        values = clips[name] if name in clips else (None,) * len(clips)
        if name in clips and clips.widths[name] not in (width, 0):
            told = "texts" if clips.widths[name] is None else f"{clips.widths[name]} columns"
            raise UsageError(f"{name} has {told}, and had {width} columns", remedy="Give what it was fitted on.")
        parts.append(Ragged([_track(value) for value in values], width))
    return tuple(parts)


def _track(value: Value) -> Track | None:
    if value is None or isinstance(value, str):
        return None
    return Track(values=value.astype(np.float32), rate=0.0, valid=np.ones(len(value), bool))
