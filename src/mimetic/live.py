"""Windows of what goes on now: a ring that fills and a scorer in, the last four seconds scored every half second out.

One window is scored at a time. Those that come due meanwhile are left out, all but the newest, and counted: whoever
falls behind loses windows, and never gets later and later. The page's live mode keeps the same rule.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from mimetic.records import Clip, Json

WINDOW = 4.0
"""Seconds of a window."""

EVERY = 0.5
"""Seconds from one window's end to the next one's."""

Score = Callable[[Clip], Json]
"""Gives of a clip what ``mimetic predict --json`` prints."""


class Ring(Protocol):
    """The last seconds of what goes on."""

    @property
    def now(self) -> float:
        """Seconds since the beginning up to which all is there."""

    def reach(self, until: float) -> bool:
        """Wait until ``now`` is there; ``False`` if it ends before."""

    def write(self, path: Path, *, until: float) -> float:
        """Write what came in the ``WINDOW`` seconds before a moment to a file; give the second it begins with."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Window:
    """A window that was scored.

    ``start`` and ``end`` are seconds since the beginning, ``latency`` those from its end until its scores were there;
    ``skipped`` counts the windows before it that were left out; ``row`` is what ``mimetic predict --json`` prints.
    """

    start: float
    end: float
    latency: float
    skipped: int
    row: Json

    def as_json(self) -> Json:
        """Give a line of ``mimetic predict --live --json``."""
        times = {"start": round(self.start, 3), "end": round(self.end, 3), "latency": round(self.latency, 3)}
        return {**times, "skipped": self.skipped, **self.row}


def watch(ring: Ring, score: Score, folder: Path) -> Iterator[Window]:
    """Yield windows as they are scored, until the ring ends; of what ends before its first window, all of it.

    Parameters
    ----------
    folder
        where a window's file lies until it has been scored.
    """
    end, skipped = WINDOW, 0
    while ring.reach(end):
        yield _scored(ring, score, folder, end, skipped)
        due = max(1, int((ring.now - end) / EVERY + 1e-6))
        end, skipped = end + due * EVERY, due - 1
    if end == WINDOW and ring.now > 0:
        yield _scored(ring, score, folder, ring.now, 0)


def _scored(ring: Ring, score: Score, folder: Path, end: float, skipped: int) -> Window:
    began, late = time.monotonic(), max(0.0, ring.now - end)
    path = folder / "window.mkv"
    try:
        start = ring.write(path, until=end)
        row = score(Clip(id=f"{start:.1f}-{end:.1f}", path=path))
    finally:
        path.unlink(missing_ok=True)
    latency = late + time.monotonic() - began
    return Window(start=start, end=end, latency=latency, skipped=skipped, row=row)
