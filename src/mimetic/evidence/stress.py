"""What can go wrong with features: a clip's tracks in, disturbed ones out.

Each ``Stress`` changes some modalities of every clip, with a draw of the clip's own: so a clip is disturbed in the same
way whatever others are looked at with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from mimetic.batches import Ragged

Values = NDArray[np.floating[Any]]
Floats = NDArray[np.float64]
Change = Callable[[Ragged, int, Floats, np.random.Generator], Values | None]
"""One clip's track, changed: from all tracks, the clip's row, each column's deviation, and a draw of its own."""

LEVELS = (0.5, 1.0, 2.0)
"""Noise, in deviations of each column."""


@dataclass(frozen=True, slots=True)
class Stress:
    """What is done, in words, and to which parts."""

    name: str
    parts: tuple[int, ...]
    change: Change


def stresses(modalities: Sequence[str], rates: Sequence[float]) -> list[Stress]:
    """Give all that a system of these modalities is put through; ``rates`` are 0 for one vector a clip."""
    everything = tuple(range(len(modalities)))
    timed = tuple(part for part in everything if rates[part])
    found = [Stress(f"without {name}", (part,), removed) for part, name in enumerate(modalities)]
    found += [Stress(f"noise of {level:g} deviations", everything, noise(level)) for level in LEVELS]
    if len(modalities) > 1:
        found += [Stress(f"{name}: noise of 1 deviation", (part,), noise(1.0)) for part, name in enumerate(modalities)]
    if timed:
        found += [Stress("every second row", timed, thinned), Stress("first half", timed, first_half)]
    words = tuple(part for part, name in enumerate(modalities) if name == "text")
    return [*found, Stress("words of another clip", words, exchanged)] if words else found


def disturbed(
    stress: Stress,
    parts: Sequence[Ragged],
    rows: Iterable[int],
    ids: Sequence[str],
    deviations: Sequence[Floats],
    seed: int,
) -> tuple[Ragged, ...]:
    """Give some clips, disturbed; what is missing stays missing.

    Parameters
    ----------
    parts
        all clips, a ``Ragged`` a modality; ``ids`` are theirs.
    rows
        which of them to give.
    deviations
        ``(dim,)`` for each part, as ``deviation`` gives them.
    """
    rows = list(rows)
    changed = []
    for number, (part, deviation) in enumerate(zip(parts, deviations, strict=True)):
        if number not in stress.parts:
            changed.append(part.holding([part.values[row] for row in rows]))
            continue
        draws = (np.random.default_rng([seed, number, crc32(ids[row].encode())]) for row in rows)
        values = [
            stress.change(part, row, deviation, draw) if part.lengths[row] else None
            for row, draw in zip(rows, draws, strict=True)
        ]
        changed.append(part.holding(values))
    return tuple(changed)


def deviation(part: Ragged) -> Floats:
    """Give each column's standard deviation over all rows, ``(dim,)``; 0 of what never varies or is not there."""
    rows, total, squares = 0, np.zeros(part.dim), np.zeros(part.dim)
    centre: Floats | None = None
    for track in part.values:
        if track is None or not len(track):
            continue
        values = track.astype(np.float64)
        centre = values.mean(axis=0) if centre is None else centre
        rows += len(values)
        total += (values - centre).sum(axis=0)
        squares += ((values - centre) ** 2).sum(axis=0)
    mean = total / max(rows, 1)
    return np.asarray(np.sqrt(np.maximum(squares / max(rows, 1) - mean**2, 0.0)))


# --------------------------------------------------------------------------------------------- changes


def _track(part: Ragged, row: int) -> Values:
    track = part.values[row]
    assert track is not None
    return track


def removed(part: Ragged, row: int, deviation: Floats, draw: np.random.Generator) -> None:
    """Leave nothing: the modality is missing."""


def noise(level: float) -> Change:
    """Add normal noise of so many deviations of each column."""

    def change(part: Ragged, row: int, deviation: Floats, draw: np.random.Generator) -> Values:
        track = _track(part, row)
        added = draw.normal(size=track.shape) * level * deviation
        return np.asarray(track + added, dtype=np.float32)

    return change


def thinned(part: Ragged, row: int, deviation: Floats, draw: np.random.Generator) -> Values:  # noqa: ARG001
    """Keep every second row."""
    return _track(part, row)[::2]


def first_half(part: Ragged, row: int, deviation: Floats, draw: np.random.Generator) -> Values:  # noqa: ARG001
    """Keep the first half of the rows, one at least."""
    track = _track(part, row)
    return track[: (len(track) + 1) // 2]


def exchanged(part: Ragged, row: int, deviation: Floats, draw: np.random.Generator) -> Values:  # noqa: ARG001
    """Take the track of another clip that has one; its own where no other has."""
    others = np.flatnonzero(part.lengths)
    others = others[others != row]
    return _track(part, int(draw.choice(others)) if len(others) else row)
