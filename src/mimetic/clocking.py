"""Where the time of a piece of work goes: named stretches of it in, seconds by name out. Off, it costs nothing.

On a GPU a stretch ends when its work is ordered, not when it is done: what is waited for shows where it is waited.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

Timing = Callable[[str], AbstractContextManager[None]]
"""Gives what measures the stretch of this name that goes on inside it."""

_NOTHING: AbstractContextManager[None] = nullcontext()


def untimed(name: str) -> AbstractContextManager[None]:
    """Measure nothing."""
    del name
    return _NOTHING


class Clock:
    """Sums wall and processor seconds by name.

    >>> clock = Clock()
    >>> with clock("reading"):
    ...     pass
    >>> [stretch["name"] for stretch in clock.as_json()]
    ['reading']
    """

    def __init__(self) -> None:
        self._wall: dict[str, float] = {}
        self._cpu: dict[str, float] = {}

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        """Measure a stretch."""
        wall, cpu = time.perf_counter(), time.process_time()
        try:
            yield
        finally:
            self._wall[name] = self._wall.get(name, 0.0) + time.perf_counter() - wall
            self._cpu[name] = self._cpu.get(name, 0.0) + time.process_time() - cpu

    def as_json(self) -> list[dict[str, str | float]]:
        """Give one object a name, in the order in which they came up: ``wall`` and ``cpu`` in seconds."""
        return [{"name": name, "wall": self._wall[name], "cpu": self._cpu[name]} for name in self._wall]
