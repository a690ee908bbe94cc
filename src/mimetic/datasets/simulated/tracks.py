"""What a feature's track looks like: a clip's statistic in, values over time out.

A frame is, in the feature's own orthonormal directions (``directions``),

    gain * scale * ( offset | mark | root(spectrum) * content | nuisance )

``gain`` is the clip's own (a LayerNorm takes it away, and the first direction tells it), ``mark`` says of a frame
whether it shows anything, ``content`` is the statistic in marked frames, with noise whose mean over them is zero, and
something else, constant over the clip, in all others. ``nuisance`` is the person's look or voice (of words: the
script's), the clip's, a slow wave and noise. So the mean content of the marked frames *is* the statistic, at any rate,
and nothing else in the track depends on the labels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from numpy.typing import NDArray

from mimetic.datasets.simulated import world

Singles = NDArray[np.float32]
Flags = NDArray[np.bool_]

PERIOD = (2.0, 10.0)
"""Seconds of the slow wave."""

UNSEEN = 0.03
"""Share of frames in which no face is found."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Layout:
    """How one feature is laid out.

    Attributes
    ----------
    rate
        rows a second at full size; 0 for one a clip.
    seen
        whether a frame needs a face.
    scale, offset, gain
        of all values; in the direction that tells the gain; deviation of the gain's logarithm.
    marked, mark, decoy
        share of frames that show something, how loudly they say so, deviation of what the others show.
    decay, noise
        of the content: its deviations are ``j ** -decay``; its noise in a frame.
    nuisance, person, clip, wave, frame
        directions, and the deviations of what fills them.
    """

    dim: int
    rate: float = 0.0
    seen: bool = False
    scale: float = 1.0
    offset: float = 5.0
    gain: float = 0.3
    marked: float = 0.4
    mark: float = 4.0
    decoy: float = 0.6
    decay: float = 0.3
    noise: float = 0.5
    nuisance: int = 20
    person: float = 0.3
    clip: float = 0.2
    wave: float = 0.3
    frame: float = 0.5


def _words(dim: int, scale: float) -> Layout:
    """Give the layout of one vector a clip: nothing is marked, nothing moves."""
    still = replace(Layout(dim=dim), marked=1.0, mark=0.0, decoy=0.0, wave=0.0, frame=0.0)
    return replace(still, scale=scale, gain=0.5, nuisance=60, person=1.0, clip=0.1)


LAYOUTS: Mapping[str, Layout] = {
    "gte": _words(768, 0.1),
    "bert-large-cls": _words(1024, 1.0),
    "wav2vec2": Layout(dim=768, rate=50.0, scale=0.5, nuisance=40),
    "wav2vec2-affect": Layout(dim=1024, rate=50.0, scale=0.5, nuisance=40),
    "vit-face": Layout(dim=384, rate=5.0, seen=True),
    "dinov2-frame": Layout(dim=768, rate=5.0),
    "dinov2-face": Layout(dim=768, rate=5.0, seen=True),
    "motion-openface": Layout(dim=23, rate=30.0, seen=True, nuisance=5),
}


@cache
def directions(key: str) -> Singles:
    """Give the feature's directions, orthonormal rows: the gain's, the mark's, the content's, the nuisance's."""
    layout = LAYOUTS[key]
    rows = 2 + world.DIMS[world.MODALITY[key]] + layout.nuisance
    draw = np.random.default_rng([world.SEED, list(LAYOUTS).index(key)])
    return np.asarray(np.linalg.qr(draw.normal(size=(layout.dim, rows)))[0].T, np.float32)


@cache
def spectrum(key: str) -> Singles:
    """Give the deviation of the content in each of its directions."""
    dims = world.DIMS[world.MODALITY[key]]
    return np.asarray(np.arange(1, dims + 1) ** -LAYOUTS[key].decay, np.float32)


def render(
    key: str, statistic: Singles, own: Singles, rows: int, rate: float, draw: np.random.Generator
) -> tuple[Singles, Flags]:
    """Give a clip's coordinates in the feature's directions, ``(time, direction)``, and in which frames it is seen.

    ``coordinates @ directions(key)`` are the values.

    Parameters
    ----------
    statistic
        ``(dim,)`` what the clip shows.
    own
        ``(nuisance,)`` standard normal: the person's, or of words the script's.
    rows, rate
        of the track.
    """
    layout, dims = LAYOUTS[key], len(statistic)
    seen = _seen(rows, draw) if layout.seen else np.ones(rows, np.bool_)
    marks = _marks(seen, layout.marked, draw)
    coordinates = np.zeros((rows, len(directions(key))), np.float32)
    coordinates[:, 0] = layout.offset
    coordinates[:, 1] = layout.mark * (marks + draw.uniform(-0.25, 0.25, rows))
    content = layout.noise * draw.standard_normal((rows, dims), np.float32)
    content[marks] += statistic - content[marks].mean(axis=0)
    content[~marks] += layout.decoy * draw.standard_normal(dims, np.float32)
    coordinates[:, 2 : 2 + dims] = content * spectrum(key)
    coordinates[:, 2 + dims :] = _nuisance(layout, own, np.arange(rows) / (rate or 1.0), draw)
    gain = np.exp(layout.gain * draw.standard_normal())
    return np.asarray(coordinates * np.float32(gain * layout.scale)), seen


def _seen(rows: int, draw: np.random.Generator) -> Flags:
    """Draw in which frames a face is found: in one at least."""
    seen: Flags = draw.random(rows) >= UNSEEN
    seen[draw.integers(rows)] = True
    return seen


def _marks(seen: Flags, share: float, draw: np.random.Generator) -> Flags:
    """Mark a stretch of the frames that are seen."""
    rows = np.flatnonzero(seen)
    count = max(1, round(share * len(rows)))
    first = draw.integers(len(rows) - count + 1)
    marks = np.zeros(len(seen), np.bool_)
    marks[rows[first : first + count]] = True
    return marks


def _nuisance(layout: Layout, own: Singles, times: NDArray[np.float64], draw: np.random.Generator) -> Singles:
    """Draw ``(time, nuisance)`` of everything else."""
    size = layout.nuisance
    still = layout.person * own + layout.clip * draw.standard_normal(size)
    phase, period = draw.uniform(0, 2 * np.pi, size), draw.uniform(*PERIOD)
    wave = layout.wave * np.cos(2 * np.pi * times[:, None] / period + phase)
    noise = layout.frame * draw.standard_normal((len(times), size), np.float32)
    return np.asarray(still + wave + noise, np.float32)
