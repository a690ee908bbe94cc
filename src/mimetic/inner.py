"""Inner folds: the clips that a recipe trains on in; what it says of each of them without having seen it out.

::

    training clips ──► fold 1 held ──► of the others a sixth chooses the epoch, the rest trains ──► predictions
                       fold 2 held ──► ...

Clips that validate or test are not among them, and no clip that is predicted has chosen anything: so these scores can
choose settings, or weights of models, and validation stays what it is. Groups are never cut.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mimetic.automatic import group_column
from mimetic.recipes import Recipe
from mimetic.records import Dataset
from mimetic.runs import Run
from mimetic.splits import OFFICIAL, groups_of, split_dataset
from mimetic.stacking import deal_folds
from mimetic.store import Store
from mimetic.training import Watch, train_on
from mimetic.training.material import Shelf

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]

FOLDS = 3
"""Inner folds, if not told."""

CHOOSERS = 6
"""One in so many of the clips that are not held chooses the epoch."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Inner:
    """The labelled training clips, cut.

    ``rows`` are the data set's, ``(clip,)``; ``folds`` the fold that holds each, ``(clip,)``; ``shelves`` one a fold,
    whose data set has them alone: those that are held as its test part. ``by`` is what was kept together.
    """

    rows: Rows
    folds: Rows
    shelves: tuple[Shelf, ...]
    labels: Floats
    by: str | None

    def held(self) -> Iterator[tuple[Rows, Shelf]]:
        """Yield the places that each fold holds, and what is trained to predict them."""
        for fold, shelf in enumerate(self.shelves):
            yield np.flatnonzero(self.folds == fold), shelf


def cut_inner(
    dataset: Dataset, store: Store, split: str, *, folds: int = FOLDS, by: str | None = None, seed: int = 0
) -> Inner:
    """Cut the clips that a split trains on.

    Parameters
    ----------
    by
        the column (or ``transcript``) whose groups are kept whole; the data set's own people if not told.

    Raises
    ------
    BadData
        for fewer than two groups of labelled clips.
    UnknownName
        for a column that the data set does not have.
    """
    rows = split_dataset(dataset, split).train
    rows = rows[~np.isnan(dataset.labels[rows]).all(axis=1)]
    by = by or group_column(dataset)
    groups = np.arange(len(rows)) if by is None else groups_of(dataset, by)[rows]
    of = deal_folds(groups, folds, seed=seed)
    datasets = [_cut(dataset, rows, _parts(of == fold, groups, seed)) for fold in np.unique(of)]
    shelves = tuple(Shelf(one, store) for one in datasets)
    return Inner(rows=rows, folds=of, shelves=shelves, labels=dataset.labels[rows], by=by)


def _parts(held: NDArray[np.bool_], groups: Rows, seed: int) -> list[str]:
    """Name the part of each clip: ``test`` if it is held, ``valid`` if it chooses the epoch, else ``train``."""
    others = np.flatnonzero(~held)
    chooses = others[deal_folds(groups[others], CHOOSERS, seed=seed) == 0]
    parts = np.where(held, "test", "train").astype("<U5")
    parts[chooses] = "valid"
    return [str(part) for part in parts]


def _cut(dataset: Dataset, rows: Rows, parts: Sequence[str]) -> Dataset:
    clips = tuple(replace(dataset.clips[row], part=part) for row, part in zip(rows, parts, strict=True))
    columns = {name: tuple(values[row] for row in rows) for name, values in dataset.columns.items()}
    return replace(dataset, clips=clips, labels=dataset.labels[rows], columns=columns)


def train_held(
    shelf: Shelf,
    recipe: Recipe,
    out: Path,
    *,
    seed: int,
    device: str,
    watch: Watch = lambda _recipe, _seed, _line: None,
) -> Run:
    """Train a recipe on one inner fold; its run predicts the clips that the fold holds as its test part."""
    return train_on(shelf, replace(recipe, split=OFFICIAL), out, seed=seed, device=device, watch=watch)


def predict_held(
    inner: Inner,
    recipe: Recipe,
    out: Path,
    *,
    seed: int,
    device: str,
    watch: Watch = lambda _recipe, _seed, _line: None,
) -> Floats:
    """Give ``(clip, target)`` in the order of ``inner.rows``: what a recipe says of each clip that it has not seen."""
    predicted = np.zeros(inner.labels.shape)
    for places, shelf in inner.held():
        run = train_held(shelf, recipe, out, seed=seed, device=device, watch=watch)
        predicted[places] = run.outcome.part("test").predicted
    return predicted
