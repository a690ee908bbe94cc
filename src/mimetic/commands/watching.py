"""``mimetic predict RUN --live``: camera and microphone, or a file played at its own speed, scored as it goes on."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.live import Live

from mimetic import console
from mimetic.capturing import Tape
from mimetic.console import finite
from mimetic.live import Window, watch
from mimetic.monitor import Monitor, line
from mimetic.playing import CAMERAS, MICROPHONES, Device, device, play_device, play_file
from mimetic.records import Clip, Json, UsageError
from mimetic.runs import Run
from mimetic.web.scoring import Desk, told

Play = Callable[[Tape], None]
Show = Callable[[Window], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """What is to be watched: a file, or else a camera and a microphone as they were named, empty for the usual ones."""

    file: Path | None
    camera: str
    microphone: str


def watch_live(run: Run, asked: Asked, *, device: str, accepted: Collection[str], as_json: bool) -> None:
    """Score window after window, and show each, until what is watched ends or Ctrl-C is pressed."""
    plays, what = _plays(asked)
    monitor = Monitor(f"{run.recipe.name}, seed {run.seed} · {what}", run.targets, note=run.note)
    with ExitStack() as open_, suppress(KeyboardInterrupt):  # that is how one stops it
        folder = Path(open_.enter_context(TemporaryDirectory(prefix="mimetic-live-")))
        desk = open_.enter_context(Desk(run, device=device, accepted=accepted))
        desk.warm()
        show = open_.enter_context(_lines() if as_json else _screen(monitor))
        tape = open_.enter_context(Tape(plays))
        for window in watch(tape, lambda clip: _score(desk, clip), folder):
            monitor.take(window)
            show(window)
    if not as_json:
        console.print_lines(monitor.summary())


def _score(desk: Desk, clip: Clip) -> Json:
    reading = desk.read(clip)
    return told(reading, desk.score(reading))


@contextmanager
def _lines() -> Iterator[Show]:
    """Show a window as a line of JSON."""

    def show(window: Window) -> None:
        sys.stdout.write(json.dumps(finite(window.as_json()), ensure_ascii=False) + "\n")
        sys.stdout.flush()

    yield show


@contextmanager
def _screen(monitor: Monitor) -> Iterator[Show]:
    """Show bars that move; where there is no terminal, a line of text a window."""
    if not sys.stdout.isatty():
        yield lambda window: _print(line(window))
        return
    with Live(monitor.render(), console=Console(), refresh_per_second=8) as live:
        yield lambda _window: live.update(monitor.render())


def _print(text: str) -> None:
    console.print_lines(text)
    sys.stdout.flush()


def _plays(asked: Asked) -> tuple[list[Play], str]:
    """Open what is to be watched; say in a few words what it is."""
    if asked.file is not None:
        return [play_file(asked.file)], asked.file.name
    wanted = ((asked.camera, CAMERAS), (asked.microphone, MICROPHONES))
    opened = [found for name, usual in wanted if (found := _open(name, usual)) is not None]
    if not opened:
        raise UsageError("there is no camera and no microphone", remedy="Name one, or give a file to play.")
    return [play for play, _ in opened], " and ".join(str(at) for _, at in opened)


def _open(name: str, usual: dict[str, Device]) -> tuple[Play, Device] | None:
    """Open a device; the usual one may be missing, one that was named may not."""
    try:
        at = device(name, usual)
        return None if at is None else (play_device(at), at)
    except UsageError as error:
        if name:
            raise
        sys.stderr.write(f"going on without: {error.message}\n")
        return None
