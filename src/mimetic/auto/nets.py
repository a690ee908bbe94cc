"""Two-stage networks on clip statistics: one encoder a modality, then a fusion, one network a fold, averaged.

They see what a line cannot: products of columns, and which modality to believe. A network's best epoch is chosen on
clips of its own training folds, so that what it says of the fold held out is fair.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from mimetic.auto.members import Arrays, Floats
from mimetic.auto.trained import arrays_of, describe, restore
from mimetic.fitting import Fitted, fit_recipe, own_feature
from mimetic.modalities import Modalities
from mimetic.pooling import Pooling
from mimetic.recipes import Fit, Part, Recipe
from mimetic.records import Json
from mimetic.stacking import deal_folds

FEWEST = 500
"""Labelled clips without which a network learns nothing that a line does not."""

STEPS = 6_000
"""Steps that one stage takes at most; more clips get fewer epochs."""

_CLIPS, _EPOCHS = 128, 40


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Nets:
    """Networks of one recipe, one a fold; their mean."""

    kind: ClassVar[str] = "nets"
    pooling: Pooling
    fits: tuple[Fitted, ...]

    @property
    def name(self) -> str:
        """What it is, and of which modalities."""
        return f"{len(self.fits)} networks on {' + '.join(name for name, _, _ in self.pooling.blocks)}"

    def predict(self, clips: Modalities) -> Floats:
        """Give ``(clip, target)``."""
        pooled = _pooled(self.pooling, clips)
        mean: Floats = np.mean([fit.predict(pooled) for fit in self.fits], axis=0)
        return mean

    def saved(self) -> tuple[Json, Arrays]:
        """Give blocks and recipe as JSON; what was learned as arrays."""
        blocks = [list(block) for block in self.pooling.blocks]
        return {"blocks": blocks, **describe(self.fits)}, arrays_of(self.fits)

    @classmethod
    def restored(cls, config: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Nets:
        """Build it from what ``saved`` gave."""
        pooling = Pooling(tuple((str(name), int(width), int(count)) for name, width, count in config["blocks"]))
        return cls(pooling=pooling, fits=restore(config, arrays))


def fit_nets(
    clips: Modalities,
    names: Sequence[str],
    labels: Floats,
    folds: NDArray[np.intp],
    groups: NDArray[np.intp],
    *,
    seed: int = 0,
    device: str = "cpu",
) -> tuple[Nets, Floats]:
    """Train a network a fold; give them with their fair predictions, ``(clip, target)``."""
    pooling = Pooling.of(clips, names, most=2)
    pooled = _pooled(pooling, clips)
    recipe = _recipe(pooled, names, int(len(labels) * 0.8))
    known = ~np.isnan(labels).all(axis=1)
    predicted, fits = np.zeros(labels.shape), []
    for fold in np.unique(folds):
        learn, held = np.flatnonzero((folds != fold) & known), np.flatnonzero(folds == fold)
        inner = deal_folds(groups[learn], 6, seed=seed)
        fits.append(
            fit_recipe(
                recipe,
                names,
                pooled,
                labels,
                learn[inner != 0],
                learn[inner == 0],
                seed=seed + int(fold),
                device=device,
            )
        )
        predicted[held] = fits[-1].predict(pooled[held])
    return Nets(pooling=pooling, fits=tuple(fits)), predicted


def _pooled(pooling: Pooling, clips: Modalities) -> Modalities:
    """Give each modality as one row of statistics a clip."""
    rows, has = pooling.pool(clips)
    owners = pooling.owners()
    return Modalities(
        {
            name: [row if there else None for row, there in zip(rows[:, owners == place], has[:, place], strict=True)]
            for place, (name, _, _) in enumerate(pooling.blocks)
        }
    )


def _recipe(pooled: Modalities, names: Sequence[str], clips: int) -> Recipe:
    epochs = min(_EPOCHS, max(2, STEPS * _CLIPS // max(1, clips)))
    fit = Fit(
        epochs=epochs, clips=_CLIPS, rate=1e-3, schedule="cosine", warmup=1, patience=8, loss={"mse": 0.5, "ccc": 0.5}
    )
    options = {"hidden": 128, "dropout": 0.3}
    parts = tuple(
        Part(
            feature=f"{own_feature(name, pooled.widths[name] or 1)}+name=m{place}",
            encoder="mlp",
            options=options,
            standardise=True,
            fit=fit,
        )
        for place, name in enumerate(names)
    )
    if len(parts) == 1:
        return Recipe(name="auto-net", parts=parts, fusion="linear", fit=fit)
    return Recipe(name="auto-net", parts=parts, fusion="concat", options={"hidden": 128}, fit=fit, modality_dropout=0.2)
