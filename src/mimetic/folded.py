"""Several checkpoints that act as one extractor: each clip is described by one that has not learned from it.

::

    FOLDER/folds.json       which inputs each of them has *not* learned from, by what they hold
          /fold-0 ...       the checkpoints
          /config.json ...  as in any of them, but for the weights

What none has learned from, all describe, and the mean of their rows is taken. So what a fusion sees of its training
clips is no better than what it will see of others.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from mimetic.models import Inputs, Model, ModelExtractor, Preparation, Rows
from mimetic.records import UsageError

FOLDS = "folds.json"


def is_folded(folder: Path) -> bool:
    """Tell whether a folder holds several checkpoints."""
    return (folder / FOLDS).is_file()


def fold_folder(folder: Path, fold: int) -> Path:
    """Name the folder of one of the checkpoints."""
    return folder / f"fold-{fold}"


def fingerprint_inputs(inputs: Inputs) -> str:
    """Give a short name for what goes into a model: hex of BLAKE2b over its arrays."""
    state = hashlib.blake2b(digest_size=8)
    for name, array in sorted(inputs.arrays.items()):
        state.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        state.update(np.ascontiguousarray(array).data)
    return state.hexdigest()


class Folded:
    """The extractor.

    Parameters
    ----------
    make
        makes the extractor of one checkpoint's folder.

    Raises
    ------
    UsageError
        if the folder's record cannot be read.
    """

    def __init__(self, folder: Path, make: Callable[[Path], ModelExtractor]) -> None:
        try:
            told = json.loads((folder / FOLDS).read_text("utf-8"))
            self._unseen = {name: fold for fold, names in enumerate(told["unseen"]) for name in names}
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UsageError(f"{folder / FOLDS} cannot be read ({error})", remedy="Tune the encoder anew.") from None
        self._extractors = [make(fold_folder(folder, fold)) for fold in range(len(told["unseen"]))]
        self.budget = self._extractors[0].budget

    def begin(self) -> Preparation:
        """Start on a clip: all of them take the same."""
        return self._extractors[0].begin()

    def load(self, device: str) -> FoldedModel:
        """Read the weights of all."""
        return FoldedModel([extractor.load(device) for extractor in self._extractors], self._unseen)


class FoldedModel:
    """The networks, and which of them has not learned from what."""

    def __init__(self, models: Sequence[Model], unseen: Mapping[str, int]) -> None:
        self._models, self._unseen = models, unseen

    def __call__(self, batch: Sequence[Inputs]) -> list[Rows]:
        """Give the rows of each: one network's, or the mean of all."""
        folds = [self._unseen.get(fingerprint_inputs(inputs)) for inputs in batch]
        rows: dict[int, list[Rows]] = {place: [] for place in range(len(batch))}
        for fold, model in enumerate(self._models):
            places = [place for place, of in enumerate(folds) if of in (None, fold)]
            if places:
                for place, found in zip(places, model([batch[place] for place in places]), strict=True):
                    rows[place].append(found)
        return [_mean(rows[place]) for place in range(len(batch))]


def _mean(rows: Sequence[Rows]) -> Rows:
    if len(rows) == 1:
        return rows[0]
    values = np.mean([each.values for each in rows], axis=0, dtype=np.float64).astype(np.float32)
    notes = {name: np.mean([each.notes[name] for each in rows], axis=0) for name in rows[0].notes}
    return Rows(values=values, notes=notes)
