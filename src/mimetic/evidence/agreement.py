"""How well labels agree with themselves, and hence the best score that any system can reach on them.

Two cases. Labels that are shares of raters, k of n who saw an emotion, betray their n: it is a multiple of the least
common multiple of the row's denominators. What n raters say scatters around what all would say like a binomial draw,
and that is noise no system can foresee. Where every rater's own number is known, the intraclass correlation and
Krippendorff's alpha say how much of it is the clips'.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mimetic.records import UsageError

Floats = NDArray[np.float64]

MOST_RATERS = 30
"""No larger denominator is taken for a number of raters: what needs one is no share of a few."""

_TOLERANCE = 5e-4
"""How far a label may be from its fraction: tables round to four digits, or to three."""


# ------------------------------------------------------------------------------------------ shares of raters


def raters_of(labels: ArrayLike, *, most: int = MOST_RATERS) -> NDArray[np.int64]:
    """Give the least number of raters whose shares each clip's labels can be; 0 where it cannot be told.

    The true number is this one or a multiple of it: of 2/4 and 1/4 it is 4, of 2/4 and 0/4 only 2. Rows of nothing but
    zeros and ones tell nothing, nor do labels that are no shares of so few.

    >>> raters_of([[0.5, 0.25], [2 / 3, 0.5], [0.0, 1.0], [0.123, 0.5]]).tolist()
    [4, 6, 0, 0]

    Parameters
    ----------
    labels
        ``(clip, target)``, within [0, 1]; NaN where nobody said.
    most
        the largest number to consider.
    """
    rows = np.atleast_2d(np.asarray(labels, dtype=np.float64))
    values, place = np.unique(rows, return_inverse=True)
    below = np.array([_denominator(value, most) for value in values], dtype=np.int64)[place.reshape(rows.shape)]
    least = np.lcm.reduce(np.maximum(below, 1), axis=1)
    told = (below > 0).all(axis=1) & (least > 1) & (least <= most)
    return np.where(told, least, 0)


def _denominator(value: float, most: int) -> int:
    """Give the least denominator of a share; 1 for NaN, which says nothing, and 0 for what is no share."""
    if math.isnan(value):
        return 1
    denominators = range(1, most + 1) if 0 <= value <= 1 else ()
    return next((n for n in denominators if abs(round(value * n) / n - value) <= _TOLERANCE), 0)


@dataclass(frozen=True, kw_only=True, slots=True)
class Reliability:
    """How much of a label's variance is the clips' own, and what follows.

    ``share`` is 1 minus the noise's part of the variance; ``limit`` its root, the correlation with the labels that a
    system would have that knew what all possible raters say. ``clips`` is on how many it rests.
    """

    share: float
    limit: float
    clips: int


def share_reliability(labels: ArrayLike, raters: ArrayLike | None = None) -> tuple[Reliability, ...]:
    """Give, for each target, how much of the shares' variance is more than the scatter of few raters.

    Of ``y = k / n`` the scatter around the true share is estimated without bias by ``y (1 - y) / (n - 1)``. Where n is
    read off the labels it is the least that fits, so that noise is over- and the limit underestimated; what the
    binomial does not know of (raters who differ among themselves all the time) is in neither.

    Parameters
    ----------
    labels
        ``(clip, target)``, within [0, 1]; NaN where nobody said.
    raters
        ``(clip,)`` how many there were, if that is known; 0 where it is not. Read off the labels if not given.
    """
    shares = np.atleast_2d(np.asarray(labels, dtype=np.float64))
    counts = raters_of(shares) if raters is None else np.asarray(raters)
    if counts.shape != shares.shape[:1]:
        raise UsageError(f"raters is {counts.shape} for {len(shares)} clips", remedy="Give one number a clip.")
    return tuple(_share_reliability(column, counts) for column in shares.T)


def _share_reliability(shares: Floats, raters: NDArray[np.int64]) -> Reliability:
    known = ~np.isnan(shares)
    told = known & ((raters > 1) | (shares == 0) | (shares == 1))  # of those the estimate is 0, whatever n is
    if told.sum() < 2 or not (total := shares[told].var()) > 0:
        return Reliability(share=math.nan, limit=math.nan, clips=int(told.sum()))
    y, n = shares[told], np.maximum(raters[told], 2)
    share = max(0.0, 1.0 - float((y * (1 - y) / (n - 1)).mean()) / float(total))
    return Reliability(share=share, limit=math.sqrt(share), clips=int(told.sum()))


# ----------------------------------------------------------------------------------------- rater by rater


@dataclass(frozen=True, kw_only=True, slots=True)
class IntraclassCorrelation:
    """Shrout and Fleiss' coefficients, of a single rater and of the mean of all.

    ``one`` of raters that differ from clip to clip, ``two`` of a sample of raters who all rated everything (absolute
    agreement), ``three`` of just these raters (consistency).
    """

    one: float
    one_mean: float
    two: float
    two_mean: float
    three: float
    three_mean: float


def intraclass_correlation(ratings: ArrayLike) -> IntraclassCorrelation:
    """Give the intraclass correlations of a complete table.

    Formulas and names: Shrout and Fleiss 1979, Psychological Bulletin 86:420.

    Parameters
    ----------
    ratings
        ``(clip, rater)``; every rater rated every clip. (With gaps, ``krippendorff_alpha`` is the one to take.)

    Raises
    ------
    UsageError
        for fewer than two clips or raters, or with a rating missing.
    """
    table = np.asarray(ratings, dtype=np.float64)
    if table.ndim != 2 or min(table.shape) < 2 or np.isnan(table).any():
        remedy = "Give (clip, rater), two of each at least and none missing; else take krippendorff_alpha."
        raise UsageError(f"ratings of shape {table.shape} are no complete table", remedy=remedy)
    clips, k = table.shape
    grand = table.mean()
    between = k * ((table.mean(axis=1) - grand) ** 2).sum() / (clips - 1)
    raters = clips * ((table.mean(axis=0) - grand) ** 2).sum() / (k - 1)
    within = ((table - table.mean(axis=1, keepdims=True)) ** 2).sum() / (clips * (k - 1))
    rest = (within * clips * (k - 1) - raters * (k - 1)) / ((clips - 1) * (k - 1))
    return IntraclassCorrelation(
        one=_ratio(between - within, between + (k - 1) * within),
        one_mean=_ratio(between - within, between),
        two=_ratio(between - rest, between + (k - 1) * rest + k * (raters - rest) / clips),
        two_mean=_ratio(between - rest, between + (raters - rest) / clips),
        three=_ratio(between - rest, between + (k - 1) * rest),
        three_mean=_ratio(between - rest, between),
    )


def krippendorff_alpha(ratings: ArrayLike, *, level: str = "interval") -> float:
    """Give Krippendorff's alpha: 1 minus observed over expected disagreement, whoever rated what.

    Krippendorff 2011, "Computing Krippendorff's alpha-reliability"; with values paired within clips. A clip with fewer
    than two ratings says nothing. NaN where all ratings are the same.

    Parameters
    ----------
    ratings
        ``(clip, rater)``, NaN where there is none.
    level
        what a difference means: ``nominal``, ``ordinal``, ``interval`` or ``ratio``.
    """
    if level not in DIFFERENCES:
        raise UsageError(f"there is no level {level!r}", remedy=f"There are: {', '.join(DIFFERENCES)}.")
    table = np.asarray(ratings, dtype=np.float64)
    table = table[(~np.isnan(table)).sum(axis=1) >= 2]
    if level == "interval":
        return _interval_alpha(table)
    values, counts = _counts(table)
    if not len(values):
        return math.nan
    size = counts.sum(axis=1, keepdims=True)
    pairs = (counts / (size - 1)).T @ counts - np.diag((counts / (size - 1)).sum(axis=0))
    totals = counts.sum(axis=0)
    squared = DIFFERENCES[level](values, totals)
    expected = (np.outer(totals, totals) * squared).sum() / (totals.sum() - 1)
    return 1.0 - float((pairs * squared).sum() / expected) if expected > 0 else math.nan


def _interval_alpha(table: Floats) -> float:
    """Take squared differences through variances: as many values as one likes, and no table of their pairs."""
    known = ~np.isnan(table)
    ratings = known.sum(axis=1, keepdims=True)
    if not len(table):
        return math.nan
    mean = np.nansum(table, axis=1, keepdims=True) / ratings
    within = float((np.where(known, (table - mean) ** 2, 0.0) * ratings / (ratings - 1)).sum())
    values = table[known]
    expected = float(values.var()) * len(values) ** 2 / (len(values) - 1)
    return 1.0 - within / expected if expected > 0 else math.nan


def _counts(table: Floats) -> tuple[Floats, Floats]:
    """Give the values that occur, and how often each does in each clip, ``(clip, value)``."""
    known = ~np.isnan(table)
    values, place = np.unique(table[known], return_inverse=True)
    counts = np.zeros((len(table), len(values)))
    np.add.at(counts, (np.nonzero(known)[0], place), 1.0)
    return values, counts


def _nominal(values: Floats, _: Floats) -> Floats:
    return np.asarray(values[:, None] != values, dtype=np.float64)


def _ordinal(_: Floats, totals: Floats) -> Floats:
    """Count the ratings between two ranks, and half of those at both."""
    middle = np.cumsum(totals) - totals / 2
    return np.asarray((middle[:, None] - middle) ** 2)


def _interval(values: Floats, _: Floats) -> Floats:
    return np.asarray((values[:, None] - values) ** 2)


def _ratio_level(values: Floats, _: Floats) -> Floats:
    sums = values[:, None] + values
    return np.asarray(((values[:, None] - values) / np.where(sums == 0, 1.0, sums)) ** 2)


DIFFERENCES = {"nominal": _nominal, "ordinal": _ordinal, "interval": _interval, "ratio": _ratio_level}
"""Squared differences ``(value, value)`` from the values in order and how often each occurs."""


def _ratio(above: float, below: float) -> float:
    return float(above / below) if below else math.nan
