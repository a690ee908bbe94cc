"""Scores over resampled clips: predictions and a statistic in, its value in every resample out.

Clips, or whole groups of clips, are drawn again with replacement, as many as there are (Efron and Tibshirani 1993,
chapter 13); a resample is a row of counts. Correlation, concordance and squared error follow from sums over clips, so a
block of resamples is one matrix product. Any other statistic is computed resample by resample, and so is one whose sums
have lost their digits to cancellation: both ways agree.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mimetic.records import UsageError
from mimetic.scores import ccc, mse, pearson

Floats = NDArray[np.float64]
Statistic = Callable[[Floats, Floats], Any]
"""``(target, predicted)``, ``(clip,)`` each and without missing labels, to a number; NaN where it is not defined."""

_BLOCK_BYTES = 16 * 2**20  # of counts at a time: larger blocks are not faster, fresh memory is what costs
_CANCELLED = 1e-4  # a variance below this share of its mean square has lost too many digits


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Sample:
    """What is resampled.

    ``target`` is ``(clip, target)``, ``predicted`` ``(seed, clip, target)``, ``group`` ``(clip,)`` from 0.
    """

    target: Floats
    predicted: Floats
    group: NDArray[np.intp]
    groups: int

    @property
    def known(self) -> NDArray[np.bool_]:
        """Tell which labels are not missing, ``(clip, target)``."""
        return ~np.isnan(self.target)

    def score(self, statistic: Statistic, seed: int, column: int, counts: NDArray[Any]) -> float:
        """Compute the statistic of one seed and column directly, each group taken ``counts`` times."""
        times = counts[self.group].astype(np.intp) * self.known[:, column]
        clips = np.repeat(np.arange(len(times)), times)
        if not len(clips):
            return math.nan
        return float(statistic(self.target[clips, column], self.predicted[seed, clips, column]))


def sample_of(target: ArrayLike, predicted: list[ArrayLike], groups: ArrayLike | None) -> Sample:
    """Bring the arguments into one shape; all predictions one after the other along ``seed``."""
    seeds = np.concatenate([seeds_of(target, one) for one in predicted])
    labels = np.arange(seeds.shape[1]) if groups is None else np.asarray(groups)
    if labels.shape != seeds.shape[1:2]:
        raise UsageError(f"groups is {labels.shape} for {seeds.shape[1]} clips", remedy="Give one label a clip.")
    names, group = np.unique(labels, return_inverse=True)
    known = np.asarray(target, dtype=np.float64).reshape(seeds.shape[1:])
    return Sample(target=known, predicted=seeds, group=group, groups=len(names))


def seeds_of(target: ArrayLike, predicted: ArrayLike) -> Floats:
    """Give predictions as ``(seed, clip, target)``."""
    shape, values = np.shape(target), np.asarray(predicted, dtype=np.float64)
    seeds = values.shape[: values.ndim - len(shape)]
    if len(shape) not in (1, 2) or len(seeds) > 1 or values.shape != (*seeds, *shape):
        message = f"target is {shape} and predicted {values.shape}"
        raise UsageError(message, remedy="Give (clip,) or (clip, target), and predicted the same or (seed, ...) of it.")
    return values.reshape(*seeds or (1,), shape[0], *shape[1:] or (1,))


def ways_of(groups: ArrayLike | None) -> list[ArrayLike | None]:
    """Give each way in which clips are to be drawn: one; of two groupings, ``(clip, 2)``, both and what both share.

    Raises
    ------
    UsageError
        for more than two.
    """
    if groups is None or np.ndim(groups) == 1:
        return [groups]
    table = np.asarray(groups)
    if table.ndim != 2 or table.shape[1] not in (1, 2):
        raise UsageError(f"groups is {table.shape}", remedy="Give one label a clip, or two: (clip, 2).")
    if table.shape[1] == 1:
        return [table[:, 0]]
    numbers = np.column_stack([np.unique(way, return_inverse=True)[1] for way in table.T])
    together = np.unique(numbers, axis=0, return_inverse=True)[1].reshape(-1)
    return [numbers[:, 0], numbers[:, 1], together]


def joined(value: float, ways: Sequence[Floats]) -> Floats:
    """Give the draws of one number, ``(resample,)``, from those of each way of ``ways_of``.

    Clips that share people and, across them, scripts vary with both: the variance is that over people plus that over
    scripts minus that over what shares both (Cameron, Gelbach and Miller 2011, Journal of Business & Economic
    Statistics 29:238), and no less than either. The draws of the way that varies more are spread to it.
    """
    if len(ways) == 1 or any(np.isnan(way).all() for way in ways):
        return ways[0]
    one, other, both = (float(np.nanvar(way)) for way in ways)
    wider, most = (ways[0], one) if one >= other else (ways[1], other)
    if not most:
        return wider
    spread: Floats = value + (wider - value) * math.sqrt(max(one + other - both, most) / most)
    return spread


def _counts(groups: int, resamples: int, seed: int) -> Iterator[tuple[int, Floats]]:
    """Yield blocks of resamples: the first one's place, and counts ``(resample, group)``, to be used at once."""
    draw = np.random.default_rng(seed)
    small = np.min_scalar_type(groups - 1)  # two bytes instead of eight draw seven times as fast
    block = np.empty((min(resamples, max(1, _BLOCK_BYTES // (8 * groups))), groups))
    for start in range(0, resamples, len(block)):
        rows = block[: resamples - start]
        for row in rows:
            row[:] = np.bincount(draw.integers(groups, size=groups, dtype=small), minlength=groups)
        yield start, rows


def bootstrap(sample: Sample, statistic: Statistic, resamples: int, seed: int) -> tuple[Floats, Floats]:
    """Give the statistic of the data, ``(seed, target)``, and of the resamples, ``(seed, resample, target)``.

    Where the data's is NaN, so are the resamples', and where there is a single group, for they would all be the data.
    """
    seeds, _, columns = sample.predicted.shape
    once = np.ones(sample.groups)
    values = np.array([[sample.score(statistic, s, c, once) for c in range(columns)] for s in range(seeds)])
    drawn = np.full((seeds, resamples, columns), np.nan)
    if sample.groups < 2:
        return values, drawn
    quick = _Moments(sample, _FORMULAS[statistic]) if statistic in _FORMULAS else None
    wanted = ~np.isnan(values)[:, None, :]
    for start, counts in _counts(sample.groups, resamples, seed):
        block = drawn[:, start : start + len(counts)]
        settled = quick.fill(block, counts) if quick else np.zeros(block.shape, bool)
        for s, row, c in np.argwhere(wanted & ~settled):
            block[s, row, c] = sample.score(statistic, s, c, counts[row])
    drawn[np.broadcast_to(~wanted, drawn.shape)] = np.nan
    return values, drawn


Formula = Callable[[Floats, Floats, Floats, Floats], Floats]
"""A statistic from the variances of target and prediction, their covariance, and the difference of their means."""

_FORMULAS: Mapping[Statistic, Formula] = {
    pearson: lambda var_x, var_y, cov, _: np.clip(cov / np.sqrt(var_x) / np.sqrt(var_y), -1.0, 1.0),
    ccc: lambda var_x, var_y, cov, gap: 2.0 * cov / (var_x + var_y + gap**2),
    mse: lambda var_x, var_y, cov, gap: np.maximum(var_x + var_y - 2.0 * cov + gap**2, 0.0),
}


class _Moments:
    """Sums of 1, x, xx, y, yy, xy over each group's clips: with counts, those of any resample.

    Columns are centred on their mean in the data first, so that little cancels. The seeds are multiplied one by one:
    equal predictions then get equal bits, and a comparison of a run with itself is exactly zero.
    """

    def __init__(self, sample: Sample, formula: Formula) -> None:
        self._formula = formula
        x, mean_x = _centred(sample.target, sample.known)
        y, mean_y = _centred(sample.predicted, sample.known)
        self._gap = (mean_x - mean_y)[:, None, :]
        self._shared = _by_group(np.stack([sample.known, x, x * x], axis=-2), sample)
        self._own = _by_group(np.stack([y, y * y, x * y], axis=-2), sample)

    def fill(self, block: Floats, counts: Floats) -> NDArray[np.bool_]:
        """Write the statistic of each ``(seed, resample, target)``; tell which have kept their digits."""
        seeds, draws, columns = block.shape
        n, x, xx = np.moveaxis((counts @ self._shared).reshape(draws, 3, columns), 1, 0)
        y, yy, xy = np.moveaxis((counts @ self._own).reshape(seeds, draws, 3, columns), 2, 0)
        with np.errstate(divide="ignore", invalid="ignore"):  # what this makes is not settled, and replaced
            x, xx, y, yy, xy = x / n, xx / n, y / n, yy / n, xy / n
            var_x, var_y = xx - x * x, yy - y * y
            block[:] = self._formula(var_x, var_y, xy - x * y, self._gap + x - y)
        settled: NDArray[np.bool_] = (var_x > _CANCELLED * xx) & (var_y > _CANCELLED * yy)
        return settled


def _centred(values: Floats, known: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Take the mean over the known clips off: give what is left, 0 where unknown, and the mean."""
    mean = np.where(known, values, 0.0).sum(axis=-2) / np.maximum(known.sum(axis=0), 1)
    return np.where(known, values - mean[..., None, :], 0.0), mean


def _by_group(terms: Floats, sample: Sample) -> Floats:
    """Add up ``(..., clip, term, target)`` within groups: ``(..., group, term * target)``."""
    flat = terms.reshape(*terms.shape[:-2], -1)
    order = np.argsort(sample.group, kind="stable")
    starts = np.searchsorted(sample.group[order], np.arange(sample.groups))
    sums: Floats = np.add.reduceat(flat[..., order, :], starts, axis=-2)
    return sums
