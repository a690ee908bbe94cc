"""How much of a score is look-up: the same script in training and in validation, with its labels.

In go transcripts, labels and what a system predicted; out come what the nearest training transcript's labels score by
themselves, and how the system scores on clips whose script training has seen, and on the others. The second is not
proof of the first: scripts that recur may be easier for other reasons. Both together are as much as can be told.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.feature_extraction.text import TfidfVectorizer

from mimetic.console import between, figure
from mimetic.evidence.intervals import Comparison, Interval, gap, interval
from mimetic.records import Json
from mimetic.scripts import script_groups

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]

AT_ONCE = 512
"""Texts that are compared with all training texts at a time."""

FEWEST = 20
"""Clips without which a set has no score worth telling."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Leakage:
    """What can be told of look-up on some clips.

    Attributes
    ----------
    clips, seen
        how many clips, and how many of them have a script that training has.
    transfer
        mean Pearson of the nearest training transcript's labels, over all clips with words.
    on_seen, on_unseen
        mean Pearson of the system on both sets; ``difference`` is seen minus unseen. ``None`` where one is too small.
    """

    clips: int
    seen: int
    transfer: Interval | None
    on_seen: Interval | None
    on_unseen: Interval | None
    difference: Comparison | None

    @property
    def sentence(self) -> str:
        """Say it in words."""
        told = [
            f"{self.seen:,} of {self.clips:,} clips ({self.seen / max(1, self.clips):.0%}) have a script of training."
        ]
        if self.transfer is not None:
            told.append(
                "The labels of the nearest training transcript alone score"
                f" {figure(self.transfer.value)} ({between(self.transfer)})."
            )
        if self.difference is None or self.on_seen is None or self.on_unseen is None:
            return " ".join([*told, "Too few clips are on one side to compare seen scripts with unseen ones."])
        told.append(
            f"On seen scripts the score is {figure(self.on_seen.value)}, on unseen {figure(self.on_unseen.value)}:"
        )
        size = f"{figure(self.difference.difference, sign=True)} ({between(self.difference, sign=True)})"
        if self.difference.low > 0:
            return " ".join([*told, f"{size}; part of it is look-up, or those scripts are easier."])
        return " ".join([*told, f"{size}; no look-up can be told."])

    def as_json(self) -> Json:
        """Give all of it, as ``--json`` prints it."""
        parts = {name: getattr(self, name) for name in ("transfer", "on_seen", "on_unseen", "difference")}
        told = {name: None if part is None else part.as_json() for name, part in parts.items()}
        return {"clips": self.clips, "seen": self.seen, **told, "sentence": self.sentence}


def transferred(texts: Sequence[str | None], labels: ArrayLike, train: Rows, rows: Rows) -> Floats:
    """Give for each of some clips the labels of the training clip whose transcript is nearest.

    Nearest by the cosine of words and pairs of words, weighted by how rare they are (tf-idf); the mean where several
    are equally near. NaN for a clip without words, or with none that training has.

    Parameters
    ----------
    texts
        of every clip; ``None`` where there is no transcript.
    labels
        ``(clip, target)``.
    train, rows
        which clips to take labels from, and which to give them to.
    """
    known = np.asarray(labels, dtype=np.float64)
    sources = np.array([row for row in train if texts[row] and not np.isnan(known[row]).any()], dtype=np.intp)
    given = np.full((len(rows), known.shape[1]), np.nan)
    asking = np.array([i for i, row in enumerate(rows) if texts[row]], dtype=np.intp)
    if not len(sources) or not len(asking):
        return given
    weigh = TfidfVectorizer(ngram_range=(1, 2), token_pattern=r"(?u)\b\w+\b", sublinear_tf=True)
    stored = weigh.fit_transform([texts[row] for row in sources])
    asked = weigh.transform([texts[rows[i]] for i in asking])
    for start in range(0, len(asking), AT_ONCE):
        likeness = (asked[start : start + AT_ONCE] @ stored.T).toarray()
        best = likeness.max(axis=1, keepdims=True)
        nearest = (likeness >= best - 1e-9) & (best > 0)
        count = nearest.sum(axis=1, keepdims=True)
        means = nearest @ known[sources] / np.maximum(count, 1)
        given[asking[start : start + AT_ONCE]] = np.where(count > 0, means, np.nan)
    return given


def measure(
    texts: Sequence[str | None],
    labels: ArrayLike,
    train: Rows,
    rows: Rows,
    predicted: ArrayLike,
    *,
    resamples: int = 10_000,
) -> Leakage:
    """Measure what can be told of look-up on some clips; intervals are over scripts, drawn whole.

    Parameters
    ----------
    texts, labels, train, rows
        as ``transferred`` takes them.
    predicted
        ``(row, target)``, or with an axis ``seed`` before: what the system says of ``rows``.
    """
    known, scores = np.asarray(labels, dtype=np.float64), np.asarray(predicted, dtype=np.float64)
    groups = script_groups([text or "" for text in texts])
    alone = np.arange(len(groups)) + len(groups)
    groups = np.where(groups < 0, alone, groups)  # a text too short to be a script is its own
    seen = np.isin(groups[rows], groups[train])
    target = known[rows]
    sets = {told: (target[which], scores[..., which, :], groups[rows][which]) for told, which in _sets(seen)}
    found = {told: _score(*of, resamples) for told, of in sets.items()}
    difference = None
    if all(found.values()):
        (one, one_groups), (other, other_groups) = (((t, p), g) for t, p, g in (sets[True], sets[False]))
        difference = gap(one, other, groups=(one_groups, other_groups), resamples=resamples)
    copied = transferred(texts, known, train, rows)
    has = ~np.isnan(copied).any(axis=1)
    return Leakage(
        clips=len(rows),
        seen=int(seen.sum()),
        transfer=_score(target[has], copied[has], groups[rows][has], resamples),
        on_seen=found[True],
        on_unseen=found[False],
        difference=difference,
    )


def _sets(seen: NDArray[np.bool_]) -> list[tuple[bool, NDArray[np.bool_]]]:
    return [(True, seen), (False, ~seen)]


def _score(target: Floats, predicted: Floats, groups: Rows, resamples: int) -> Interval | None:
    if len(target) < FEWEST:
        return None
    found = interval(target, predicted, groups=groups, resamples=resamples)
    return None if math.isnan(found.value) else found
