"""What people read in a terminal: tables and JSON on stdout, progress on stderr, numbers as the field writes them."""

from __future__ import annotations

import json
import math
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from mimetic.evaluation import Evaluation
from mimetic.evidence.intervals import Comparison, Interval
from mimetic.stocktaking import Holding

PIPED_WIDTH = 160
"""Columns of a table that goes to a file or a pipe, where no terminal says how wide it is."""

Counter = Callable[[int, int], None]
"""Takes ``(done, total)``."""


def figure(value: float | None, *, sign: bool = False) -> str:
    """Write a correlation as the field does: ``.437``, ``-.013``; ``nan`` where it is undefined.

    >>> figure(0.4373), figure(-0.0134), figure(0.0012, sign=True), figure(10.5)
    ('.437', '-.013', '+.001', '10.500')
    """
    if value is None or math.isnan(value):
        return "nan"
    text = f"{value:+.3f}" if sign else f"{value:.3f}"
    return re.sub(r"^([+-]?)0\.", r"\1.", text)


def between(interval: Interval | Comparison, *, sign: bool = False) -> str:
    """Write an interval: ``.41 to .46``."""
    return f"{figure(interval.low, sign=sign)} to {figure(interval.high, sign=sign)}"


def print_json(content: Any) -> None:
    """Print one JSON document on stdout; what is undefined is ``null``."""
    sys.stdout.write(json.dumps(finite(content), indent=1, ensure_ascii=False) + "\n")


def finite(content: Any) -> Any:
    """Put null where a number is not defined: JSON has no word for it."""
    if isinstance(content, dict):
        return {key: finite(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [finite(value) for value in content]
    return None if isinstance(content, float) and not math.isfinite(content) else content


def print_lines(*lines: str | None) -> None:
    """Print plain lines on stdout, as they are: never wrapped, never coloured. ``None`` is passed over."""
    sys.stdout.write("".join(f"{line}\n" for line in lines if line is not None))


def print_table(columns: Sequence[str], rows: Sequence[Sequence[object]], *, title: str = "") -> None:
    """Print a table on stdout; a column whose cells are all figures stands to the right."""
    print_lines(title or None)
    table = Table(box=None, pad_edge=False)
    cells = [[str(cell) for cell in row] for row in rows]
    for index, name in enumerate(columns):
        right = bool(cells) and all(_is_figure(row[index]) for row in cells)
        table.add_column(name, justify="right" if right else "left", overflow="fold")
    for row in cells:
        table.add_row(*(Text(cell) for cell in row))
    terminal = sys.stdout.isatty()
    Console(file=sys.stdout, width=None if terminal else PIPED_WIDTH, highlight=False).print(table)


def print_holdings(holdings: Sequence[Holding]) -> None:
    """Print one line a feature of a store."""
    rows = [
        (h.feature, f"{h.clips:,}", f"{h.rows:,}", f"{h.bytes / 1e6:,.1f}", f"{h.short:,}", h.made) for h in holdings
    ]
    print_table(["feature", "clips", "rows", "MB", "fell short", "made"], rows)


def _is_figure(text: str) -> bool:
    return text in ("nan", "") or text.replace(",", "").lstrip("+-.").replace(".", "").isdigit()


def print_evaluations(evaluations: Sequence[Evaluation], modalities: Sequence[str]) -> None:
    """Print one line a system."""
    first = evaluations[0]
    seeds = f"{len(first.seeds)} seeds" if len(first.seeds) > 1 else f"seed {first.seeds[0]}"
    rows = [
        (e.recipe, has, figure(e.mean_pearson.value), between(e.mean_pearson))
        for e, has in zip(evaluations, modalities, strict=True)
    ]
    title = f"{first.data}, {first.part}: {first.clips} clips, {seeds}"
    print_table(["system", "modalities", "mean Pearson", "95 % interval"], rows, title=title)


def print_evaluation(evaluation: Evaluation) -> None:
    """Print one system, a line a target."""
    rows = [
        (name, figure(s.pearson.value), between(s.pearson), figure(s.ccc), figure(s.mae))
        for name, s in evaluation.targets.items()
    ]
    rows.append(("mean", figure(evaluation.mean_pearson.value), between(evaluation.mean_pearson), "", ""))
    seeds = ", ".join(map(str, evaluation.seeds))
    title = f"{evaluation.recipe} on {evaluation.data}, {evaluation.part}: {evaluation.clips} clips, seeds {seeds}"
    print_table(["target", "Pearson", "95 % interval", "CCC", "MAE"], rows, title=title)


# --------------------------------------------------------------------------------------------- progress


class _Speed(ProgressColumn):
    """Clips (or runs) a second so far."""

    def render(self, task: Task) -> Text:
        """Write the speed."""
        return Text(f"{task.speed:.1f}/s" if task.speed else "")


class Bars:
    """Progress bars on stderr, one a kind of work."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def counter(self, label: str) -> Counter:
        """Give a function that moves a bar of its own."""
        task = self._progress.add_task(label, total=None)
        return lambda done, total: self._progress.update(task, completed=done, total=total)

    def status(self, label: str) -> Callable[[str], None]:
        """Give a function that changes the words of a line of its own."""
        task = self._progress.add_task(label, total=None)
        return lambda text: self._progress.update(task, description=f"{label}: {text}")


@contextmanager
def bars() -> Iterator[Bars]:
    """Show bars on stderr while the work goes on."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        _Speed(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=False) as progress:
        yield Bars(progress)
