"""The report's figures: numbers in, one inline SVG each out.

Every figure is a small panel, about as wide as a phone, so that a page sets them side by side where there is room and
below one another where there is not. Colours leave as CSS variables, type as text in the page's own font, so that one
figure reads in light, dark and print. The same numbers give the same bytes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib
import numpy as np
from markupsafe import Markup
from matplotlib.axis import Axis
from matplotlib.ticker import FuncFormatter, MaxNLocator
from numpy.typing import NDArray

from mimetic.svg import ACCENT, INK, MUTE, SOFT, STYLE, as_svg, new_axes, new_figure

MINUS, ABSENT = "\u2212", "\u2013"
"""A true minus sign, and the dash that stands where there is no number."""


def number(value: float | None, digits: int = 3) -> str:
    """Write a number as the field does: no zero before the point, a true minus sign, a dash where there is none.

    >>> number(0.4373), number(1.0), number(0.25, 1)
    ('.437', '1.000', '.2')
    """
    if value is None or math.isnan(value):
        return ABSENT
    text = f"{abs(value):.{digits}f}"
    sign = MINUS if value < 0 and float(text) else ""
    return sign + (text[1:] if text.startswith("0.") else text)


def percent(share: float) -> str:
    """Write a share with one decimal, as per cent."""
    return ABSENT if math.isnan(share) else f"{100 * share:.1f} %"


def tick_label(value: float, _: int | None = None) -> str:
    """Write a tick's value with as many digits as it has."""
    digits = next((d for d in range(4) if abs(value - round(value, d)) < 1e-9), 4)
    return number(value, digits)


@dataclass(frozen=True, kw_only=True, slots=True)
class Dot:
    """A value with its interval, on a line of its own; ``strong`` for the one that the figure is about."""

    label: str
    value: float
    low: float
    high: float
    strong: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Group:
    """Clips whose label is alike: their mean label, and what was predicted for them at five levels.

    ``levels`` are the 5th, 25th, 50th, 75th and 95th percentile of the predictions.
    """

    label: str
    true: float
    clips: int
    levels: tuple[float, float, float, float, float]


@dataclass(frozen=True, kw_only=True, slots=True)
class Curve:
    """One seed's training: a value an epoch, NaN where there was none; ``best`` is the epoch that was kept, from 1."""

    losses: tuple[float, ...]
    scores: tuple[float, ...]
    best: int

    @property
    def kept(self) -> float | None:
        """The score at the best epoch."""
        return self.scores[self.best - 1] if self.best else None

    @property
    def last(self) -> float | None:
        """The loss of the last epoch."""
        return self.losses[-1] if self.losses else None


@dataclass(frozen=True, kw_only=True, slots=True)
class Tenth:
    """Clips that are scored alike: their mean prediction, and their mean label with its interval."""

    predicted: float
    label: float
    low: float
    high: float


# --------------------------------------------------------------------------------------------- figures


@matplotlib.rc_context(STYLE)
def draw_dots(dots: Sequence[Dot], limits: tuple[float, float], *, name: str, told: str) -> Markup:
    """Draw values with their intervals below one another, on an axis that other panels share."""
    figure = new_figure(height=len(dots) * 20 + 30)
    axes = new_axes(figure, left=10 + 6.2 * max(len(_short(dot.label)) for dot in dots), bottom=24, top=4)
    axes.grid(axis="x")
    axes.axvline(0, color=SOFT, linewidth=1)
    for line, dot in enumerate(dots):
        color = ACCENT if dot.strong else SOFT
        axes.plot([dot.low, dot.high], [line, line], color=color, linewidth=2 if dot.strong else 1.5)
        axes.plot([dot.value], [line], "o", color=color, markersize=7 if dot.strong else 6, markeredgewidth=0)
    axes.set_yticks(range(len(dots)), [_short(dot.label) for dot in dots])
    for tick, dot in zip(axes.get_yticklabels(), dots, strict=True):
        tick.set_color(INK if dot.strong else SOFT)
    axes.set_ylim(len(dots) - 0.4, -0.6)
    axes.set_xlim(*limits)
    _round_ticks(axes.xaxis, 5)
    return as_svg(figure, name, told)


@matplotlib.rc_context(STYLE)
def draw_histograms(
    edges: NDArray[np.float64],
    shares: Sequence[NDArray[np.float64]],
    means: Sequence[float],
    top: float,
    *,
    name: str,
    told: str,
) -> Markup:
    """Draw the labels of training and validation: a pair of bars a bin, in per cent of all clips, and the means."""
    figure = new_figure(height=140)
    axes = new_axes(figure, left=34, bottom=24, top=14)
    axes.grid(axis="y")
    width = float(edges[1] - edges[0]) * 0.4
    for share, mean, side, color in zip(shares, means, (0.5, 1.5), (MUTE, ACCENT), strict=True):
        left = edges[:-1] + (side - 0.5) * width + 0.25 * width
        axes.bar(left, 100 * share, width=width, align="edge", color=color, linewidth=0)
        axes.plot([mean], [1.05], "v", color=color, markersize=7, markeredgewidth=0, clip_on=False,
                  transform=axes.get_xaxis_transform())  # fmt: skip
    axes.set_xlim(edges[0], edges[-1])
    axes.set_ylim(0, 100 * top)
    _round_ticks(axes.xaxis, 5)
    axes.yaxis.set_major_locator(MaxNLocator(3, integer=True))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.0f} %"))
    return as_svg(figure, name, told)


@matplotlib.rc_context(STYLE)
def draw_groups(
    groups: Sequence[Group], across: tuple[float, float], up: tuple[float, float], *, name: str, told: str
) -> Markup:
    """Draw what was predicted for clips of like label: the middle half as a bar, nine tenths as a line, the median."""
    figure = new_figure(height=190)
    axes = new_axes(figure, left=30, bottom=24, top=20)
    axes.grid(axis="y")
    axes.plot(across, across, color=SOFT, linewidth=1, dashes=(3, 3))
    for group in groups:
        lowest, low, middle, high, highest = group.levels
        axes.plot([group.true] * 2, [lowest, highest], color=SOFT, linewidth=1)
        axes.plot([group.true] * 2, [low, high], color=ACCENT, linewidth=9, solid_capstyle="butt")
        axes.plot([group.true - 0.025, group.true + 0.025], [middle] * 2, color=INK, linewidth=2, solid_capstyle="butt")
        axes.text(group.true, 1.04, f"{group.clips:,}", color=SOFT, ha="center", transform=axes.get_xaxis_transform())
    axes.set_xlim(*across)
    axes.set_ylim(*up)
    _round_ticks(axes.xaxis, 5)
    _round_ticks(axes.yaxis, 5)
    return as_svg(figure, name, told)


@matplotlib.rc_context(STYLE)
def draw_calibration(
    tenths: Sequence[Tenth], line: tuple[float, float], limits: tuple[float, float], *, name: str, told: str
) -> Markup:
    """Draw the mean label of clips that are scored alike, and the straight line, intercept and slope, through all."""
    figure = new_figure(height=210)
    axes = new_axes(figure, left=30, bottom=24, top=8)
    axes.grid(axis="y")
    axes.plot(limits, limits, color=SOFT, linewidth=1, dashes=(3, 3))
    ends = np.array([min(t.predicted for t in tenths), max(t.predicted for t in tenths)])
    axes.plot(ends, line[0] + line[1] * ends, color=MUTE, linewidth=1.5)
    for tenth in tenths:
        axes.plot([tenth.predicted] * 2, [tenth.low, tenth.high], color=ACCENT, linewidth=2)
        axes.plot([tenth.predicted], [tenth.label], "o", color=ACCENT, markersize=5, markeredgewidth=0)
    axes.set_xlim(*limits)
    axes.set_ylim(*limits)
    _round_ticks(axes.xaxis, 5)
    _round_ticks(axes.yaxis, 5)
    return as_svg(figure, name, told)


@matplotlib.rc_context(STYLE)
def draw_curves(curves: Sequence[Curve], limits: tuple[float, float], *, name: str, told: str) -> Markup:
    """Draw the loss and, below it, validation's mean Pearson by epoch: a thin line a seed, the epoch kept as a dot."""
    figure = new_figure(height=200)
    loss = new_axes(figure, left=34, bottom=124, top=20)
    score = new_axes(figure, left=34, bottom=24, top=104)
    for curve in curves:
        epochs = range(1, len(curve.losses) + 1)
        for axes, values, color in ((loss, curve.losses, SOFT), (score, curve.scores, ACCENT)):
            axes.plot(epochs, values, color=color, linewidth=1.2)
            if curve.best:
                axes.plot([curve.best], [values[curve.best - 1]], "o", color=color, markersize=5, markeredgewidth=0)
    for axes, text in ((loss, "training loss"), (score, "validation mean Pearson")):
        axes.grid(axis="y")
        axes.text(0, 1.08, text, color=SOFT, transform=axes.transAxes)
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        _round_ticks(axes.yaxis, 3)
    score.set_ylim(*limits)
    loss.tick_params(labelbottom=False)
    return as_svg(figure, name, told)


def _round_ticks(axis: Axis, most: int) -> None:
    """Put ticks at round numbers, and write them as short as they are."""
    axis.set_major_locator(MaxNLocator(most, steps=[1, 2, 2.5, 5, 10]))
    axis.set_major_formatter(FuncFormatter(tick_label))


def _short(label: str) -> str:
    return label if len(label) <= 20 else f"{label[:19]}…"
