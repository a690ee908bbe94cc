"""Which clips train, which validate, which test: a Dataset and a split's name in, rows out.

``2:1`` is the official split (8,072 to 4,588 clips is 1.76 to 1; the poster's name for it). ``4:1`` is our reading of
the poster's second one: all labelled clips cut anew, four to one, with one fixed seed for everybody. Test clips stay
what they are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mimetic.records import BadData, Dataset, UnknownName

SPLITS = ("2:1", "4:1")
_SEED = 41  # of the 4:1 cut: fixed, so that everybody's is the same


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Split:
    """Rows of the data set, in ascending order: ``(clip,)`` each, none in two of them."""

    name: str
    train: NDArray[np.intp]
    valid: NDArray[np.intp]
    test: NDArray[np.intp]

    def part_of(self, clips: int) -> list[str]:
        """Name each clip's part: ``train``, ``valid``, ``test``, or ``rest`` where it is in none."""
        parts = np.full(clips, "rest", dtype="<U5")
        for name in ("train", "valid", "test"):
            parts[getattr(self, name)] = name
        return [str(part) for part in parts]


def split_dataset(dataset: Dataset, name: str) -> Split:
    """Cut a data set.

    Raises
    ------
    UnknownName
        for a split that does not exist.
    BadData
        if training or validation would be without clips.
    """
    if name not in SPLITS:
        raise UnknownName("split", name, SPLITS)
    test = dataset.indices("test")
    if name == "2:1":
        train, valid = dataset.indices("train"), dataset.indices("valid")
    else:
        train, valid = _recut(np.flatnonzero(~np.isnan(dataset.labels).all(axis=1)), test)
    for part, rows in (("training", train), ("validation", valid)):
        if not len(rows):
            remedy = "Give it a column 'part' with train and valid, or cut it anew with --set split=4:1."
            raise BadData(f"{dataset.name} has no {part} clips at split {name}", remedy=remedy)
    return Split(name=name, train=train, valid=valid, test=test)


def _recut(labelled: NDArray[np.intp], test: NDArray[np.intp]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    clips = np.random.default_rng(_SEED).permutation(np.setdiff1d(labelled, test))
    cut = len(clips) - len(clips) // 5
    return np.sort(clips[:cut]), np.sort(clips[cut:])
