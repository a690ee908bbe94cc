"""A system's score on some clips and on the others: runs, their data set and its features in, slices out.

``--slices`` names columns of the data set and what ``KINDS`` can tell besides. Each slice is set against all other
clips of which the same is known, resampled together; the p of all slices that are asked for at once are corrected
together (Holm), since among forty of them two differ by chance.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mimetic.cutting import KINDS, Judged, cut_by
from mimetic.evaluation import Floats, stacked, without_score
from mimetic.evidence.intervals import Comparison, Interval, gap_within, holm, interval
from mimetic.evidence.slices import Cut, Flags, too_few
from mimetic.records import BadRun, Dataset, Json, UnknownName
from mimetic.runs import Run
from mimetic.scores import mae
from mimetic.sharing import Grouping, rows_of
from mimetic.store import Store

RESAMPLES = 5_000
"""Of each slice: enough that the least p that they can give is still small when a hundred are corrected together."""

LEVEL = 0.05
"""Probability of claiming any gap where there is none."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Slice:
    """Some clips and the score on them. ``few`` says why there is none; targets that never vary here are undefined.

    ``gap`` is their score minus that of all others, ``corrected`` its p among all slices that were asked for.
    """

    name: str
    clips: int
    few: str = ""
    undefined: tuple[str, ...] = ()
    mean_pearson: Interval | None = None
    mae: float = math.nan
    gap: Comparison | None = None
    corrected: float = math.nan

    @property
    def verdict(self) -> str:
        """Say whether they differ from the others, as far as can be told after so many looks."""
        if self.undefined:
            vary = "never vary" if len(self.undefined) > 1 else "never varies"
            return f"undefined: {', '.join(self.undefined)} {vary} here"
        if self.few or self.gap is None:
            return self.few
        if math.isnan(self.gap.difference):
            return "undefined: the others have no score"
        if not self.corrected <= LEVEL:
            return "no gap can be told"
        return "better than the others" if self.gap.difference > 0 else "worse than the others"

    def as_json(self) -> Json:
        """Give the slice as ``--json`` prints it."""
        gap = None
        if self.gap is not None:
            told = self.gap.as_json()
            names = ("difference", "low", "high", "chance")
            gap = {name: told[name] for name in names} | {"corrected": self.corrected, "verdict": self.verdict}
        score = None if self.mean_pearson is None else self.mean_pearson.as_json()
        return {
            "name": self.name,
            "clips": self.clips,
            "few": self.few or None,
            "undefined": list(self.undefined),
            "mean_pearson": score,
            "mae": self.mae,
            "gap": gap,
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class Sliced:
    """One way to look: its slices, or the reason why it cannot be done."""

    by: str
    slices: tuple[Slice, ...]
    reason: str = ""

    def as_json(self) -> Json:
        """Give it as ``--json`` prints it."""
        return {"by": self.by, "reason": self.reason or None, "slices": [one.as_json() for one in self.slices]}


def slice_scores(
    runs: Sequence[Run],
    dataset: Dataset,
    store: Store | None,
    wanted: Sequence[str],
    *,
    part: str = "valid",
    groups: Grouping | None = None,
    resamples: int = RESAMPLES,
) -> tuple[Sliced, ...]:
    """Score one system on slices of a part.

    Parameters
    ----------
    store
        the data set's features, for what only they know (length, loudness, confidence).
    wanted
        columns of the data set and names of ``KINDS``; ``all`` stands for all of both.

    Raises
    ------
    UnknownName
        for what is neither.
    BadRun, BadData
        as ``evaluate``.
    """
    outcome, predicted = stacked(runs, part)
    judged = Judged(run=runs[0], outcome=outcome, dataset=dataset, store=store, rows=rows_of(dataset, outcome.clips))
    said = _Said(
        targets=runs[0].targets,
        true=outcome.true,
        predicted=predicted,
        groups=None if groups is None else groups.of_clips(outcome.clips),
        resamples=resamples,
    )
    names = [*dataset.columns, *(name for name in KINDS if name not in dataset.columns)]
    for name in wanted:
        if name not in (*names, "all"):
            raise UnknownName("slice", name, [*names, "all"])
    chosen = names if "all" in wanted else list(dict.fromkeys(wanted))
    return _corrected([_sliced(cut_by(name, judged), said) for name in chosen])


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Said:
    """What is known of all clips: labels, what every seed says, groups; and how often to draw."""

    targets: tuple[str, ...]
    true: Floats
    predicted: Floats
    groups: NDArray[np.intp] | None
    resamples: int

    def of(self, rows: Flags) -> tuple[Floats, dict[str, Any]]:
        """Give what is said of some clips, and how they are resampled."""
        groups = None if self.groups is None else self.groups[rows]
        return self.predicted[:, rows], {"groups": groups, "resamples": self.resamples}


def _sliced(cut: Cut, said: _Said) -> Sliced:
    slices = [_slice(name, cut, said) for name in cut.sets]
    if len(slices) == 2 and slices[0].gap is not None:  # the second's is the same, turned round
        slices[1] = replace(slices[1], gap=None)
    return Sliced(by=cut.by, slices=tuple(slices), reason=cut.reason)


def _slice(name: str, cut: Cut, said: _Said) -> Slice:
    """Score a set of clips, or of labels: flags ``(clip,)`` or ``(clip, target)``."""
    inside = cut.sets[name]
    rows = inside if inside.ndim == 1 else inside.any(axis=1)
    clips = int(rows.sum())
    if few := too_few(rows, rows, said.groups):
        return Slice(name=name, clips=clips, few=few)
    true = (said.true if inside.ndim == 1 else np.where(inside, said.true, np.nan))[rows]
    predicted, drawn = said.of(rows)
    score = interval(true, predicted, **drawn)
    return Slice(
        name=name,
        clips=clips,
        undefined=tuple(without_score(said.targets, true, score)),
        mean_pearson=score,
        mae=float(np.mean([mae(true, seed) for seed in predicted])),
        gap=_gap(rows, cut.known & ~rows, said) if inside.ndim == 1 else None,
    )


def _gap(inside: Flags, outside: Flags, said: _Said) -> Comparison | None:
    """Compare the scores on both sides, if there are enough clips on either."""
    if too_few(inside, outside, said.groups):
        return None
    both = inside | outside
    predicted, drawn = said.of(both)
    return gap_within(said.true[both], predicted, inside[both], **drawn)


def _corrected(found: Sequence[Sliced]) -> tuple[Sliced, ...]:
    """Correct the p of all gaps together."""
    chances = [one.gap.chance if one.gap else math.nan for sliced in found for one in sliced.slices]
    left = iter(holm(chances).tolist())
    return tuple(
        replace(sliced, slices=tuple(replace(one, corrected=next(left)) for one in sliced.slices)) for sliced in found
    )


# -------------------------------------------------------------------------- one wrong and the other right


@dataclass(frozen=True, kw_only=True, slots=True)
class Rescue:
    """A clip that one system gets wrong and the other right; errors are means over targets, in label deviations."""

    clip: str
    alone: float
    fused: float


def rescued(fusion: Sequence[Run], alone: Sequence[Run], *, part: str = "valid", most: int = 10) -> tuple[Rescue, ...]:
    """Give clips on which a single modality is wrong and the fusion right, the widest apart first.

    Wrong is to be among the quarter of clips with the largest errors, right to be in the better half.

    Raises
    ------
    BadRun
        if the runs were not scored on the same clips.
    """
    mine, predicted = stacked(fusion, part)
    other, their = stacked(alone, part)
    if mine.clips != other.clips:
        message = f"{fusion[0].path} and {alone[0].path} do not have the same {part} clips"
        raise BadRun(message, remedy="Only runs on one data set and split can be compared.")
    fused, single = (clip_errors(mine.true, said.mean(axis=0)) for said in (predicted, their))
    found = np.flatnonzero((single >= np.nanquantile(single, 0.75)) & (fused <= np.nanmedian(fused)))
    order = found[np.argsort(fused[found] - single[found], kind="stable")][:most]
    return tuple(Rescue(clip=mine.clips[i], alone=float(single[i]), fused=float(fused[i])) for i in order)


def clip_errors(true: Floats, predicted: Floats) -> Floats:
    """Give each clip's mean error over targets, in standard deviations of the labels; NaN without a label.

    ``true`` and ``predicted`` are ``(clip, target)``. A rare target counts like a common one.
    """
    known, deviation = ~np.isnan(true), label_deviations(true)
    used = deviation > 0
    errors = np.where(known, np.abs(true - predicted), 0.0)[:, used] / deviation[used]
    counts = known[:, used].sum(axis=1)
    return np.where(counts > 0, errors.sum(axis=1) / np.maximum(counts, 1), np.nan)


def label_deviations(true: Floats) -> Floats:
    """Give the standard deviation of each target's labels; 0 where it has none."""
    known = ~np.isnan(true)
    count = np.maximum(known.sum(axis=0), 1)
    mean = np.where(known, true, 0.0).sum(axis=0) / count
    deviation: Floats = np.sqrt(np.where(known, (true - mean) ** 2, 0.0).sum(axis=0) / count)
    return deviation
