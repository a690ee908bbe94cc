"""How far a score can be trusted: scores in, and how they vary over resampled clips; an interval or a comparison out.

The percentile bootstrap (Efron and Tibshirani 1993, chapter 13), on the resamples of ``mimetic.resampling``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike

from mimetic.records import Json, UsageError
from mimetic.resampling import Floats, Statistic, bootstrap, joined, sample_of, seeds_of, ways_of
from mimetic.scores import ERRORS, pearson


@dataclass(frozen=True, kw_only=True, slots=True)
class Interval:
    """A score and its interval, NaN where not defined: a single clip has no ends. ``targets`` holds one a column."""

    value: float
    low: float
    high: float
    targets: tuple[Interval, ...] = ()

    def as_json(self) -> Json:
        """Give value and ends as ``--json`` prints them; what is not defined is null."""
        return {"value": _plain(self.value), "low": _plain(self.low), "high": _plain(self.high)}


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """First minus second, on the same clips.

    Attributes
    ----------
    wins
        share of resamples in which the first is better.
    spread
        standard deviation of the difference over resamples: its standard error.
    chance
        two-sided p of no difference: twice the share of resamples on the far side of 0, never below 2 / resamples.
    """

    difference: float
    low: float
    high: float
    wins: float
    clips: int
    spread: float = math.nan
    chance: float = math.nan

    @property
    def verdict(self) -> str:
        """Which one is better, in words: neither, if the interval holds 0 or is not defined."""
        if not (self.low > 0 or self.high < 0):
            return f"no difference can be told at n = {self.clips:,}"
        return "first is better" if self.wins > 0.5 else "second is better"

    def clips_to_tell(self, difference: float | None = None, *, power: float = 0.8, level: float = 0.95) -> float:
        """Give how many clips it would take to tell a difference with this probability; NaN where none is defined.

        The standard error falls with the root of the number of clips (drawn as these were, with people and scripts
        as often shared): ``n ((z_level + z_power) spread / difference)^2``, the normal approximation.
        """
        wanted = self.difference if difference is None else difference
        if not wanted or math.isnan(wanted) or math.isnan(self.spread):
            return math.nan
        normal = NormalDist()
        reach = normal.inv_cdf((1 + level) / 2) + normal.inv_cdf(power)
        return math.ceil(self.clips * (reach * self.spread / wanted) ** 2)

    def as_json(self) -> Json:
        """Give the comparison as ``--json`` prints it; what is not defined is null."""
        names = ("difference", "low", "high", "wins", "spread", "chance")
        numbers = {name: _plain(getattr(self, name)) for name in names}
        return {**numbers, "clips": self.clips, "verdict": self.verdict, "clips_to_tell": _plain(self.clips_to_tell())}


def interval(
    target: ArrayLike,
    predicted: ArrayLike,
    *,
    statistic: Statistic = pearson,
    groups: ArrayLike | None = None,
    resamples: int = 10_000,
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """Give a score with its percentile interval.

    Two dimensions give the mean over targets, with ``.targets`` for each. A column that is constant in the data has no
    score, and then the mean has none. One that becomes constant in a resample is left out of that resample alone.

    >>> found = interval([0.0, 0.2, 0.4, 0.9, 1.0], [0.1, 0.1, 0.5, 0.6, 0.7], resamples=1000)
    >>> found.low < found.value < found.high
    True

    Parameters
    ----------
    target
        ``(clip,)`` or ``(clip, target)``; NaN where a label is missing.
    predicted
        the same, or with an axis ``seed`` before: the statistic is then averaged over the seeds, with the same
        resamples for all. The interval is over clips; how the seeds differ is not in it.
    groups
        ``(clip,)`` labels, such as the person: groups are drawn whole. ``(clip, 2)`` of two that cross, such as the
        person and the script: each is drawn whole by itself, and the interval spread to what both vary together.

    Raises
    ------
    UsageError
        if shapes do not fit, or ``resamples`` or ``level`` make no interval.
    """
    _check(resamples, level)
    values, ways = _scores(target, predicted, groups, statistic, resamples, seed)
    columns = tuple(
        _percentiles(value, joined(value, [way[:, column] for way in ways]), level)
        for column, value in enumerate(values)
    )
    if np.ndim(target) == 1:
        return columns[0]
    mean = float(values.mean())
    return replace(_percentiles(mean, joined(mean, [_mean_defined(way) for way in ways]), level), targets=columns)


def compare(
    target: ArrayLike,
    first: ArrayLike,
    second: ArrayLike,
    *,
    statistic: Statistic = pearson,
    groups: ArrayLike | None = None,
    resamples: int = 10_000,
    level: float = 0.95,
    seed: int = 0,
) -> Comparison:
    """Compare two sets of predictions on the same clips, resampled together: first minus second, mean over targets.

    Arguments and errors are ``interval``'s. More is better, except for the table ``ERRORS``; ties count half.

    >>> true = [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    >>> compare(true, true, [0.5, 0.2, 0.6, 0.4, 0.9, 0.8], resamples=1000).difference > 0
    True
    """
    _check(resamples, level)
    seeds, differences = len(seeds_of(target, first)), []
    for way in ways_of(groups):
        sample = sample_of(target, [first, second], way)
        values, drawn = (
            scores[:seeds].mean(axis=0) - scores[seeds:].mean(axis=0)
            for scores in bootstrap(sample, statistic, resamples, seed)
        )
        differences.append(_mean_defined(drawn))
    return _comparison(values.mean(), differences, statistic, level, int(sample.known.any(axis=1).sum()))


def _scores(
    target: ArrayLike, predicted: ArrayLike, groups: ArrayLike | None, statistic: Statistic, resamples: int, seed: int
) -> tuple[Floats, list[Floats]]:
    """Give the scores of the data, ``(target,)``, and of the resamples, ``(resample, target)`` for each way to draw."""
    ways = []
    for way in ways_of(groups):
        sample = sample_of(target, [predicted], way)
        values, drawn = (scores.mean(axis=0) for scores in bootstrap(sample, statistic, resamples, seed))
        ways.append(drawn)
    return values, ways


def _comparison(value: float, ways: Sequence[Floats], statistic: Statistic, level: float, clips: int) -> Comparison:
    """Give what the data's difference and the resamples', ``(resample,)`` for each way to draw, say."""
    differences = joined(value, ways)
    found = _percentiles(value, differences, level)
    gains = -differences if statistic in ERRORS.values() else differences
    gains = gains[~np.isnan(gains)]
    told = not math.isnan(found.low)
    return Comparison(
        difference=found.value,
        low=found.low,
        high=found.high,
        wins=float(np.heaviside(gains, 0.5).mean()) if told else math.nan,
        clips=clips,
        spread=float(gains.std()) if told else math.nan,
        chance=_chance(gains) if told else math.nan,
    )


def gap(
    first: tuple[ArrayLike, ArrayLike],
    second: tuple[ArrayLike, ArrayLike],
    *,
    statistic: Statistic = pearson,
    groups: tuple[ArrayLike | None, ArrayLike | None] = (None, None),
    resamples: int = 10_000,
    level: float = 0.95,
    seed: int = 0,
) -> Comparison:
    """Compare the scores of one system on two sets of clips that have none in common, resampled each by itself.

    Parameters
    ----------
    first, second
        ``(target, predicted)`` of a set of clips, as ``interval`` takes them.
    groups
        of the clips of both.
    """
    _check(resamples, level)
    one, other = (
        _scores(*clips, of, statistic, resamples, seed + i)
        for i, (clips, of) in enumerate(zip((first, second), groups, strict=True))
    )
    differences = [_mean_defined(mine - theirs) for mine, theirs in zip(one[1], other[1], strict=True)]
    clips = sum(_labelled(target) for target, _ in (first, second))
    return _comparison((one[0] - other[0]).mean(), differences, statistic, level, clips)


def gap_within(
    target: ArrayLike,
    predicted: ArrayLike,
    inside: ArrayLike,
    *,
    statistic: Statistic = pearson,
    groups: ArrayLike | None = None,
    resamples: int = 10_000,
    level: float = 0.95,
    seed: int = 0,
) -> Comparison:
    """Compare the scores of one system on some clips with those on the others, all resampled together.

    A group that has clips on both sides is drawn with both, so what it does to the one score it does to the other.

    Parameters
    ----------
    target, predicted
        ``(clip, target)``, and the same or with an axis ``seed`` before.
    inside
        ``(clip,)`` bool: the clips whose score comes first.
    """
    _check(resamples, level)
    true, seeds = np.asarray(target, dtype=np.float64), seeds_of(target, predicted)
    flags = np.asarray(inside, dtype=np.bool_)[:, None]
    both = np.concatenate([np.where(flags, true, np.nan), np.where(flags, np.nan, true)], axis=1)
    values, ways = _scores(both, np.concatenate([seeds, seeds], axis=2), groups, statistic, resamples, seed)
    columns = true.shape[1]
    differences = [_mean_defined(way[:, :columns]) - _mean_defined(way[:, columns:]) for way in ways]
    value = values[:columns].mean() - values[columns:].mean()
    return _comparison(value, differences, statistic, level, _labelled(true))


def _labelled(target: ArrayLike) -> int:
    """Count the clips that have any label."""
    known = ~np.isnan(np.asarray(target, dtype=np.float64))
    return int(known.reshape(len(known), -1).any(axis=1).sum())


def _chance(gains: Floats) -> float:
    """Give the two-sided p of resampled differences (Davison and Hinkley 1997, section 4.2): ties count half."""
    above = float(np.heaviside(gains, 0.5).sum())
    return min(1.0, 2.0 * (min(above, len(gains) - above) + 1.0) / (len(gains) + 1.0))


def holm(chances: ArrayLike) -> Floats:
    """Correct the p of many comparisons, so that claiming *any* false difference stays as rare as one would be.

    Holm's step-down method (1979, Scandinavian Journal of Statistics 6:65); NaN stays NaN and does not count.

    >>> holm([0.01, 0.04, 0.03]).tolist()
    [0.03, 0.06, 0.06]
    """
    given = np.asarray(chances, dtype=np.float64)
    corrected = np.full(given.shape, np.nan)
    order = np.argsort(given)[: np.count_nonzero(~np.isnan(given))]
    steps = given[order] * np.arange(len(order), 0, -1)
    corrected[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return corrected


def _check(resamples: int, level: float) -> None:
    if resamples < 1 or not 0 < level < 1:
        remedy = "Give at least one resample, and a level between 0 and 1."
        raise UsageError(f"{resamples} resamples at level {level} make no interval", remedy=remedy)


def _percentiles(value: float, drawn: Floats, level: float) -> Interval:
    """Give a value with the percentiles of its resamples; those in which it is not defined are left out."""
    kept = drawn[~np.isnan(drawn)]
    told = len(kept) and not math.isnan(value)
    low, high = np.quantile(kept, [(1 - level) / 2, (1 + level) / 2]) if told else (math.nan, math.nan)
    return Interval(value=float(value), low=float(low), high=float(high))


def _mean_defined(drawn: Floats) -> Floats:
    """Average over targets, ``(resample, target)``, what is not NaN; NaN where nothing is left."""
    defined = ~np.isnan(drawn)
    count = np.where(defined.any(axis=-1), defined.sum(axis=-1), np.nan)
    return np.asarray(np.where(defined, drawn, 0.0).sum(axis=-1) / count)


def _plain(number: float) -> float | None:
    return None if math.isnan(number) else number
