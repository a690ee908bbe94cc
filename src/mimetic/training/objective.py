"""What a stage minimises: labels, and what a network says of a step's clips, in; one number out.

Whatever a recipe does not choose costs nothing and changes no bit: then the loss is the mixture of its metrics alone.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mimetic.evidence.agreement import raters_of
from mimetic.network import Outputs
from mimetic.recipes import Recipe
from mimetic.scores import deviance, mixture

Floats = NDArray[np.float64]


class Objective:
    """The loss of a recipe on a data set.

    Parameters
    ----------
    labels
        ``(clip, target)`` of the whole data set, NaN where nobody said.
    train
        the training clips: what a target's spread and frequency are measured on.
    """

    def __init__(self, recipe: Recipe, labels: Floats, train: NDArray[np.intp], device: torch.device) -> None:
        self._recipe, self._fit = recipe, recipe.fit
        self._labels = torch.from_numpy(labels.astype(np.float32)).to(device)
        own = labels[train]
        columns = _tensor(1.0 / frequency(own), device) if self._fit.frequency else None
        self._loss = mixture(self._fit.loss, columns=columns)
        self._scale = _tensor(spread(own), device) if self._fit.z_scored else None
        self._weights = _tensor(rater_weights(labels, train, self._fit.raters), device) if self._fit.raters else None

    def __call__(self, clips: NDArray[np.intp], outputs: Outputs, present: Tensor) -> Tensor:
        """Give the loss of a step; ``present`` is ``(clip, modality)`` bool, false where missing or dropped."""
        rows = torch.from_numpy(clips).to(self._labels.device)
        target = self._labels[rows]
        weights = None if self._weights is None else self._weights[rows]
        loss = self._of(target, outputs.scores, weights)
        if self._fit.hurdle and outputs.gates is not None:
            loss = loss + self._fit.hurdle * deviance(_is_there(target), outputs.gates, weights).nan_to_num().mean()
        if self._recipe.auxiliary:
            alone = [
                self._of(target.where(present[:, modality, None], torch.nan), scores, weights)
                for modality, scores in enumerate(outputs.alone)
            ]
            loss = loss + self._recipe.auxiliary * torch.stack(alone).mean()
        return loss

    def _of(self, target: Tensor, scores: Tensor, weights: Tensor | None) -> Tensor:
        if self._scale is not None:
            target, scores = target / self._scale, scores / self._scale
        loss: Tensor = self._loss(target, scores, weights)
        return loss


def _is_there(target: Tensor) -> Tensor:
    """Tell where a label is above 0, as 1 and 0; NaN stays."""
    return torch.where(target.isnan(), target, (target > 0).to(target.dtype))


def _tensor(values: Floats, device: torch.device) -> Tensor:
    return torch.from_numpy(values.astype(np.float32)).to(device)


def frequency(labels: Floats) -> Floats:
    """Give how often each target is above 0, ``(target,)``, scaled so that the inverse has mean 1.

    A target that never is counts like the rarest of the others.
    """
    known = ~np.isnan(labels)
    share = ((labels > 0) & known).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    share = np.where(share > 0, share, share[share > 0].min() if (share > 0).any() else 1.0)
    scaled: Floats = share * np.mean(1.0 / share)
    return scaled


def spread(labels: Floats) -> Floats:
    """Give each target's deviation, ``(target,)``; 1 where it has none."""
    known = ~np.isnan(labels)
    count = np.maximum(known.sum(axis=0), 1)
    mean = np.where(known, labels, 0.0).sum(axis=0) / count
    deviation = np.sqrt((np.where(known, labels - mean, 0.0) ** 2).sum(axis=0) / count)
    return np.where(deviation > 1e-6, deviation, 1.0)


def rater_weights(labels: Floats, train: NDArray[np.intp], power: float) -> Floats:
    """Give each clip's weight, ``(clip,)``: its raters' number to a power, of mean 1 over the training clips.

    What a clip's labels do not betray (nothing but zeros and ones, no shares) counts 1.
    """
    raters = raters_of(labels)
    weights = np.where(raters > 0, np.maximum(raters, 1).astype(np.float64) ** power, np.nan)
    told = weights[train][~np.isnan(weights[train])]
    return np.nan_to_num(weights / told.mean(), nan=1.0) if len(told) else np.ones(len(labels))
