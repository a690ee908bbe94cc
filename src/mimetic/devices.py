"""Which device computes, and with how many threads."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from mimetic.records import UsageError


def choose_device(name: str) -> str:
    """Give the device's name; ``auto`` is the GPU where there is one.

    Raises
    ------
    UsageError
        for a device that this machine does not have.
    """
    import torch

    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        return "cuda" if there["cuda"] else "cpu"
    if not there.get(name.partition(":")[0]):
        have = ", ".join(device for device, is_there in there.items() if is_there)
        raise UsageError(f"there is no device {name!r} here", remedy=f"There is: auto, {have}.")
    return name


def devices_of(name: str) -> tuple[str, ...]:
    """Give every device of a kind: ``cuda`` stands for all GPUs, ``cuda:1`` for one."""
    import torch

    chosen = choose_device(name)
    return tuple(f"cuda:{i}" for i in range(torch.cuda.device_count())) if chosen == "cuda" else (chosen,)


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute with one thread on the CPU: a sum over two rounds differently, and small steps are slower with two.

    (A fusion of the demo, on two busy cores: 1.4 s with one thread, 5.0 s with two.) oneDNN keeps what it has built for
    the last 1,024 shapes, a megabyte each for an LSTM, and buckets have a new shape nearly every time: few are kept.
    """
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "16")  # read when it computes for the first time
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def full_precision() -> Iterator[None]:
    """Compute float32 as float32 on a GPU too: by default its convolutions keep ten bits of it (TF32)."""
    import torch

    with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False):
        yield
