"""Which clips train, which validate, which test: a Dataset and a split's name in, rows out.

``2:1`` is the official split (8,072 to 4,588 clips is 1.76 to 1; the poster's name for it). ``4:1`` is our reading of
the poster's second one: all labelled clips cut anew, four to one, with one fixed seed for everybody. ``2/5`` is the
second of five folds: it validates, the other four train. ``2/5:person`` keeps together the clips of which the data
set's column ``person`` says the same, ``2/5:transcript`` those whose transcripts are near duplicates (``scripts``: half
of their pairs of words in common). A clip of which nobody knows stands for itself. ``all`` trains on every labelled
clip and validates on none: for a last fit, of which nothing can say how good it is. Test clips stay what they are.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import GroupKFold, KFold

from mimetic.records import BadData, Clip, ClipError, Dataset, UnknownName
from mimetic.scripts import script_groups
from mimetic.words import read_words

OFFICIAL, RECUT, ALL = "2:1", "4:1", "all"
SPLITS = (OFFICIAL, RECUT, ALL, "1/5", "1/5:COLUMN", "1/5:transcript")
"""How splits are written; folds with any numbers."""

TRANSCRIPT = "transcript"
_FOLD = re.compile(r"(\d+)/(\d+)(?::(.+))?")
_SEED = 41  # of every cut that is drawn: fixed, so that everybody's is the same

Rows = NDArray[np.intp]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Split:
    """Rows of the data set, in ascending order: ``(clip,)`` each, none in two of them."""

    name: str
    train: Rows
    valid: Rows
    test: Rows

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
        for a split that does not exist, or a column that the data set does not have.
    BadData
        if training or validation would be without clips.
    """
    train, valid = _cut(name)(dataset)
    for part, rows in (("training", train), ("validation", valid)):
        if not len(rows) and not (name == ALL and part == "validation"):
            wider = "4:1" if name != "4:1" else "1/2"
            remedy = f"Give it a column 'part' with train and valid, or cut it anew with --set split={wider}."
            raise BadData(f"{dataset.name} has no {part} clips at split {name}", remedy=remedy)
    return Split(name=name, train=train, valid=valid, test=dataset.indices("test"))


def _cut(name: str) -> Callable[[Dataset], tuple[Rows, Rows]]:
    """Give what cuts as the name says."""
    if name == OFFICIAL:
        return lambda dataset: (dataset.indices("train"), dataset.indices("valid"))
    if name == RECUT:
        return _recut
    if name == ALL:
        return lambda dataset: (_labelled(dataset), np.zeros(0, np.intp))
    found = _FOLD.fullmatch(name)
    if found is None or not 1 <= int(found[1]) <= int(found[2]) or int(found[2]) < 2:
        raise UnknownName("split", name, SPLITS)
    return lambda dataset: _fold(dataset, int(found[1]) - 1, int(found[2]), found[3])


def _labelled(dataset: Dataset) -> Rows:
    return np.setdiff1d(np.flatnonzero(~np.isnan(dataset.labels).all(axis=1)), dataset.indices("test"))


def _recut(dataset: Dataset) -> tuple[Rows, Rows]:
    clips = np.random.default_rng(_SEED).permutation(_labelled(dataset))
    cut = len(clips) - len(clips) // 5
    return np.sort(clips[:cut]), np.sort(clips[cut:])


def _fold(dataset: Dataset, number: int, folds: int, by: str | None) -> tuple[Rows, Rows]:
    clips = _labelled(dataset)
    groups = np.arange(len(clips)) if by is None else groups_of(dataset, by)[clips]
    if (several := len(set(groups.tolist()))) < folds:
        remedy = "Ask for fewer folds, or for other groups."
        raise BadData(
            f"{dataset.name} has {several} groups of labelled clips, too few for {folds} folds", remedy=remedy
        )
    if by is None:
        cuts = KFold(folds, shuffle=True, random_state=_SEED).split(clips)
    else:
        cuts = GroupKFold(folds).split(clips, groups=groups)
    train, valid = list(cuts)[number]
    return clips[train], clips[valid]


def groups_of(dataset: Dataset, by: str) -> Rows:
    """Give ``(clip,)`` numbers of groups: by a column, or by near-duplicate transcripts; what is unknown is alone.

    Raises
    ------
    UnknownName
        for a column that the data set does not have.
    """
    if by == TRANSCRIPT and by not in dataset.columns:
        groups = script_groups([text or "" for text in texts_of(dataset.clips)])
    else:
        said = np.array(dataset.column(by))
        groups = np.unique(said, return_inverse=True)[1].astype(np.intp)
        groups[said == ""] = -1
    unknown = groups < 0
    groups[unknown] = groups.max(initial=-1) + 1 + np.arange(np.count_nonzero(unknown))
    return groups


def texts_of(clips: Sequence[Clip]) -> list[str | None]:
    """Give what is said in each clip; ``None`` where there is no transcript that can be read."""
    return [_text(clip) for clip in clips]


def _text(clip: Clip) -> str | None:
    try:
        return read_words(clip).text
    except ClipError:
        return None
