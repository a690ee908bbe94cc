"""Each measurement in a process of its own: what it costs in processor seconds and in memory, and what it found.

A function and its arguments in, a ``Cost`` out; several are measured in turns, so that what else the machine does
meets all of them alike.
"""

from __future__ import annotations

import gc
import os
import platform
import statistics
import time
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import get_all_start_methods, get_context
from pathlib import Path
from typing import Any, TypeVar

from mimetic.parallel import processors
from mimetic.records import Json

ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(kw_only=True, slots=True)
class Cost:
    """What one process measured: processor and wall seconds by name, bytes at the peak above its imports, facts."""

    cpu: dict[str, float] = field(default_factory=dict)
    wall: dict[str, float] = field(default_factory=dict)
    peak: int | None = None
    facts: Json = field(default_factory=dict)

    @contextmanager
    def measured(self, name: str) -> Iterator[None]:
        """Measure what goes on inside."""
        gc.collect()
        cpu, wall = time.process_time(), time.perf_counter()
        yield
        self.cpu[name], self.wall[name] = time.process_time() - cpu, time.perf_counter() - wall


Work = Callable[..., Cost]
Key = TypeVar("Key", bound=Hashable)


def measure(work: Work, *arguments: Any, ready: Callable[[], None]) -> Cost:
    """Run ``work(*arguments)`` in a new process that has imported what it needs and is ``ready``, with one thread."""
    methods = get_all_start_methods()
    context = get_context("forkserver" if "forkserver" in methods else "spawn")
    if "forkserver" in methods:
        context.set_forkserver_preload([work.__module__])
    with _one_thread(), ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(_peaked, ready, work, *arguments).result()


@contextmanager
def _one_thread() -> Iterator[None]:
    """Let the processes that are started compute with one thread."""
    before = {name: os.environ.get(name) for name in ONE_THREAD}
    os.environ.update(dict.fromkeys(ONE_THREAD, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _peaked(ready: Callable[[], None], work: Work, *arguments: Any) -> Cost:
    ready()
    before = _status("VmRSS")
    _forget_peak()
    cost = work(*arguments)
    peak = _status("VmHWM")
    cost.peak = None if before is None or peak is None else peak - before
    return cost


def _status(name: str) -> int | None:
    """Read one of the kernel's figures of this process, in bytes; ``None`` where there is no such kernel."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(name)), None)


def _forget_peak() -> None:
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return


def in_turns(
    jobs: Mapping[Key, tuple[Any, ...]],
    *,
    repeats: int,
    ready: Callable[[], None],
    progress: Callable[[int, int], None],
) -> dict[Key, list[Cost]]:
    """Measure every job, then every job again, ``repeats`` times; a job is ``(work, *arguments)``."""
    found: dict[Key, list[Cost]] = {name: [] for name in jobs}
    total = repeats * len(jobs)
    progress(0, total)
    for turn in range(repeats):
        for number, (name, (work, *arguments)) in enumerate(jobs.items()):
            found[name].append(measure(work, *arguments, ready=ready))
            progress(turn * len(jobs) + number + 1, total)
    return found


def median(costs: Sequence[Cost], name: str, *, of: str = "cpu") -> float:
    """Give the median of one of the figures."""
    return float(statistics.median(getattr(cost, of)[name] for cost in costs))


def spread(costs: Sequence[Cost], name: str) -> float:
    """Give how far the processor seconds lie apart, as a share of their median."""
    values = [cost.cpu[name] for cost in costs]
    return (max(values) - min(values)) / max(statistics.median(values), 1e-9)


def machine() -> Json:
    """Describe this machine as a reader of the figures needs it; nothing in it names it."""
    import torch

    return {
        "processors": processors(),
        "processor": _processor(),
        "system": platform.system(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "threads": 1,
        "date": time.strftime("%Y-%m-%d"),
        "load": round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None,
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
