"""How far a job is, on stderr: what it does in a word or two, a bar, a count, a speed, the time that is left."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from mimetic.records import MimeticError
from mimetic.world import World

Counter = Callable[[int, int], None]
"""Takes ``(done, total)``."""


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
        try:
            yield Bars(progress)
        except MimeticError:
            if not any(task.completed for task in progress.tasks):  # a wrong call: no bar above its one line
                progress.live.transient, progress.console.quiet = True, not progress.console.is_terminal
            raise


@contextmanager
def bars_of(world: World) -> Iterator[Bars]:
    """Show bars where the process leads; of several that train together the others are silent."""
    if world.leads:
        with bars() as shown:
            yield shown
    else:
        yield Bars(Progress(disable=True))
