"""Is validation like training: means of labels and of clips, and the labels' correlations, tested together.

The test permutes who is in which part, and asks how often chance alone moves *any* of the figures, each in units of
its own spread under permutation, as far as the data has moved this one (Westfall and Young 1993, single-step maxT). So
the many figures need no further correction, and their dependence costs nothing. Where a column says who is in a clip,
whole people are permuted: clips of one person are no independent draws. Where none does, clips are, and the test is
too eager: people and scripts come in clusters, and two random halves of the *people* differ more than two of the clips.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from mimetic.auditing.columns import columns_about
from mimetic.auditing.findings import Finding, Shift, in_short
from mimetic.auditing.inspection import SILENCE
from mimetic.auditing.material import Material
from mimetic.sharing import PEOPLE

Floats = NDArray[np.float64]

PERMUTATIONS = 2_000
AT_ONCE = 250
"""Permutations that are summed up together."""

CHANCE = 0.01
"""Probability, over all figures together, below which a shift is told."""

EAGER = "; no column says who is in a clip, so clips were permuted, not people, which makes the test too eager"

FEWEST = 8
"""Clips (or people) in each part below which nothing is tested."""


def told(shifts: Sequence[Shift], material: Material) -> Iterator[Finding]:
    """Tell what of validation is not like training."""
    moved = sorted((shift for shift in shifts if shift.chance < CHANCE), key=lambda shift: -abs(shift.effect))
    if moved:
        details = [f"{s.name} {s.train:.3g} against {s.valid:.3g} (effect {s.effect:+.2f})" for s in moved]
        units, caveat = ("people", "") if columns_about(material, PEOPLE) else ("clips", EAGER)
        yield Finding(
            check="shift",
            message=f"validation is not like training in {len(moved)} of {len(shifts)} figures (permutation of {units},"
            f" p < {CHANCE:g} for all together): {in_short(details, between='; ')}{caveat}",
        )


def shifts_of(material: Material) -> list[Shift]:
    """Compare every figure of validation with training's; none where a part is too small."""
    if not {"train", "valid"} <= material.parts.keys():
        return []
    rows = np.concatenate([material.parts["train"], material.parts["valid"]])
    is_valid = np.repeat([False, True], [len(material.parts["train"]), len(material.parts["valid"])])
    targets = material.dataset.targets
    labels = material.dataset.labels[rows]
    about = _about_clips(material)
    values = np.column_stack([labels, *(column[rows] for column in about.values())])
    return compare_parts(values, [*targets, *about], is_valid, _people(material)[rows], pairs=len(targets))


def _people(material: Material) -> NDArray[np.str_]:
    """Give who is in each clip; where nobody says, each clip is somebody else's."""
    columns = columns_about(material, PEOPLE)
    names = material.dataset.column(columns[0]) if columns else ("",) * len(material.ids)
    return np.array(
        [f"person {name}" if name else f"clip {id_}" for name, id_ in zip(names, material.ids, strict=True)]
    )


def _about_clips(material: Material) -> dict[str, Floats]:
    """Give what is measured of clips, ``(clip,)`` each; NaN where it is not known."""
    seconds = np.array([np.log(fact.seconds) if fact.seconds else np.nan for fact in material.facts])
    loud = [fact.loudness for fact in material.facts]
    heard = np.array([np.nan if level is None or level <= SILENCE else level for level in loud])
    words = np.array(
        [np.nan if fact.words is None else len(fact.words.split()) for fact in material.facts], dtype=float
    )
    return {"log seconds": seconds, "loudness (dB)": heard, "words a clip": words}


# --------------------------------------------------------------------------------------------- the test


def compare_parts(
    values: Floats,
    names: Sequence[str],
    is_valid: NDArray[np.bool_],
    people: NDArray[np.str_],
    *,
    pairs: int,
    permutations: int = PERMUTATIONS,
    seed: int = 0,
) -> list[Shift]:
    """Test the means of all columns, and the correlations among the first ``pairs`` of them.

    ``values`` is ``(clip, column)``, NaN where nothing is known; ``is_valid`` ``(clip,)``: in validation, else in
    training; ``people`` ``(clip,)``: clips of one name move together. Somebody in both parts counts as two.
    """
    marked = np.char.add(np.where(is_valid, "v", "t"), people)
    units, place = np.unique(marked, return_inverse=True)
    sides = np.char.startswith(units, "v")
    kept = [i for i in range(values.shape[1]) if np.unique(values[~np.isnan(values[:, i]), i]).size > 1]
    if min(sides.sum(), (~sides).sum()) < FEWEST or not kept:
        return []
    centre, scale = np.nanmean(values[:, kept], axis=0), np.nanstd(values[:, kept], axis=0)
    named = [names[i] for i in kept]
    sums = _Sums((values[:, kept] - centre) / scale, pairs=sum(i < pairs for i in kept), place=place, units=len(units))
    train, valid = (figures[0] for figures in sums.both(sides[None] * 1.0))
    chances = _chances(sums, sides, permutations, seed)
    named += [f"{named[i]} with {named[j]} (correlation)" for i, j in sums.pairs]
    effects = valid - train
    for figures in (train, valid):
        figures[: len(kept)] = figures[: len(kept)] * scale + centre
    return [
        Shift(name=name, train=float(a), valid=float(b), effect=float(effect), chance=float(chance))
        for name, a, b, effect, chance in zip(named, train, valid, effects, chances, strict=True)
        if not np.isnan(effect)
    ]


class _Sums:
    """Sums a unit (a person, a clip), from which every figure of any set of units follows."""

    def __init__(self, values: Floats, *, pairs: int, place: NDArray[np.intp], units: int) -> None:
        self._columns, self._used = values.shape[1], pairs
        self.pairs = [(i, j) for i in range(pairs) for j in range(i + 1, pairs)]
        known = ~np.isnan(values)
        whole = known[:, :pairs].all(axis=1)
        labels = np.where(whole[:, None], values[:, :pairs], 0.0)
        products = [labels[:, i] * labels[:, j] for i in range(pairs) for j in range(i, pairs)]
        terms = np.column_stack([known, np.where(known, values, 0.0), whole, labels, *products]).astype(np.float64)
        self._terms = np.zeros((units, terms.shape[1]))
        np.add.at(self._terms, place.ravel(), terms)
        self._total = self._terms.sum(axis=0)

    def both(self, chosen: Floats) -> tuple[Floats, Floats]:
        """Give ``(draw, figure)`` of training and of validation; ``(draw, unit)`` is 1 where it is validation's."""
        valid = chosen @ self._terms
        return self._figures(self._total - valid), self._figures(valid)

    def gaps(self, chosen: Floats) -> Floats:
        """Give ``(draw, figure)``: how far apart they are; 0 where one is undefined."""
        train, valid = self.both(chosen)
        gaps: Floats = np.nan_to_num(np.abs(valid - train))
        return gaps

    def _figures(self, sums: Floats) -> Floats:
        """Give ``(draw, figure)``: the means, then the correlations; NaN where undefined."""
        c, p = self._columns, self._used
        number, total, whole = sums[:, :c], sums[:, c : 2 * c], sums[:, 2 * c : 2 * c + 1]
        with np.errstate(invalid="ignore", divide="ignore"):
            means = total / number
            centre = sums[:, 2 * c + 1 : 2 * c + 1 + p] / whole
            upper = sums[:, 2 * c + 1 + p :] / whole
            first, second = np.triu_indices(p)
            covariance = upper - centre[:, first] * centre[:, second]
            variance = covariance[:, first == second]
            apart = first != second
            spread = np.sqrt(np.maximum(variance[:, first[apart]] * variance[:, second[apart]], 0.0))
            correlation = np.where(spread > 1e-9, covariance[:, apart] / spread, np.nan)
        return np.concatenate([means, correlation], axis=1)


def _chances(sums: _Sums, sides: NDArray[np.bool_], permutations: int, seed: int) -> Floats:
    """Give each figure's probability under permutation, corrected for all of them."""
    draw = np.random.default_rng(seed)
    observed = sums.gaps(sides[None] * 1.0)[0]
    blocks = [min(AT_ONCE, permutations - start) for start in range(0, permutations, AT_ONCE)]
    drawn = np.concatenate([sums.gaps(draw.permuted(np.tile(sides, (n, 1)), axis=1) * 1.0) for n in blocks])
    spread = np.sqrt(np.mean(drawn**2, axis=0))
    spread = np.where(spread > 0, spread, np.inf)
    largest = np.max(drawn / spread, axis=1)
    beyond = (largest[:, None] >= observed / spread).sum(axis=0)
    chances: Floats = (1.0 + beyond) / (1.0 + permutations)
    return chances
