"""Sets of clips that a score is looked at apart: what is known of each clip in, named sets of clips out.

A column of words makes one set a word; numbers are cut at their quantiles, so that the sets are of like size. Where a
system does worse on some clips than on the others is then a question for a paired comparison.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Flags = NDArray[np.bool_]

FEWEST = 20
"""Clips, on either side, below which nothing is said of a set."""

FEWEST_GROUPS = 5
"""Groups, on either side, below which nothing is said of a set: that few people are no population."""

PIECES = 4
"""Sets that numbers are cut into."""

MOST_KINDS = 12
"""Different words of a column above which it tells clips apart, and no kinds of clips."""

FEW_NUMBERS = 6
"""Different numbers of a column up to which each is a set of its own."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Cut:
    """One way to look at clips: ``sets`` are flags ``(clip,)`` by name; ``known`` the clips that anything is known of.

    Where it cannot be done, there are no sets, and ``reason`` says why.
    """

    by: str
    sets: Mapping[str, Flags]
    known: Flags
    reason: str = ""


def refused(by: str, clips: int, reason: str) -> Cut:
    """Give a cut that cannot be done."""
    return Cut(by=by, sets={}, known=np.zeros(clips, np.bool_), reason=reason)


def by_words(by: str, words: Sequence[str]) -> Cut:
    """Make one set of each word that occurs, in alphabetical order; an empty one is unknown."""
    values = np.array(words, dtype=np.str_)
    kinds = sorted(set(words) - {""})
    if len(kinds) > MOST_KINDS:
        return refused(by, len(words), f"{len(kinds):,} different values tell clips apart, and no kinds of clips")
    if len(kinds) < 2:
        return refused(by, len(words), f"all are {kinds[0]!r}" if kinds else "nobody said")
    return Cut(by=by, sets={kind: values == kind for kind in kinds}, known=values != "")


def by_numbers(by: str, numbers: ArrayLike, *, unit: str = "") -> Cut:
    """Cut numbers at their quantiles; few different ones are a set each. NaN is unknown.

    >>> list(by_numbers("length", [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0], unit="s").sets)
    ['up to 2.75 s', '2.75 to 4.5 s', '4.5 to 6.25 s', 'above 6.25 s']
    """
    values = np.asarray(numbers, dtype=np.float64)
    known = ~np.isnan(values)
    kinds = np.unique(values[known])
    if len(kinds) < 2:
        return refused(by, len(values), f"all are {kinds[0]:g}" if len(kinds) else "nobody said")
    unit = f" {unit}" if unit else ""
    if len(kinds) <= FEW_NUMBERS:
        return Cut(by=by, sets={f"{kind:g}{unit}": values == kind for kind in kinds}, known=known)
    edges = np.unique(np.quantile(values[known], np.linspace(0, 1, PIECES + 1)[1:-1]))
    edges = edges[edges < kinds[-1]] if edges[0] < kinds[-1] else kinds[-2:-1]  # most are the largest
    place = np.where(known, np.searchsorted(edges, values, side="left"), -1)
    return Cut(by=by, sets={_named(edges, i, unit): place == i for i in range(len(edges) + 1)}, known=known)


def _named(edges: NDArray[np.float64], place: int, unit: str) -> str:
    if place == 0:
        return f"up to {edges[0]:.3g}{unit}"
    if place == len(edges):
        return f"above {edges[-1]:.3g}{unit}"
    return f"{edges[place - 1]:.3g} to {edges[place]:.3g}{unit}"


def by_column(by: str, texts: Sequence[str]) -> Cut:
    """Cut a column: as numbers if all that is said is one, else as words."""
    numbers = [_number(text) for text in texts]
    told = [number for number, text in zip(numbers, texts, strict=True) if text]
    if told and not any(number is None for number in told):
        return by_numbers(by, [math.nan if number is None else number for number in numbers])
    return by_words(by, texts)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def too_few(inside: Flags, outside: Flags, groups: NDArray[np.intp] | None) -> str:
    """Say that a set, or what it is set against, is too small to be told of; else nothing."""
    for flags, noun in ((inside, ""), (outside, " outside")):
        if (clips := int(flags.sum())) < FEWEST:
            return f"too few: {clips} clips{noun}"
        ways = () if groups is None else groups[flags].reshape(clips, -1).T
        if (several := min((len(np.unique(way)) for way in ways), default=FEWEST_GROUPS)) < FEWEST_GROUPS:
            return f"too few: {several} groups{noun}"
    return ""
