"""Processes that take an item and answer with messages; ``unordered(make, items)`` where each answers with one.

A worker that dies, or spends more than its share of processor time on one item, costs that item alone: the answer
is a ``Lost`` with the reason, and a fresh worker takes the next one. Processes are spawned, not forked (torch and
PyAV hold threads), and each computes with one thread: on few cores, two workers beat two threads.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Self, TypeVar

T = TypeVar("T")
R = TypeVar("R")

_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
ROOM = 4 << 30
"""Bytes that a worker with a limit may ask for beyond what it holds when it starts: what asks for more is refused."""

_WALL_PER_CPU = 10.0  # an item may sleep or wait; one that does nothing at all for so long hangs


@dataclass(frozen=True, slots=True)
class Lost:
    """An item that took its worker down with it; ``crashed``: not by a limit, so that another try may go otherwise."""

    reason: str
    crashed: bool = False


@dataclass(frozen=True, slots=True)
class End:
    """An item that is done: no more messages of it will come."""


Make = Callable[[], Callable[[Any], Iterable[Any]]]
"""Builds the function that works: an item in, its messages out, one by one. Called once a worker."""


def processors() -> int:
    """Count the processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def unordered(
    make: Callable[[], Callable[[T], R]], items: Sequence[T], *, workers: int, limit: float = 0.0
) -> Iterator[tuple[int, R | Lost]]:
    """Yield ``(index, result)`` for every item, in the order in which they finish.

    Parameters
    ----------
    make
        builds the function that does the work; called once a worker, and pickled on the way there.
    workers
        processes; 0 works here, one item after another, without a limit.
    limit
        processor seconds that one item may take; 0 for no limit.
    """
    if workers == 0:
        work = make()
        yield from ((index, work(item)) for index, item in enumerate(items))
        return
    waiting = iter(enumerate(items))
    with Crew([_Once(make)] * min(workers, len(items)), limit=limit) as crew:
        while True:
            while crew.free and (item := next(waiting, None)) is not None:
                crew.give(*item)
            if not crew.busy:
                return
            for index, message in crew.receive(timeout=1.0):
                if not isinstance(message, End):
                    yield index, message


@dataclass(frozen=True, slots=True)
class _Once:
    """Makes a function that answers with one message."""

    make: Callable[[], Callable[[Any], Any]]

    def __call__(self) -> Callable[[Any], Iterable[Any]]:
        work = self.make()
        return lambda item: (work(item),)


class Crew:
    """Some workers, each with at most one item in hand.

    Parameters
    ----------
    makes
        what builds each worker's function; pickled on the way there.
    limit
        processor seconds that one item may take; 0 for no limit, neither of time nor of memory.
    """

    def __init__(self, makes: Sequence[Make], *, limit: float = 0.0) -> None:
        self._workers = [_Worker(make, limit) for make in makes]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._workers:
            worker.stop()

    @property
    def size(self) -> int:
        """How many workers there are."""
        return len(self._workers)

    @property
    def free(self) -> bool:
        """Whether a worker has nothing in hand."""
        return any(worker.index is None for worker in self._workers)

    @property
    def busy(self) -> list[int]:
        """The indices of the items in hand."""
        return [worker.index for worker in self._workers if worker.index is not None]

    def give(self, index: int, item: Any) -> None:
        """Hand an item to a worker that is free."""
        next(worker for worker in self._workers if worker.index is None).take(index, item)

    def handles(self, only: Collection[int] | None = None) -> list[Any]:
        """Give what to wait for: the pipes and processes that have these items in hand (or any)."""
        return [handle for worker in self._with(only) for handle in worker.handles]

    def receive(self, only: Collection[int] | None = None, *, timeout: float = 0.0) -> Iterator[tuple[int, Any]]:
        """Yield ``(index, message)`` of what has come, or comes within ``timeout`` seconds; ``only`` of these items.

        The last message of an item is an ``End`` or a ``Lost``. What is not received waits in its pipe, and the
        worker with it: so a crew is held back.

        Raises
        ------
        Exception
            what a worker raised.
        """
        wait(self.handles(only), timeout=timeout)
        for worker in self._with(only):
            assert worker.index is not None
            index, message = worker.index, worker.message()
            if message is not None:
                yield index, message[0]

    def _with(self, only: Collection[int] | None) -> list[_Worker]:
        return [w for w in self._workers if w.index is not None and (only is None or w.index in only)]


class _Worker:
    """A process, and the item it has in hand."""

    def __init__(self, make: Make, limit: float) -> None:
        self._make, self._limit = make, limit
        self.index: int | None = None
        self._since = 0.0
        self._process, self._pipe = self._start()

    def _start(self) -> tuple[BaseProcess, Connection]:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(theirs, self._make, self._limit), daemon=True)
        with _one_thread(), _undisturbed():
            process.start()
        theirs.close()
        return process, ours

    @property
    def handles(self) -> tuple[Any, ...]:
        return self._pipe, self._process.sentinel

    def take(self, index: int, item: Any) -> None:
        if not self._process.is_alive():
            self._process, self._pipe = self._start()
        self.index, self._since = index, time.monotonic()
        self._pipe.send(item)

    def message(self) -> tuple[Any] | None:
        """Give the next message of the item in hand, if one is there."""
        try:
            if self._pipe.poll():
                kind, value = self._pipe.recv()
                self._since = time.monotonic()
                if kind == "error":
                    raise value
                return self._ended(End()) if kind == "end" else (value,)
        except (EOFError, ConnectionResetError):
            self._process.join()
        if not self._process.is_alive():
            return self._ended(self._epitaph())
        if self._limit and time.monotonic() - self._since > _WALL_PER_CPU * self._limit:
            self._process.kill()
            self._process.join()
            return self._ended(Lost(f"hung: nothing came back within {_WALL_PER_CPU * self._limit:g} s"))
        return None

    def _ended(self, last: End | Lost) -> tuple[End | Lost]:
        self.index = None
        return (last,)

    def _epitaph(self) -> Lost:
        code = self._process.exitcode or 0
        if code == -getattr(signal, "SIGXCPU", 0):
            return Lost(f"took more than {self._limit:g} s of processor time")
        if code < 0:
            return Lost(f"crashed its worker ({signal.Signals(-code).name})", crashed=True)
        return Lost(f"ended its worker (exit code {code})", crashed=True)

    def stop(self) -> None:
        if self.index is None and self._process.is_alive():
            self._pipe.close()
            self._process.join(timeout=2.0)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()


def _serve(pipe: Connection, make: Make, limit: float) -> None:
    """Work in a child process: items in, messages out, until the pipe closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to answer
    try:
        work = make()
        _bound(limit)
        while True:
            item = pipe.recv()
            _allow(limit)
            for message in work(item):
                pipe.send(("part", message))
            pipe.send(("end", None))
    except (EOFError, BrokenPipeError):
        return
    except Exception as error:
        pipe.send(("error", error))
        raise SystemExit(1) from None


def _allow(limit: float) -> None:
    """Let the kernel end this process once the item has used its processor time, whatever C code it is in."""
    if not limit or os.name != "posix":
        return
    import resource

    used = resource.getrusage(resource.RUSAGE_SELF)
    soft = int(used.ru_utime + used.ru_stime + limit) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (soft, resource.getrlimit(resource.RLIMIT_CPU)[1]))


def _bound(limit: float) -> None:
    """Let this process, as it is before its first item, grow by ``ROOM`` and no more, where the kernel can hold it."""
    status = Path("/proc/self/status")
    if not limit or not status.is_file():
        return
    import resource

    held = next(int(line.split()[1]) << 10 for line in status.read_text().splitlines() if line.startswith("VmData"))
    resource.setrlimit(resource.RLIMIT_DATA, (held + ROOM, resource.getrlimit(resource.RLIMIT_DATA)[1]))


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Let Ctrl-C wait until a process has started whole: half started, it would complain in its own words."""
    if threading.current_thread() is not threading.main_thread():  # where Python answers signals
        yield
        return
    came: list[tuple[int, Any]] = []
    before = signal.signal(signal.SIGINT, lambda *arguments: came.append(arguments))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if came and callable(before):
        before(*came[0])


@contextmanager
def _one_thread() -> Iterator[None]:
    """Make a process that starts now compute with one thread: the libraries read this as they load."""
    before = {name: os.environ.get(name) for name in _ONE_THREAD}
    os.environ.update(dict.fromkeys(_ONE_THREAD, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
