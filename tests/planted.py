"""A small data set of features with a planted signal: what training, evaluation and submission are tested on."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mimetic.features import feature
from mimetic.recipes import Fit, Part, Recipe
from mimetic.records import Clip, Dataset, Track
from mimetic.store import Row, Store, write_shard

TARGETS = ("Admiration", "Empathic Pain", "Joy")
FEATURES = ("logmel", "motion-blocks")
FIT = Fit(epochs=15, clips=16, rate=3e-3)


def planted(root: Path, *, clips: int = 150, seed: int = 0) -> tuple[Dataset, Store]:
    """Make clips whose labels are in their features: half in the one modality, half in the other.

    The last fifth is the test part, without labels; every tenth clip lacks sound, one lacks everything.
    """
    draw = np.random.default_rng(seed)
    latent = draw.normal(size=(len(FEATURES), clips, len(TARGETS)))
    labels = 0.5 + 0.1 * latent.sum(axis=0) + 0.02 * draw.normal(size=(clips, len(TARGETS)))
    parts = np.select([np.arange(clips) < 0.5 * clips, np.arange(clips) < 0.8 * clips], ["train", "valid"], "test")
    ids = [f"{i:05d}" for i in range(clips)]
    store = Store(root / "features")
    for number, name in enumerate(FEATURES):
        rows = [
            Row(clip=ids[i], source="s", track=_track(latent[number, i], name, draw), reason=None)
            if not (number == 0 and i % 10 == 3) and i != 5
            else Row(clip=ids[i], source="s", track=None, reason="nothing there")
            for i in range(clips)
        ]
        made = feature(name)
        write_shard(store.path / made.key, 0, made.identity, rows, made.dtype)
    labels[parts == "test"] = np.nan
    members = tuple(Clip(id=id_, part=str(part)) for id_, part in zip(ids, parts, strict=True))
    return Dataset(name="planted", clips=members, targets=TARGETS, labels=labels, store=store.path), store


def _track(latent: np.ndarray, name: str, draw: np.random.Generator) -> Track:
    rows, dim = int(draw.integers(3, 12)), feature(name).dim
    values = draw.normal(size=(rows, dim)).astype(np.float32)
    values[:, :24] += np.tile(latent, 8)
    return Track(values=values, rate=feature(name).rate, valid=np.ones(rows, bool))


def single(name: str = "logmel", encoder: str = "mlp") -> Recipe:
    """Give a recipe for one modality."""
    part = Part(feature=name, encoder=encoder, options={"hidden": 16, "dropout": 0.0}, standardise=True, fit=FIT)
    return Recipe(name=f"{name}.{encoder}", parts=(part,), fit=FIT)


def fused(*, adapt: float = 0.05) -> Recipe:
    """Give a recipe that fuses both."""
    parts = tuple(single(name).parts[0] for name in FEATURES)
    options = {"hidden": 16, "dropout": 0.1}
    return Recipe(
        name="both", parts=parts, fusion="concat", options=options, fit=FIT, adapt=adapt, modality_dropout=0.2
    )
