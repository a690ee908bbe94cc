"""Several models become one, and say how sure they are: fair predictions and labels in; weights and intervals out.

*Fair* (out of fold) predictions are of clips that the model which made them has not seen, nor their group. From them
alone it is learned how to mix models (Wolpert 1992, Neural Networks 5:241; without negative weights: Breiman 1996,
Machine Learning 24:49), how to bring a score to the labels' scale, and how far a prediction is off (split-conformal
intervals: Papadopoulos et al. 2002, ECML; Lei et al. 2018, JASA 113:1094).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import nnls

from mimetic.records import BadData, BadRun, Json, find
from mimetic.runs import Outcome
from mimetic.scores import pearson

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]

LEVEL = 0.9
"""Share of clips whose label a prediction interval is to hold."""

ENDS = 3
"""Labels at both ends from which on the ends are taken for those of a scale."""


# ----------------------------------------------------------------------------------------------- folds


def deal_folds(groups: ArrayLike, folds: int, *, seed: int = 0) -> Rows:
    """Deal clips out to folds, all of a group to the same one: ``(clip,)`` numbers from 0.

    The largest groups first, each to the fold that has the fewest clips; groups of one size in an order that belongs
    to the seed.

    Raises
    ------
    BadData
        if there are fewer groups than two.
    """
    _, group, sizes = np.unique(np.asarray(groups), return_inverse=True, return_counts=True)
    if len(sizes) < 2:
        raise BadData(f"{len(sizes)} groups of clips cannot be held out in turn", remedy="Two are the fewest.")
    order = np.random.default_rng(seed).permutation(len(sizes))
    order = order[np.argsort(-sizes[order], kind="stable")]
    held, fold_of = np.zeros(min(folds, len(sizes)), np.intp), np.zeros(len(sizes), np.intp)
    for place in order:
        fold_of[place] = held.argmin()
        held[fold_of[place]] += sizes[place]
    folds_of: Rows = fold_of[group.reshape(-1)]
    return folds_of


def predict_out_of_fold(fit_predict: Callable[[Rows, Rows], Floats], folds: Rows) -> Floats:
    """Give ``(clip, target)`` predictions of each clip by a model that has not seen its fold.

    ``fit_predict`` takes the rows to learn from and those to predict, and gives the latter's ``(clip, target)``. It may
    be any model's; what it chooses, it has to choose on the rows to learn from.
    """
    parts = [(np.flatnonzero(folds == fold), np.flatnonzero(folds != fold)) for fold in np.unique(folds)]
    predicted = [fit_predict(others, held) for held, others in parts]
    whole = np.zeros((len(folds), predicted[0].shape[1]))
    for (held, _), values in zip(parts, predicted, strict=True):
        whole[held] = values
    return whole


def join_folds(outcomes: Sequence[Outcome]) -> Outcome:
    """Join what runs on the folds ``1/k`` to ``k/k`` say of their validation clips: out-of-fold predictions of all.

    Raises
    ------
    BadRun
        if a clip was validated twice, or there is none.
    """
    parts = [outcome.part("valid") for outcome in outcomes]
    clips = [clip for part in parts for clip in part.clips]
    if len(set(clips)) < len(clips) or not clips:
        remedy = "Give one run for each of the folds 1/k to k/k."
        raise BadRun("these runs do not validate each clip once", remedy=remedy)
    return Outcome(
        clips=tuple(clips),
        parts=("valid",) * len(clips),
        true=np.concatenate([part.true for part in parts]),
        predicted=np.concatenate([part.predicted for part in parts]),
        presence=np.concatenate([part.presence for part in parts]),
    )


# -------------------------------------------------------------------------------------------- mixtures


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Mixture:
    """A weighted sum of models: ``weights`` ``(member, target)``, ``intercept`` ``(target,)``."""

    weights: Floats
    intercept: Floats

    def mix(self, predicted: Floats) -> Floats:
        """Give ``(clip, target)`` from ``(member, clip, target)``."""
        mixed: Floats = np.einsum("mct,mt->ct", predicted, self.weights) + self.intercept
        return mixed


Weigh = Callable[[Floats, Floats], Floats]
"""Takes ``(clip, member)`` and ``(clip,)``, both centred; gives ``(member,)``."""


def _nonnegative(predicted: Floats, target: Floats) -> Floats:
    weights: Floats = nnls(predicted, target)[0]
    return weights


def _ridge(predicted: Floats, target: Floats) -> Floats:
    """Least squares, drawn towards equal weights: as if each member had been seen on a tenth more clips."""
    gram = predicted.T @ predicted
    gram.flat[:: len(gram) + 1] += 0.1 * max(float(np.trace(gram)) / len(gram), 1e-12)
    weights: Floats = np.linalg.solve(gram, predicted.T @ target)
    return weights


def _mean(predicted: Floats, target: Floats) -> Floats:
    """Equal weights of members of equal spread; calibrated."""
    spread = predicted.std(axis=0)
    weights = np.where(spread > 1e-12, 1.0 / np.maximum(spread, 1e-12), 0.0)
    return weights * _slope(predicted @ weights, target)


MIXTURES: dict[str, Weigh] = {"non-negative": _nonnegative, "ridge": _ridge, "mean": _mean}
"""Ways to weigh several models."""


def fit_mixture(predicted: Floats, labels: Floats, how: str = "non-negative") -> Mixture:
    """Learn a mixture of models from their fair predictions, each target by itself.

    Parameters
    ----------
    predicted, labels
        ``(member, clip, target)`` and ``(clip, target)``, NaN where nobody said.
    how
        one of ``MIXTURES``, or the place of a member that is taken alone, as text.

    Notes
    -----
    A target of which no member knows anything would get no weight at all, and a constant score; it keeps a hundredth of
    the members' mean, so that its order is theirs.
    """
    weigh = _only(int(how)) if how.isdecimal() else find(MIXTURES, how, "mixture")
    weights = np.zeros((len(predicted), labels.shape[1]))
    intercept = np.zeros(labels.shape[1])
    for target in range(labels.shape[1]):
        known = ~np.isnan(labels[:, target])
        if not known.any():
            continue
        given, label = predicted[:, known, target].T, labels[known, target]
        mean, level = given.mean(axis=0), label.mean()
        found = weigh(given - mean, label - level)
        found = found if found.any() else np.full(len(found), 0.01 / len(found))
        weights[:, target], intercept[target] = found, level - mean @ found
    return Mixture(weights=weights, intercept=intercept)


def _only(member: int) -> Weigh:
    def weigh(predicted: Floats, target: Floats) -> Floats:
        weights = np.zeros(predicted.shape[1])
        weights[member] = _slope(predicted[:, member], target)
        return weights

    return weigh


def _slope(predicted: Floats, target: Floats) -> float:
    """Give the slope of a regression; a hundredth where it would turn the order round."""
    squares = float(predicted @ predicted)
    return max(float(predicted @ target) / squares, 0.01) if squares > 0 else 0.01


def choose_mixture(predicted: Floats, labels: Floats, folds: Rows) -> tuple[str, Mixture, Floats, dict[str, float]]:
    """Choose among members alone and mixtures of them by the mean Pearson on folds that the weights have not seen.

    A mixture is taken only where it is better than the best member alone. Correlations are taken within folds, and
    averaged: over all folds together they would be drawn below zero, as a fold's prediction leans to the others' mean.

    Returns
    -------
    what was chosen (a member's place as text, or one of ``MIXTURES``), the mixture, its fair predictions ``(clip,
    target)``, and the score of each candidate.
    """
    names = [str(place) for place in range(len(predicted))] + (list(MIXTURES) if len(predicted) > 1 else [])
    fair = {name: mix_fairly(predicted, labels, folds, name) for name in names}
    scores = {name: mean_within(labels, values, folds) for name, values in fair.items()}
    best = max(names, key=lambda name: scores[name])
    return best, fit_mixture(predicted, labels, best), fair[best], scores


def mix_fairly(predicted: Floats, labels: Floats, folds: Rows, how: str) -> Floats:
    """Give ``(clip, target)``: what a mixture says of each clip whose weights have not seen its fold."""
    return predict_out_of_fold(
        lambda learn, held: fit_mixture(predicted[:, learn], labels[learn], how).mix(predicted[:, held]), folds
    )


def mean_within(labels: Floats, predicted: Floats, folds: Rows) -> float:
    """Give the mean over folds of the mean Pearson within each."""
    parts = [folds == fold for fold in np.unique(folds)]
    return float(np.mean([mean_defined(pearson(labels[rows], predicted[rows])) for rows in parts]))


def mean_defined(scores: Floats) -> float:
    """Average the scores that are defined; 0 where none is."""
    known = np.atleast_1d(scores)[~np.isnan(np.atleast_1d(scores))]
    return float(known.mean()) if len(known) else 0.0


# ---------------------------------------------------------------------------------------- calibration


def calibrate(labels: Floats, predicted: Floats) -> tuple[Floats, Floats]:
    """Give the slope and the intercept, ``(target,)`` each, that bring predictions to the labels' scale.

    Least squares, the slope kept above zero: so each target's Pearson correlation stays as it is.
    """
    mixture = fit_mixture(predicted[None], labels, "0")
    return mixture.weights[0], mixture.intercept


# ------------------------------------------------------------------------------------------- intervals


@dataclass(frozen=True, kw_only=True, slots=True)
class Margins:
    """How far from a prediction the label may be: half widths and the labels' range, ``(target,)`` each.

    ``source`` says which residuals they are from. A target of too few clips has an infinite half width.
    """

    half: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    source: str
    level: float = LEVEL

    def around(self, predicted: Floats) -> Floats:
        """Give ``(clip, target, 2)``: the ends of each interval, within the labels' range."""
        half, low, high = np.array(self.half), np.array(self.low), np.array(self.high)
        ends = np.stack([predicted - half, predicted + half], axis=-1)
        clipped: Floats = np.clip(ends, low[:, None], high[:, None])
        return clipped

    def as_json(self) -> Json:
        """Give what a run's folder keeps; an end that is infinite is null."""
        ends = {name: [_finite(value) for value in getattr(self, name)] for name in ("half", "low", "high")}
        return {**ends, "source": self.source, "level": self.level}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Margins:
        """Read what ``as_json`` gave."""
        ends = {
            name: tuple(default if value is None else float(value) for value in content[name])
            for name, default in (("half", math.inf), ("low", -math.inf), ("high", math.inf))
        }
        return cls(**ends, source=str(content["source"]), level=float(content["level"]))


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def conformal(labels: Floats, predicted: Floats, *, source: str, level: float = LEVEL) -> Margins:
    """Give the margins that hold a new clip's label with probability ``level``, each target by itself.

    The ``ceil((n + 1) level)``-th smallest of ``n`` absolute residuals: with predictions that have not seen the clips,
    and new clips that are like them, the promise holds whatever the model and the labels' distribution are.
    """
    half, ranges = [], list(_ranges(labels))
    for target, guess in zip(labels.T, predicted.T, strict=True):
        residuals = np.sort(np.abs(target - guess)[~np.isnan(target)])
        rank = math.ceil((len(residuals) + 1) * level)
        half.append(float(residuals[rank - 1]) if rank <= len(residuals) else math.inf)
    low, high = zip(*ranges, strict=True)
    return Margins(half=tuple(half), low=low, high=high, source=source, level=level)


def _ranges(labels: Floats) -> Iterator[tuple[float, float]]:
    """Give each target's range: 0 to 1 for shares, the ends of a scale that several clips reach, else no ends."""
    for target in labels.T:
        known = target[~np.isnan(target)]
        low, high = (float(known.min()), float(known.max())) if len(known) else (-math.inf, math.inf)
        if low >= 0 and high <= 1:
            yield 0.0, 1.0
        elif min((known == low).sum(), (known == high).sum()) >= ENDS:
            yield low, high
        else:
            yield -math.inf, math.inf
