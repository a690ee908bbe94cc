"""What a researcher watches in the terminal: windows as they are scored in, bars that rise and fall out.

A line a target: the score, a bar, and how it went over the last windows. Below it what the model had to go by, and how
far behind it is.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from statistics import median

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from mimetic.console import figure
from mimetic.live import WINDOW, Window

CELLS = 30
"""Of a bar."""

PAST = 24
"""Windows that the course shows."""

EIGHTHS = " ▏▎▍▌▋▊▉█"
STEPS = "▁▂▃▄▅▆▇█"


class Monitor:
    """Windows in, one after another; ``render`` gives what to show.

    Parameters
    ----------
    title
        the run, and what is watched.
    note
        what has to be said beside the run's figures.
    """

    def __init__(self, title: str, targets: Sequence[str], *, note: str = "") -> None:
        self._title, self._note = title, note
        self._past: dict[str, deque[float]] = {target: deque(maxlen=PAST) for target in targets}
        self._latencies: list[float] = []
        self._skipped = 0
        self._last: Window | None = None

    def take(self, window: Window) -> None:
        """Take note of a window."""
        self._last = window
        self._skipped += window.skipped
        self._latencies.append(window.latency)
        for target, value in (window.row["scores"] or {}).items():
            self._past[target].append(value)

    def render(self) -> RenderableType:
        """Give it all, as it stands."""
        title = Text.assemble((self._title, "bold"), "   ", ("live", "cyan"))
        note = [Text(self._note, "yellow")] if self._note else []
        return Group(title, *note, Text(), self._bars(), Text(), *self._told())

    def _bars(self) -> Table:
        grid = Table.grid(padding=(0, 2))
        most = max(1.0, *(value for past in self._past.values() for value in past), 1.0)
        for target, past in self._past.items():
            value = past[-1] if past else None
            number = "-" if value is None else figure(value)
            grid.add_row(target, Text(number.rjust(5)), _bar((value or 0.0) / most), _course(past, most))
        end = f"{most:g}" if most == 1 else f"{most:.2f}"
        grid.add_row("", "", Text("0".ljust(CELLS - len(end)) + end, "dim"), "")
        return grid

    def _told(self) -> list[Text]:
        if self._last is None:
            return [Text(f"the first window takes {WINDOW:g} seconds", "dim")]
        row = self._last.row
        states = [f"{name}: {why}" for name, why in row["modalities"].items() if why != "used"]
        used = [name for name, why in row["modalities"].items() if why == "used"]
        lines = [Text(f"from {', '.join(used)}") if used else Text(row["error"] or "from nothing", "bold")]
        lines += [Text(f"missing {'; '.join(states)}", "dim")] if states else []
        times = f"{self._last.start:.1f} to {self._last.end:.1f} s, shown {self._last.latency:.2f} s after its end"
        return [*lines, Text(f"{times} · {self.tally}", "dim")]

    @property
    def tally(self) -> str:
        """How many windows were scored and how many left out."""
        return f"{len(self._latencies)} windows scored, {self._skipped} left out"

    def summary(self) -> str:
        """Say in one line how it went."""
        if not self._latencies:
            return "no window was scored"
        middle, most = median(self._latencies), max(self._latencies)
        return f"{self.tally}; shown {middle:.2f} s after their end (median), {most:.2f} s at most"


def line(window: Window) -> str:
    """Give a window as one line of text, for a pipe."""
    row = window.row
    scores = "  ".join(f"{target} {figure(value)}" for target, value in (row["scores"] or {}).items())
    skipped = f"  ({window.skipped} left out)" if window.skipped else ""
    return f"{window.start:.1f} to {window.end:.1f} s  {scores or row['error']}  +{window.latency:.2f} s{skipped}"


def _bar(share: float) -> Text:
    whole, rest = divmod(round(8 * CELLS * max(0.0, min(1.0, share))), 8)
    filled = "█" * whole + (EIGHTHS[rest] if rest else "")
    return Text.assemble((filled, "cyan"), ("·" * (CELLS - len(filled)), "dim"))


def _course(past: Sequence[float], most: float) -> Text:
    places = (round((len(STEPS) - 1) * max(0.0, min(1.0, value / most))) for value in past)
    return Text("".join(STEPS[place] for place in places).ljust(PAST), "dim")
