"""Checks of the labels: range, format, gaps, columns of which a score cannot be had; and what the labels are like.

In goes the ``Material``, out come findings; ``describe`` gives the figures of each target in each part, for the page.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mimetic.auditing.findings import Finding, count, in_short
from mimetic.auditing.material import Material, listed
from mimetic.evidence.agreement import raters_of

Floats = NDArray[np.float64]

NEARLY_ALL = 0.95
"""Share of a target's labels from which on the others are exceptions."""

LARGE, SCALES = 0.9, 10.0
"""The quantile of the labels that are not zero that stands for large ones, and how many times larger it has to be in
one part than in another for a scale of its own. One wrong label does not move it."""

HANDFUL = 10
"""Clips off the commonest label below which a target's score rests on a few."""

TWINS = 0.999
"""Correlation of two targets from which on they are one."""

ROUNDING = 1e-6


def check_labels(material: Material) -> Iterator[Finding]:
    """Look at the labels of training and validation."""
    rows = np.concatenate([*material.labelled.values(), np.zeros(0, dtype=np.intp)])
    labels = material.dataset.labels[rows]
    ids = [material.ids[row] for row in rows]
    yield from _missing(ids, labels)
    yield from _scales(material)
    for target, values in zip(material.dataset.targets, labels.T, strict=True):
        yield from _values(target, ids, values)
    yield from _poor_columns(material)
    yield from _twins(material.dataset.targets, labels)


def _missing(ids: list[str], labels: Floats) -> Iterator[Finding]:
    unknown = np.isnan(labels)
    none = {id_: "" for id_, row in zip(ids, unknown, strict=True) if row.all()}
    yield from listed("label missing", "of training and validation without any label", none)
    some = {id_: f"({row.sum()} of {len(row)})" for id_, row in zip(ids, unknown, strict=True) if row.any() > row.all()}
    yield from listed("label missing", "without some of the labels", some)


def _values(target: str, ids: list[str], values: Floats) -> Iterator[Finding]:
    """Look for values that are not like a target's others: outside of its range, or no share where others are."""
    known = values[~np.isnan(values)]
    inside = (values >= -ROUNDING) & (values <= 1 + ROUNDING)
    if not len(known) or inside.sum() < NEARLY_ALL * len(known):
        yield from _extremes(target, ids, values)
        return
    outside = {ids[row]: f"({values[row]:g})" for row in np.flatnonzero(~inside & ~np.isnan(values))}
    yield from listed("label range", f"with a label of {target} outside [0, 1]", outside)
    between = inside & (values > ROUNDING) & (values < 1 - ROUNDING)
    shares = raters_of(values[between, None]) > 0
    if len(shares) and shares.mean() >= NEARLY_ALL:
        odd = {ids[row]: f"({values[row]:.6g})" for row in np.flatnonzero(between)[~shares]}
        yield from listed("label format", f"with a label of {target} that is no share of few raters", odd)


def _extremes(target: str, ids: list[str], values: Floats) -> Iterator[Finding]:
    """Look for a value that stands farther from all others than these are apart."""
    steps = np.unique(values[~np.isnan(values)])
    if len(steps) < 4:
        return
    for extreme, next_one, other_end in ((steps[-1], steps[-2], steps[0]), (steps[0], steps[1], steps[-1])):
        rows = np.flatnonzero(values == extreme)
        if abs(extreme - next_one) > abs(next_one - other_end) and len(rows) < (1 - NEARLY_ALL) * len(values):
            low, high = sorted((next_one, other_end))
            what = f"with the label {extreme:g} of {target}, where all others are from {low:g} to {high:g}"
            yield from listed("label extreme", what, {ids[row]: "" for row in rows})


def _scales(material: Material) -> Iterator[Finding]:
    """Look for targets whose large labels are far larger in one part than in another."""
    found = []
    for column, target in enumerate(material.dataset.targets):
        tops = {}
        for part, rows in material.labelled.items():
            sizes = np.abs(material.dataset.labels[rows, column])
            sizes = sizes[sizes > 0]  # NaN is left out too
            if len(sizes) >= HANDFUL:
                tops[part] = float(np.quantile(sizes, LARGE))
        if len(tops) > 1 and max(tops.values()) > SCALES * min(tops.values()):
            found.append(f"{target} ({', '.join(f'{part} up to {top:.3g}' for part, top in tops.items())})")
    if found:
        number = count(len(found), "target")
        yield Finding(check="label scale", message=f"{number} with a scale for each part: {in_short(found)}")


def _poor_columns(material: Material) -> Iterator[Finding]:
    """Look for targets that hardly vary within a part."""
    for part, rows in material.labelled.items():
        constant, rare = [], []
        for target, values in zip(material.dataset.targets, material.dataset.labels[rows].T, strict=True):
            steps, numbers = np.unique(values[~np.isnan(values)], return_counts=True)
            others = int(numbers.sum() - numbers.max(initial=0))
            if len(steps) == 1:
                constant.append(f"{target} ({steps[0]:g})")
            elif len(steps) and others < HANDFUL:
                rare.append(f"{target} ({others} other than {steps[numbers.argmax()]:g})")
        total = count(len(rows))
        if constant:
            message = f"{count(len(constant), 'target')} the same for all {total} of {part}: {', '.join(constant)}"
            yield Finding(check="label constant", message=message)
        if rare:
            message = (
                f"{count(len(rare), 'target')} with a handful of clips to tell, of {total} of {part}: {', '.join(rare)}"
            )
            yield Finding(check="label rare", message=message)


def _twins(targets: tuple[str, ...], labels: Floats) -> Iterator[Finding]:
    table = correlations(labels)
    for first in range(len(targets)):
        for second in range(first + 1, len(targets)):
            if abs(table[first, second]) > TWINS:
                told = f"{targets[first]} and {targets[second]} correlate at {table[first, second]:.3f}"
                yield Finding(check="label twins", message=told)


# ---------------------------------------------------------------------------------------------- figures


@dataclass(frozen=True, kw_only=True, slots=True)
class Marginal:
    """One target's labels in one part: how many, how they are distributed."""

    target: str
    part: str
    clips: int
    mean: float
    deviation: float
    zeros: float
    low: float
    high: float


def describe(material: Material) -> list[Marginal]:
    """Give every target's marginal in each part whose labels are known."""
    return [
        _marginal(target, part, material.dataset.labels[rows, column])
        for column, target in enumerate(material.dataset.targets)
        for part, rows in material.labelled.items()
    ]


def _marginal(target: str, part: str, values: Floats) -> Marginal:
    known = values[~np.isnan(values)]
    if not len(known):
        nan = float("nan")
        return Marginal(target=target, part=part, clips=0, mean=nan, deviation=nan, zeros=nan, low=nan, high=nan)
    return Marginal(
        target=target,
        part=part,
        clips=len(known),
        mean=float(known.mean()),
        deviation=float(known.std()),
        zeros=float(np.mean(known == 0)),
        low=float(known.min()),
        high=float(known.max()),
    )


def correlations(labels: Floats) -> Floats:
    """Give ``(target, target)`` correlations of ``(clip, target)``, over clips with all labels; NaN where undefined."""
    whole = labels[~np.isnan(labels).any(axis=1)]
    centred = whole - whole.mean(axis=0) if len(whole) else whole
    products = centred.T @ centred
    size = np.sqrt(np.diag(products))
    size = np.where(size > ROUNDING * np.sqrt(max(len(whole), 1)), size, np.nan)
    table: Floats = products / np.outer(size, size)
    return table
