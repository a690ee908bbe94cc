"""What learns nothing is computed once: a branch and its tracks in, one row a clip out, for all epochs (and seeds).

Means and deviations of rows do not change while a network learns, and of an encoder that is frozen nothing does. What
is pooled is shared by all trainings of the same part, folds included where nothing is fitted on a split.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mimetic.batches import ENCODED, POOLED, Bucket, Ragged, Ready
from mimetic.branches import Branch
from mimetic.encoders import PoolingEncoder
from mimetic.recipes import Part, Recipe
from mimetic.training.material import Material

AT_ONCE = 256
"""Clips that are read together; buckets keep what they hold within bounds."""

KEPT = 1 << 30
"""Bytes of pooled rows that are kept for other seeds and recipes; beyond, all are forgotten."""


def ready(
    recipe: Recipe, material: Material, branches: list[Branch], device: torch.device, *, frozen: bool
) -> list[Ragged]:
    """Give each part's tracks, or, where everything that is drawn or learned comes later, one row a clip of them."""
    return [
        _ready(recipe, material, modality, branch, device, frozen=frozen) for modality, branch in enumerate(branches)
    ]


def _ready(
    recipe: Recipe, material: Material, modality: int, branch: Branch, device: torch.device, *, frozen: bool
) -> Ragged:
    part, tracks = recipe.parts[modality], material.parts[modality]
    if part.crop or part.masked or (part.noise and not frozen) or recipe.prior or branch.queried:
        return tracks
    if frozen:
        none = next(branch.parameters(), torch.zeros(1, device=device))
        return Ready(tracks, _rows(tracks, lambda bucket: branch.encode(bucket, none), device), ENCODED)
    if not isinstance(branch.encoder, PoolingEncoder):
        return tracks
    name = _name(part, material, device)
    if name not in material.kept:
        rows = _rows(tracks, branch.pool, device)
        if rows.nbytes + sum(held.nbytes for held in material.kept.values()) > KEPT:
            material.kept.clear()
        material.kept[name] = rows
    return Ready(tracks, material.kept[name], POOLED)


def _name(part: Part, material: Material, device: torch.device) -> str:
    """Name what is pooled by all that decides it; of the split, nothing where nothing is fitted on it."""
    prepared = (part.feature, part.seconds, part.unit, part.standardise, part.differences, part.components)
    fitted = part.standardise or part.components
    fitted_on = hashlib.blake2b(material.split.train.tobytes() if fitted else b"", digest_size=8).hexdigest()
    return repr((*prepared, part.encoder, fitted_on, str(device)))


def passes(tracks: Ragged) -> list[NDArray[np.intp]]:
    """Give the clips that have tracks, those of like length together, as they are read."""
    clips = np.flatnonzero(tracks.lengths)
    clips = clips[np.argsort(tracks.lengths[clips], kind="stable")]
    return np.array_split(clips, max(1, -(-len(clips) // AT_ONCE)))


def _rows(tracks: Ragged, make: Callable[[Bucket], Tensor], device: torch.device) -> Tensor:
    """Make one row of each clip, ``(clip, width)``, zeros where the modality is missing."""
    rows = torch.zeros(len(tracks.lengths), 0, device=device)
    with torch.no_grad():
        for some in passes(tracks):
            for bucket in tracks.buckets(some, device):
                made = make(bucket)
                rows = made.new_zeros(len(tracks.lengths), made.shape[1]) if not rows.shape[1] else rows
                rows[torch.from_numpy(some).to(device)[bucket.rows]] = made
    return rows
