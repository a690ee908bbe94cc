"""Processes that train as one, started by ``torchrun``: what each has of a tensor goes in, what all have comes out.

A world of one, which is what there is without ``torchrun``, does nothing, and costs nothing. Processes talk through
gloo on CPUs and NCCL on GPUs. The first one (rank 0) leads: it alone writes.

::

    torchrun --nproc-per-node 2 -m mimetic.cli finetune DATA --extractor gte --set at_once=16
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

from mimetic.devices import choose_device
from mimetic.records import UsageError

if TYPE_CHECKING:
    from torch import Tensor, nn

T = TypeVar("T")

PATIENCE = timedelta(days=2)
"""How long processes wait for the one that leads, which may be extracting features; one that dies ends them all."""


@dataclass(frozen=True, slots=True)
class World:
    """How many processes train together, and which of them this one is."""

    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        """Whether this process is the one that writes."""
        return self.rank == 0

    def share(self, items: Sequence[T]) -> Sequence[T]:
        """Give this process's items: every ``size``-th."""
        return items[self.rank :: self.size]

    def total(self, own: Tensor) -> Tensor:
        """Give the sum over all processes, in place."""
        if self.size > 1:
            from torch import distributed

            distributed.all_reduce(own)
        return own

    def gathered(self, own: Tensor, count: int) -> Tensor:
        """Give all rows out of what each process has of them (its ``share``); gradients flow to a process's own."""
        if self.size == 1:
            return own
        import torch

        places = torch.arange(self.rank, count, self.size, device=own.device)
        others = own.new_zeros((count, *own.shape[1:])).index_copy(0, places, own.detach())
        others = self.total(others).index_fill(0, places, 0.0)
        return others.index_add(0, places, own)

    def wait(self) -> None:
        """Wait until all processes are here."""
        if self.size > 1:
            from torch import distributed

            distributed.barrier()

    def led(self, work: Callable[[], T]) -> T:
        """Let the one that leads do a piece of work before the others do, who then find it done."""
        if self.leads:
            done = work()
            self.wait()
            return done
        self.wait()
        return work()

    def sum_gradients(self, weights: Iterable[nn.Parameter]) -> None:
        """Sum each weight's gradient over all processes; one that no process has a gradient of stays without."""
        if self.size == 1:
            return
        import torch

        learning = list(weights)
        has = torch.tensor([weight.grad is not None for weight in learning], dtype=torch.float32)
        for weight, count in zip(learning, self.total(has.to(learning[0].device)).tolist(), strict=True):
            if count:
                weight.grad = self.total(torch.zeros_like(weight) if weight.grad is None else weight.grad)

    def agree(self, number: int, what: str) -> None:
        """Make sure that all processes know the same number.

        Raises
        ------
        UsageError
            if they do not.
        """
        if self.size == 1:
            return
        from torch import distributed

        told: list[int | None] = [None] * self.size
        distributed.all_gather_object(told, number)
        if len(set(told)) > 1:
            remedy = "Give all machines the same folders: --out and the data set on a disk that they share."
            raise UsageError(f"the processes do not agree on {what}: {', '.join(map(str, told))}", remedy=remedy)


ALONE = World()


def here() -> World:
    """Tell which world this process is in."""
    from torch import distributed

    if not (distributed.is_available() and distributed.is_initialized()):
        return ALONE
    return World(distributed.get_rank(), distributed.get_world_size())


@contextmanager
def entered(device: str) -> Iterator[tuple[World, str]]:
    """Join the processes that ``torchrun`` has started, if it has; give the world, and this one's device.

    Raises
    ------
    UsageError
        if there are more processes on this machine than it has GPUs.
    """
    from torch import distributed

    if not distributed.is_available() or not distributed.is_torchelastic_launched():
        yield ALONE, device
        return
    chosen = _own_device(choose_device(device), distributed.get_node_local_rank())
    distributed.init_process_group("nccl" if chosen.startswith("cuda") else "gloo", timeout=PATIENCE)
    try:
        yield here(), chosen
    finally:
        distributed.destroy_process_group()


def _own_device(device: str, local_rank: int) -> str:
    if device != "cuda":
        return device
    import torch

    if local_rank >= (count := torch.cuda.device_count()):
        told = f"this machine has {count} GPUs, and torchrun has started more processes on it"
        raise UsageError(told, remedy=f"Start torchrun with --nproc-per-node {count}, or give --device cpu.")
    torch.cuda.set_device(local_rank)
    return f"cuda:{local_rank}"
