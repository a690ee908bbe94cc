"""What a system loses under stress as a picture in a file of its own: losses in, PNG or SVG out, as the name ends.

Beside the report's figures (``plots``), which are part of a page and take their colours from it.
"""

from __future__ import annotations

import io
import textwrap
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.figure import Figure

from mimetic.records import UsageError
from mimetic.store import write_atomically
from mimetic.stressing import Stressed
from mimetic.svg import ACCENT, INK, RULE, SOFT

SUFFIXES = (".png", ".svg")

LINE = 0.26
"""Inches that one line takes."""

WRAPPED = 90
"""Characters of a line of its heading."""

_STYLE: Any = {  # matplotlib's own type for it has changed between versions
    "font.size": 9,
    "font.sans-serif": ["DejaVu Sans"],
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.edgecolor": RULE,
    "axes.axisbelow": True,
    "grid.color": RULE,
    "text.color": INK,
    "xtick.color": SOFT,
    "ytick.color": INK,
    "ytick.major.size": 0,
    "svg.hashsalt": "stress",
}


def check_picture(path: Path) -> None:
    """Refuse a picture's name that ends in something else.

    Raises
    ------
    UsageError
        if it does.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise UsageError(f"{path} is no picture's name", remedy=f"It ends in {' or '.join(SUFFIXES)}.")


@matplotlib.rc_context(_STYLE)
def save_losses(stressed: Stressed, path: Path) -> None:
    """Draw a line a stress: the change of mean Pearson with its 95 % interval, strong where one can be told."""
    check_picture(path)
    losses = stressed.losses
    figure = Figure(figsize=(6.4, 1.1 + LINE * len(losses)), layout="constrained")
    axes = figure.add_subplot()
    axes.axvline(0, color=SOFT, linewidth=1)
    axes.grid(axis="x")
    for line, loss in enumerate(losses):
        color = ACCENT if loss.verdict in ("worse", "better") else SOFT
        axes.plot([loss.change.low, loss.change.high], [line, line], color=color, linewidth=2)
        axes.plot([loss.change.difference], [line], "o", color=color, markersize=5)
    axes.set_yticks(range(len(losses)), [loss.name for loss in losses])
    axes.set_ylim(len(losses) - 0.4, -0.6)
    axes.set_xlabel(f"change of mean Pearson from {stressed.undisturbed.value:.3f}, 95 % interval")
    title = f"{stressed.recipe} on {stressed.data}, {stressed.part}: {stressed.clips:,} clips, {stressed.level}"
    told = "\n".join([title, *textwrap.wrap(stressed.note, WRAPPED)])
    figure.suptitle(told, x=0.01, ha="left", fontsize=9)
    buffer, kind = io.BytesIO(), path.suffix.lower().removeprefix(".")
    figure.savefig(buffer, format=kind, dpi=160, metadata={"Date": None} if kind == "svg" else None)
    write_atomically(path, buffer.getvalue())
