"""Shards made by a Ray cluster: tasks in, shards in the store out, the same bytes as one machine would write.

An actor is a pair of crews (``conveying.Crews``) on some node, and holds what they have loaded; a task is a shard, and
one that is done again, because its node was lost, writes the same file. An actor has one task in hand, and inside it
decoders wait for models, so that nothing piles up. What every node must see under the same path: the clips, the store,
the checkpoints; and the working directory.

A clip that takes whole actors down is found by trying the clips of its shard alone: at its second victim among those
tries it is set aside, with the reason, and its shard is made without it. (What ends a decoder, or a model, costs no
actor: that is as on one machine.)
"""

from __future__ import annotations

import logging
import os
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mimetic.backends import Converted
from mimetic.conveying import Crews
from mimetic.devices import devices_of
from mimetic.features import Feature
from mimetic.models import ModelEntry
from mimetic.records import Clip, MimeticError, MissingExtra, UsageError
from mimetic.shards import Done, Means, Task, write
from mimetic.store import Store

TRIES = 2
"""Actors that a shard, or a clip alone, may take down before it is looked into, or set aside."""

GIVEN_UP = 8
"""Actors that one shard may take down in all: nodes that are lost one after the other look the same."""

REASON = f"took its worker down {TRIES} times"


def work_on_ray(
    tasks: Sequence[Task], store: Store, means: Means, converted: Mapping[str, Converted]
) -> Iterator[Done | None]:
    """Do tasks that want the same features on the cluster that this machine is in, or on one of its own.

    Parameters
    ----------
    workers
        processors of an actor, each a decoder and a model; 1 if not told.

    Yields
    ------
    Done or None
        ``None`` for each clip, and what its shard took, once that is in the store.

    Raises
    ------
    MissingExtra
        if Ray is not installed.
    UsageError
        if a node does not see the store.
    """
    with connected() as ray:
        places = store.path.absolute(), Path.cwd()
        order = _Order(tasks[0].features, *places, means, converted)
        yield from _Fleet(ray, order, tasks).run()


@contextmanager
def connected() -> Iterator[Any]:
    """Give Ray, connected; nothing is sent to whoever makes it."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    try:
        import ray
    except ModuleNotFoundError:
        raise MissingExtra("--engine ray", "scale") from None
    if ray.is_initialized():
        yield ray
        return
    ray.init(include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    try:
        yield ray
    finally:
        ray.shutdown()


@dataclass(frozen=True, slots=True)
class _Order:
    """What an actor is made of."""

    features: tuple[Feature, ...]
    store: Path
    folder: Path
    means: Means
    converted: Mapping[str, Converted]

    @property
    def workers(self) -> int:
        return max(1, self.means.workers or 1)

    @property
    def heavy(self) -> bool:
        return any(isinstance(feature.entry, ModelEntry) for feature in self.features)


class _Worker:
    """Makes shards on its node, with crews that stay."""

    def __init__(self, order: _Order) -> None:
        self._order = order

    def ready(self) -> None:
        """Make the crews."""
        order = self._order
        for place in (order.store, order.folder):
            if not place.is_dir():
                remedy = "Keep the store, the clips and the working directory on a disk that all nodes share."
                raise UsageError(f"the node {os.uname().nodename} does not see {place}", remedy=remedy)
        os.chdir(order.folder)
        self._store = Store(order.store)
        devices = devices_of(order.means.device) if order.heavy else ("cpu",)
        self._crews = Crews(
            order.features,
            workers=order.workers,
            devices=devices,
            limit=order.means.limit,
            folder=order.store,
            converted=order.converted,
        )

    def make(self, task: Task) -> Done:
        """Make a shard."""
        results = [result for result in self._crews.convey([task.wanted]) if result is not None]
        return write(task, results[0], self._store)

    def try_alone(self, clip: Clip) -> None:
        """See whether a clip lets this worker live."""
        list(self._crews.convey([[clip]]))


@dataclass(eq=False, slots=True)
class _Case:
    """A task on its way: how many actors it has taken down, and which of its clips are still to be tried alone."""

    task: Task
    losses: int = 0
    suspects: deque[Clip] = field(default_factory=deque)
    taken: Counter[str] = field(default_factory=Counter)


class _Fleet:
    """The actors, what each has in hand, and what waits."""

    def __init__(self, ray: Any, order: _Order, tasks: Sequence[Task]) -> None:
        self._ray, self._order = ray, order
        self._waiting = deque(_Case(task) for task in tasks)
        self._hands: dict[Any, tuple[Any, _Case | None]] = {}
        self._idle: list[Any] = []
        self._actor = ray.remote(**self._needs())(_Worker)
        self._actors: list[Any] = []
        self._stillborn = 0

    def _needs(self) -> dict[str, Any]:
        there = self._ray.cluster_resources()
        gpus = there.get("GPU", 0) if self._order.heavy and self._order.means.device in ("auto", "cuda") else 0
        return {"num_cpus": self._order.workers, "num_gpus": 1 if gpus else 0, "max_restarts": 0}

    def run(self) -> Iterator[Done | None]:
        """Do all tasks."""
        try:
            for _ in range(min(len(self._waiting), self._places())):
                self._hire()
            while self._waiting or any(case for _, case in self._hands.values()):
                self._hand_out()
                ready, _ = self._ray.wait(list(self._hands), num_returns=1, timeout=10.0)
                for answer in ready:
                    yield from self._take(answer)
        finally:
            for actor in self._actors:
                self._ray.kill(actor)

    def _places(self) -> int:
        there, needs = self._ray.cluster_resources(), self._needs()
        places = there.get("CPU", 0) // needs["num_cpus"]
        if needs["num_gpus"]:
            places = min(places, there["GPU"])
        if places < 1:
            told = f"no node of the cluster has {needs['num_cpus']} processors"
            raise UsageError(told, remedy="Give fewer --workers: that many are in each actor.")
        return int(places)

    def _hire(self) -> None:
        """Start an actor; it gets work once it is there."""
        actor = self._actor.remote(self._order)
        self._actors.append(actor)
        self._hands[actor.ready.remote()] = actor, None

    def _hand_out(self) -> None:
        while self._idle and self._waiting:
            actor, case = self._idle.pop(), self._waiting.popleft()
            answer = actor.try_alone.remote(case.suspects[0]) if case.suspects else actor.make.remote(case.task)
            self._hands[answer] = actor, case

    def _take(self, answer: Any) -> Iterator[Done | None]:
        """Take an actor's answer, or its end."""
        actor, case = self._hands.pop(answer)
        try:
            done = self._ray.get(answer)
        except self._ray.exceptions.RayTaskError as error:
            raise error.cause if isinstance(error.cause, MimeticError) else error from None
        except self._ray.exceptions.RayActorError as error:
            self._actors.remove(actor)
            self._mourn(case, error)
            return
        self._idle.append(actor)
        if case is not None and case.suspects:
            case.suspects.popleft()
            self._waiting.appendleft(case)
        elif case is not None:
            yield from [None] * len(case.task.clips)
            yield done

    def _mourn(self, case: _Case | None, error: Exception) -> None:
        """Replace an actor that has ended, and see whose fault it was."""
        if case is None:
            self._stillborn += 1
            if self._stillborn >= GIVEN_UP:
                raise MimeticError("no worker starts on the cluster", remedy="See its logs.") from error
        self._hire()
        if case is None:
            return
        self._waiting.appendleft(case)
        if case.suspects:
            self._suspect(case)
        else:
            self._blame(case)

    def _blame(self, case: _Case) -> None:
        """Count a worker against a shard; at every second one its clips are tried alone."""
        case.losses += 1
        if case.losses >= GIVEN_UP:
            told = f"shard {case.task.index} has lost {case.losses} workers, though each of its clips alone is read"
            raise MimeticError(told, remedy="Give fewer --workers, if its nodes run out of memory.")
        if case.losses % TRIES == 0:
            case.suspects.extend(case.task.wanted)

    def _suspect(self, case: _Case) -> None:
        """Count a worker against the clip that was tried alone; at the second one it is set aside."""
        clip = case.suspects[0]
        case.taken[clip.id] += 1
        if case.taken[clip.id] >= TRIES:
            case.suspects.popleft()
            case.task = case.task.without({clip.id: REASON})
