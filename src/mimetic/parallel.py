"""``unordered(make, items)``: each item's result as it comes, from this process or from a pool of others.

A worker that dies, or spends more than its share of processor time on one item, costs that item alone: the result
is a ``Lost`` with the reason, and a fresh worker takes the next one. Processes are spawned, not forked (torch and
PyAV hold threads), and each computes with one thread: on few cores, two workers beat two threads.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, TypeVar

T = TypeVar("T")
R = TypeVar("R")

_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_WALL_PER_CPU = 10.0  # an item may sleep or wait; one that does nothing at all for so long hangs


@dataclass(frozen=True, slots=True)
class Lost:
    """An item that took its worker down with it."""

    reason: str


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
    crew = [_Worker(make, limit) for _ in range(min(workers, len(items)))]
    waiting = iter(enumerate(items))
    try:
        for worker in crew:
            worker.take(next(waiting, None))
        while busy := [worker for worker in crew if worker.index is not None]:
            wait([handle for worker in busy for handle in worker.handles], timeout=1.0)
            for worker in busy:
                if (result := worker.result()) is not None:
                    yield result
                    worker.take(next(waiting, None))
    finally:
        for worker in crew:
            worker.stop()


class _Worker:
    """A process, and the item it has in hand."""

    def __init__(self, make: Callable[[], Callable[[T], R]], limit: float) -> None:
        self._make, self._limit = make, limit
        self.index: int | None = None
        self._since = 0.0
        self._process, self._pipe = self._start()

    def _start(self) -> tuple[BaseProcess, Connection]:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(theirs, self._make, self._limit), daemon=True)
        with _one_thread():
            process.start()
        theirs.close()
        return process, ours

    @property
    def handles(self) -> tuple[Any, ...]:
        return self._pipe, self._process.sentinel

    def take(self, item: tuple[int, Any] | None) -> None:
        self.index = None
        if item is None:
            return
        if not self._process.is_alive():
            self._process, self._pipe = self._start()
        self.index, self._since = item[0], time.monotonic()
        self._pipe.send(item[1])

    def result(self) -> tuple[int, Any] | None:
        assert self.index is not None
        try:
            if self._pipe.poll():
                kind, value = self._pipe.recv()
                if kind == "error":
                    raise value
                return self.index, value
        except (EOFError, ConnectionResetError):
            self._process.join()
        if not self._process.is_alive():
            return self.index, Lost(self._epitaph())
        if self._limit and time.monotonic() - self._since > _WALL_PER_CPU * self._limit:
            self._process.kill()
            self._process.join()
            return self.index, Lost(f"hung: nothing came back within {_WALL_PER_CPU * self._limit:g} s")
        return None

    def _epitaph(self) -> str:
        code = self._process.exitcode or 0
        if code == -getattr(signal, "SIGXCPU", 0):
            return f"took more than {self._limit:g} s of processor time"
        if code < 0:
            return f"crashed its worker ({signal.Signals(-code).name})"
        return f"ended its worker (exit code {code})"

    def stop(self) -> None:
        if self.index is None and self._process.is_alive():
            self._pipe.close()
            self._process.join(timeout=2.0)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()


def _serve(pipe: Connection, make: Callable[[], Callable[[Any], Any]], limit: float) -> None:
    """Work in a child process: items in, results out, until the pipe closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to answer
    try:
        work = make()
        while True:
            item = pipe.recv()
            _allow(limit)
            pipe.send(("result", work(item)))
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
